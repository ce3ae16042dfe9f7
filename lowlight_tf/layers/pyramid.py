"""From one size of feature maps to half of it and back, as nets of several scales go."""

from collections.abc import Callable

import keras
from keras import KerasTensor, ops

BLUR_KERNEL = (0.25, 0.5, 0.25)
"""What a row and a column are blurred with before every other pixel is left out."""


@keras.saving.register_keras_serializable("lowlight_tf")
class BlurPool(keras.layers.Layer):
    """Blur, then keep every other row and column, so that fine stripes turn grey and not coarse.

    (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), C). Each result is the mean of 3 x 3 pixels around
    one of an even row and column, with weights 1, 2, 1 in both directions.

    In training it is two means over 2 x 2 pixels, the same sums: XLA has no fast gradient of a
    depthwise convolution on a CPU. On the device it is that one convolution.

    Reference:
        Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019.

    Differences from the paper:
        Zeros lie beyond the border, as around every convolution, where its code mirrors: a mirror
        is an operation of its own on a device.
    """

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        """Shrink one batch."""
        x = ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        if training:
            return ops.average_pool(ops.average_pool(x, 2, 1, "valid"), 2, 2, "valid")
        line = ops.convert_to_tensor(BLUR_KERNEL, dtype=x.dtype)
        kernel = ops.broadcast_to(ops.outer(line, line)[..., None, None], (3, 3, x.shape[-1], 1))
        return ops.depthwise_conv(x, kernel, 2, "valid")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape at half the size."""
        return (shape[0], *(None if n is None else -(-n // 2) for n in shape[1:3]), shape[3])


@keras.saving.register_keras_serializable("lowlight_tf")
class BilinearUpsample(keras.layers.Layer):
    """Bilinear interpolation to twice the size, cropped to a model picture.

    Called on [x, like]: (B, H, W, C) -> (B, H', W', C), where H' and W' are those of `like` and at
    most twice H and W. Each result lies a quarter of a pixel from the nearest of `x`; beyond the
    border `x` goes on as it ends.

    In training it is sums of shifted pictures and its gradient means of means, the same numbers:
    compiled by XLA for a CPU, a resize takes several times as long.
    """

    def call(self, inputs: list[KerasTensor], training: bool = False) -> KerasTensor:
        """Enlarge one batch."""
        x, like = inputs
        _, height, width, _ = ops.shape(x)
        if training:
            doubled = _upsample(x)
        else:
            doubled = ops.image.resize(x, (2 * height, 2 * width), interpolation="bilinear")
        _, high, wide, _ = ops.shape(like)
        if (2 * height, 2 * width) == (high, wide):
            return doubled  # nothing to crop, and no step for it in the graph
        return doubled[:, :high, :wide]

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape at the size of `like`."""
        (batch, _, _, channels), (_, height, width, _) = shapes
        return (batch, height, width, channels)


@ops.custom_gradient
def _upsample(x: KerasTensor) -> tuple[KerasTensor, Callable[[KerasTensor], KerasTensor]]:
    """Interpolate, and say how its gradient is found."""

    def gradient(*args: KerasTensor, upstream: KerasTensor | None = None) -> KerasTensor:
        y = args[0] if upstream is None else upstream  # torch gives it by name
        # Each pixel went to four of a row with weights 1, 3, 3, 1 of 4: three means of two.
        y = ops.concatenate([y[:, :1], y, y[:, -1:]], 1)
        y = ops.concatenate([y[:, :, :1], y, y[:, :, -1:]], 2)
        y = ops.average_pool(ops.average_pool(y, 2, 1, "valid"), 2, 1, "valid")
        return 4 * ops.average_pool(y, 2, 2, "valid")

    return _upsample_along(_upsample_along(x, 1), 2), gradient


def _upsample_along(x: KerasTensor, axis: int) -> KerasTensor:
    """Interpolate along one axis."""

    def part(begin: int | None, end: int | None) -> KerasTensor:
        return x[:, begin:end] if axis == 1 else x[:, :, begin:end]

    before = ops.concatenate([part(0, 1), part(0, -1)], axis)
    after = ops.concatenate([part(1, None), part(-1, None)], axis)
    pairs = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
    shape = list(ops.shape(x))
    shape[axis] *= 2
    return ops.reshape(pairs, shape)


@keras.saving.register_keras_serializable("lowlight_tf")
class FoldedConv2DTranspose(keras.layers.Layer):
    """A transposed 3 x 3 convolution of stride 2, as a 2 x 2 convolution of the small picture.

    (B, H, W, C) -> (B, H, W, 4 filters); `DepthToSpace(2)` then gives (B, 2 H, 2 W, filters). Pixel
    (2 i, 2 j) of that is x[i, j] times the middle of the kernel; its neighbors below and at the
    right mix those of `x` on both sides of them. Folded after training, it is a plain convolution:
    devices are slow at transposed ones, at eight bits above all.

    Args:
        filters: Feature maps of the large picture.
    """

    def __init__(self, filters: int, **options) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the kernel, (3, 3, C, filters)."""
        self.kernel = self.add_weight((3, 3, shape[-1], self.filters), name="kernel")

    def folded_kernel(self) -> KerasTensor:
        """Return the kernel on the small picture, (2, 2, C, 4 filters)."""
        kernel, channels = self.kernel, self.kernel.shape[2]
        # Taps 1, 2, none, 0 of a row, by [pixel of `x`, pixel of its pair]; columns alike.
        kernel = ops.roll(ops.pad(kernel, [[0, 1], [0, 1], [0, 0], [0, 0]]), (-1, -1), (0, 1))
        kernel = ops.reshape(kernel, (2, 2, 2, 2, channels, self.filters))
        kernel = ops.transpose(kernel, (0, 2, 4, 1, 3, 5))
        return ops.reshape(kernel, (2, 2, channels, 4 * self.filters))

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Convolve the small picture."""
        kernel = ops.cast(self.folded_kernel(), self.compute_dtype)
        return ops.conv(inputs, kernel, padding="same")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape before unfolding."""
        return (*shape[:3], 4 * self.filters)

    def fold(self) -> keras.layers.Conv2D:
        """Return the plain convolution of the same name that does the same; built by its caller."""
        return keras.layers.Conv2D(
            4 * self.filters, 2, padding="same", use_bias=False, name=self.name
        )

    def folded_weights(self) -> list[KerasTensor]:
        """Return the weights of that convolution."""
        return [self.folded_kernel()]

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "filters": self.filters}
