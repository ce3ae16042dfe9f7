"""Downsampling and upsampling by 2 for models that work at several scales."""

from collections.abc import Callable

import keras
from keras import KerasTensor, ops

BLUR_KERNEL = (0.25, 0.5, 0.25)
"""Binomial filter of rows and columns before every other pixel is dropped."""


@keras.saving.register_keras_serializable("lowlight_tf")
class BlurPool(keras.layers.Layer):
    """Anti-aliased downsampling by 2: (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), C).

    Each output is the mean of the 3x3 pixels around one of an even row and column, with weights
    1, 2, 1 in both directions, so that fine stripes become grey instead of coarse stripes.

    In training it is two average poolings of 2x2 pixels, the same sums: XLA has no fast gradient of
    a depthwise convolution on a CPU. In inference it is one depthwise convolution.

    Reference:
        Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019.

    Differences from the paper:
        Zero padding, as in every convolution, where its code reflects: reflection is an operation
        of its own on a device.
    """

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        """Downsample one batch."""
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
    """Bilinear upsampling by 2, cropped to the size of a reference tensor.

    Called on [x, like]: (B, H, W, C) -> (B, H', W', C), where H' and W' are those of `like` and at
    most twice H and W. Pixel centers are half a pixel from the edges (not aligned corners); beyond
    the border `x` is replicated.

    In training, and of a size that the graph does not know, it is a sum of shifted images and its
    gradient a mean of means, the same numbers:
    compiled by XLA for a CPU, a resize takes several times as long.
    """

    def call(self, inputs: list[KerasTensor], training: bool = False) -> KerasTensor:
        """Upsample one batch."""
        x, like = inputs
        _, height, width, _ = ops.shape(x)
        if training or not isinstance(height, int):  # Keras resizes to no unknown size
            upsampled = _upsample(x)
        else:
            upsampled = ops.image.resize(x, (2 * height, 2 * width), interpolation="bilinear")
        _, target_height, target_width, _ = ops.shape(like)
        sizes = 2 * height, 2 * width, target_height, target_width  # tensors where not known
        if all(isinstance(size, int) for size in sizes) and sizes[:2] == sizes[2:]:
            return upsampled  # nothing to crop, and no operation for it in the graph
        return upsampled[:, :target_height, :target_width]

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape at the size of `like`."""
        (batch, _, _, channels), (_, height, width, _) = shapes
        return (batch, height, width, channels)


@ops.custom_gradient
def _upsample(x: KerasTensor) -> tuple[KerasTensor, Callable[[KerasTensor], KerasTensor]]:
    """Return `x` upsampled by 2, and the function of its gradient."""

    def gradient(*args: KerasTensor, upstream: KerasTensor | None = None) -> KerasTensor:
        y = args[0] if upstream is None else upstream  # torch passes it by name
        # Each pixel contributed to four of a row with weights 1, 3, 3, 1 of 4: three means of two.
        y = ops.concatenate([y[:, :1], y, y[:, -1:]], 1)
        y = ops.concatenate([y[:, :, :1], y, y[:, :, -1:]], 2)
        y = ops.average_pool(ops.average_pool(y, 2, 1, "valid"), 2, 1, "valid")
        return 4 * ops.average_pool(y, 2, 2, "valid")

    return _upsample_along(_upsample_along(x, 1), 2), gradient


def _upsample_along(x: KerasTensor, axis: int) -> KerasTensor:
    """Upsample by 2 along one axis."""

    def crop(begin: int | None, end: int | None) -> KerasTensor:
        return x[:, begin:end] if axis == 1 else x[:, :, begin:end]

    previous = ops.concatenate([crop(0, 1), crop(0, -1)], axis)
    following = ops.concatenate([crop(1, None), crop(-1, None)], axis)
    pairs = ops.stack([0.75 * x + 0.25 * previous, 0.75 * x + 0.25 * following], axis + 1)
    shape = list(ops.shape(x))
    shape[axis] *= 2
    return ops.reshape(pairs, shape)


@keras.saving.register_keras_serializable("lowlight_tf")
class FoldedConv2DTranspose(keras.layers.Layer):
    """A transposed 3x3 convolution of stride 2, as a 2x2 convolution before depth-to-space.

    (B, H, W, C) -> (B, H, W, 4 filters); `DepthToSpace(2)` then gives (B, 2 H, 2 W, filters). Pixel
    (2 i, 2 j) of that is x[i, j] times the center of the kernel; the pixels below it and to its
    right mix the pixels of `x` on either side of them. After training it is folded into a plain
    convolution: devices are slow at transposed ones, with 8 bits most of all.

    Args:
        filters: Channels of the upsampled features.
    """

    def __init__(self, filters: int, **options) -> None:
        super().__init__(**options)
        self.filters = filters

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the kernel, (3, 3, C, filters)."""
        self.kernel = self.add_weight((3, 3, shape[-1], self.filters), name="kernel")

    def fold_kernel(self) -> KerasTensor:
        """Return the kernel of the 2x2 convolution, (2, 2, C, 4 filters)."""
        kernel, channels = self.kernel, self.kernel.shape[2]
        # Taps 1, 2, none, 0 of a row, as [pixel of `x`, pixel of the pair]; columns alike.
        kernel = ops.roll(ops.pad(kernel, [[0, 1], [0, 1], [0, 0], [0, 0]]), (-1, -1), (0, 1))
        kernel = ops.reshape(kernel, (2, 2, 2, 2, channels, self.filters))
        kernel = ops.transpose(kernel, (0, 2, 4, 1, 3, 5))
        return ops.reshape(kernel, (2, 2, channels, 4 * self.filters))

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Convolve one batch."""
        kernel = ops.cast(self.fold_kernel(), self.compute_dtype)
        return ops.conv(inputs, kernel, padding="same")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape before depth-to-space."""
        return (*shape[:3], 4 * self.filters)

    def fold(self) -> keras.layers.Conv2D:
        """Return the equivalent plain convolution, of the same name and not yet built."""
        return keras.layers.Conv2D(
            4 * self.filters, 2, padding="same", use_bias=False, name=self.name
        )

    def fold_weights(self) -> list[KerasTensor]:
        """Return the weights of that convolution."""
        return [self.fold_kernel()]

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "filters": self.filters}
