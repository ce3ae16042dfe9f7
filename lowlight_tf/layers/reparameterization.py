"""Layers that learn in another form than they run in."""

from collections import defaultdict

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from lowlight_tf.layers.fusion import FuseFeatures
from lowlight_tf.layers.normalization import FreezableBatchNormalization

NORMALIZATIONS = (layers.BatchNormalization, FreezableBatchNormalization)
"""What scales and shifts each feature map by constants when it runs."""


@keras.saving.register_keras_serializable("lowlight_tf")
class CollapsibleConv2D(layers.Layer):
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

    def fold(self) -> layers.Conv2D:
        """Return the plain convolution of the same name that does the same; built by its caller."""
        return layers.Conv2D(
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


def reparameterize_model(model: keras.Model) -> keras.Model:
    """Return a net that gives the same when it runs, with every layer folded that can be.

    Collapsible and transposed convolutions become plain ones: layers that have `fold`, which gives
    the plain layer, and `folded_weights`. A batch normalization becomes part of the plain
    convolution before it, if neither is ever called without the other. A PReLU with one slope for
    all feature maps becomes a LeakyReLU, which devices have in eight bits too; one whose slope is
    negative, which no LeakyReLU may have, gets it for every map: devices have it in that form. What
    joins two cameras becomes the sums and products that it is made of.

    Args:
        model: A functional model; it is left as it is.

    Returns:
        A copy with weights of its own, or `model` itself if there is nothing to fold.
    """
    norms = _find_normalizations(model)
    taken = {norm.name for norm in norms.values()}
    if not taken and not any(_is_foldable(layer) for layer in model.layers):
        return model

    def made(layer: keras.Operation) -> keras.Operation:
        if layer.name in norms:
            return layers.Conv2D.from_config({**layer.get_config(), "use_bias": True})
        return _fold_layer(layer)

    def call(layer: keras.Operation, *args, **kwargs):
        if layer.name in taken:
            return args[0]
        if isinstance(layer, FuseFeatures):
            return _split_activation(layer, *args)
        return layer(*args, **kwargs)

    copy = keras.models.clone_model(model, clone_function=made, call_function=call)
    own = {layer.name: layer for layer in copy.layers if layer.weights}
    for layer in model.layers:
        if layer.name not in own or _has_one_slope(layer):
            continue  # nothing learned, or made with what was learned
        if layer.name in norms:
            weights = _fold_normalization(layer, norms[layer.name])
        else:
            weights = layer.folded_weights() if _has_branches(layer) else layer.get_weights()
        own[layer.name].set_weights(weights)
    return copy


def _find_normalizations(net: keras.Model) -> dict[str, layers.BatchNormalization]:
    """Return the normalizations that can be folded, by the name of the convolution before each."""
    read, readers = defaultdict(set), defaultdict(set)
    for node in (node for nodes in net._nodes_by_depth.values() for node in nodes):
        for tensor in node.input_tensors:
            source = tensor._keras_history.operation
            read[node.operation].add(source)
            readers[source].add(node.operation)
    for tensor in net.outputs:
        readers[tensor._keras_history.operation].add(net)
    found = {}
    for norm in net.layers:
        if type(norm) in NORMALIZATIONS and len(read[norm]) == 1:
            (conv,) = read[norm]
            linear = type(conv) is layers.Conv2D and conv.activation is keras.activations.linear
            if linear and readers[conv] == {norm} and norm.axis in (-1, 3):
                found[conv.name] = norm
    return found


def _fold_normalization(conv: layers.Conv2D, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """Return kernel and bias of a convolution whose result is that of the normalization."""
    kernel, *bias = map(np.float64, conv.get_weights())
    scale = 1 / np.sqrt(np.float64(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale *= np.float64(norm.gamma)
    shift = ((bias[0] if bias else 0) - np.float64(norm.moving_mean)) * scale
    return [kernel * scale, shift + np.float64(norm.beta) if norm.center else shift]


def _split_activation(layer: layers.Layer, inputs: list[KerasTensor]) -> KerasTensor:
    """Return what a layer gives by its own operations, each called after the layer."""
    result = layer.call(inputs)
    given = {id(tensor) for tensor in inputs}
    found, todo = [], [result]
    while todo:
        tensor = todo.pop()
        operation = tensor._keras_history.operation
        if id(tensor) not in given and operation not in found:
            found.append(operation)
            todo += operation._inbound_nodes[-1].input_tensors
    for index, operation in enumerate(found):  # Keras's own names may be taken in a loaded net
        operation.name = f"{layer.name}_{index}" if index else layer.name
    return result


def _has_branches(layer: layers.Layer) -> bool:
    return hasattr(layer, "folded_weights")


def _has_one_slope(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.PReLU) and layer.alpha.shape == (1, 1, 1)


def _is_foldable(layer: layers.Layer) -> bool:
    return _has_one_slope(layer) or _has_branches(layer) or isinstance(layer, FuseFeatures)


def _fold_layer(layer: layers.Layer) -> layers.Layer:
    if _has_one_slope(layer):
        slope = float(layer.alpha[0, 0, 0])
        if slope < 0:
            everywhere = keras.initializers.Constant(slope)
            return layers.PReLU(everywhere, shared_axes=[1, 2], name=layer.name)
        return layers.LeakyReLU(slope, name=layer.name)
    if _has_branches(layer):
        return layer.fold()
    return layer.__class__.from_config(layer.get_config())
