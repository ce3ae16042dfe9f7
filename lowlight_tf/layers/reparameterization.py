"""Layers that learn in another form than they run in."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class CollapsibleConv2D(keras.layers.Layer):
    """A convolution whose kernel is the sum of four branches, to be folded into one after training.

    The branches are a k x k convolution, a 1 x 1 convolution, a k x k convolution to `expansion`
    times the filters followed by a 1 x 1 convolution back, and the identity where input and output
    have equal channels. They are linear, so their sum is one k x k convolution; it is the summed
    kernel that is convolved with in training too, which costs next to nothing beside the picture.

    (B, H, W, C) -> (B, ceil(H / strides), ceil(W / strides), filters), zeros beyond the border.

    Args:
        filters: Feature maps.
        kernel_size: k, odd.
        strides: Of rows and columns.
        expansion: Width of the expanded branch, in filters; 0 leaves it out.
        center: What is taken from the input before it is convolved. An input that is 0.6 on average
            moves the sum of 400 products at once with every step, and ReLUs fall silent for good;
            taken into the bias it costs nothing. (Beyond the border are zeros, not centers.)

    Reference:
        Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super Resolution", MLSys
        2022 (the expanded branch, collapsed while training); Ding et al., "RepVGG", CVPR 2021 (the
        1 x 1 and the identity branch).

    Differences from the references:
        No batch normalization: there is none to fold, and branches can be summed at every step. The
        1 x 1 and the projecting kernel begin at zero, so that at first the layer is the plain
        convolution (and identity) that its options name.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        expansion: int = 2,
        center: float = 0.0,
        residual: bool = False,
        **options,
    ) -> None:
        super().__init__(**options)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.expansion, self.center, self.residual = expansion, center, residual

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights of all branches."""
        channels, size = shape[-1], self.kernel_size
        wide = self.expansion * self.filters
        self.kernel = self.add_weight((size, size, channels, self.filters), name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")
        if size > 1:
            self.point = self.add_weight((1, 1, channels, self.filters), "zeros", name="point")
        if wide:
            self.expand = self.add_weight((size, size, channels, wide), name="expand")
            self.project = self.add_weight((wide, self.filters), "zeros", name="project")

    def folded_kernel(self) -> KerasTensor:
        """Return the one kernel that all branches amount to, (k, k, C, filters)."""
        kernel, middle = self.kernel, self.kernel_size // 2
        centre = ops.eye(kernel.shape[2], self.filters) if self.residual else 0.0
        if self.kernel_size > 1:
            centre = centre + self.point[0, 0]
        if self.residual or self.kernel_size > 1:
            around = [[middle, middle], [middle, middle], [0, 0], [0, 0]]
            kernel = kernel + ops.pad(centre[None, None], around)
        if self.expansion:
            kernel = kernel + ops.matmul(self.expand, self.project)
        return kernel

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Convolve with the folded kernel."""
        kernel = ops.cast(self.folded_kernel(), self.compute_dtype)
        out = ops.conv(inputs, kernel, self.strides, "same")
        return out + ops.cast(self._folded_bias(kernel), self.compute_dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape after convolving."""
        sides = (None if side is None else -(-side // self.strides) for side in shape[1:3])
        return (shape[0], *sides, self.filters)

    def fold(self) -> keras.layers.Conv2D:
        """Return the plain convolution of the same name that does the same; built by its caller."""
        return keras.layers.Conv2D(
            self.filters, self.kernel_size, strides=self.strides, padding="same", name=self.name
        )

    def folded_weights(self) -> list[KerasTensor]:
        """Return the weights of that convolution."""
        kernel = self.folded_kernel()
        return [kernel, self._folded_bias(kernel)]

    def _folded_bias(self, kernel: KerasTensor) -> KerasTensor:
        bias = ops.cast(self.bias, kernel.dtype)
        return bias - self.center * ops.sum(kernel, (0, 1, 2)) if self.center else bias

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        own = ("filters", "kernel_size", "strides", "expansion", "center", "residual")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def fold(net: keras.Model) -> keras.Model:
    """Return a net that gives the same with every layer folded that can be.

    Collapsible and transposed convolutions become plain ones: layers that have `fold`, which gives
    the plain layer, and `folded_weights`. A PReLU with one slope for all feature maps becomes a
    LeakyReLU, which devices have in eight bits too.

    Args:
        net: A functional model; it is left as it is.

    Returns:
        A copy with weights of its own, or `net` itself if there is nothing to fold.
    """
    if not any(_is_foldable(layer) for layer in net.layers):
        return net
    copy = keras.models.clone_model(net, clone_function=_folded)
    for layer in net.layers:
        if layer.weights and copy.get_layer(layer.name).weights:
            folded = layer.folded_weights() if _is_foldable(layer) else layer.get_weights()
            copy.get_layer(layer.name).set_weights(folded)
    return copy


def _is_foldable(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.PReLU):
        return layer.alpha.shape == (1, 1, 1) and float(layer.alpha[0, 0, 0]) >= 0
    return hasattr(layer, "folded_weights")


def _folded(layer: keras.layers.Layer) -> keras.layers.Layer:
    if not _is_foldable(layer):
        return layer.__class__.from_config(layer.get_config())
    if isinstance(layer, keras.layers.PReLU):
        return keras.layers.LeakyReLU(float(layer.alpha[0, 0, 0]), name=layer.name)
    return layer.fold()
