"""Structural reparameterization: layers that are trained in another form than they run in."""

from collections import defaultdict
from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from lowlight_tf.layers.fusion import FuseFeatures
from lowlight_tf.layers.graph_walk import graph_edges, last_inputs, producer


@keras.saving.register_keras_serializable("lowlight_tf")
class CollapsibleConv2D(layers.Layer):
    """A convolution with parallel branches in training, which is folded into one afterwards.

    The branches are a k x k convolution, a 1x1 convolution, a k x k convolution to `expansion`
    times the filters followed by a 1x1 convolution back, and the identity if `residual`. They are
    linear, so that their sum is one k x k convolution; the summed kernel is what is convolved with
    in training too, at almost no cost compared with the convolution itself.

    (B, H, W, C) -> (B, ceil(H / strides), ceil(W / strides), filters), with zero padding.

    Args:
        filters: Output channels.
        kernel_size: k, odd.
        strides: Of rows and columns.
        expansion: Channels of the expanded branch, as a multiple of `filters`; 0 omits it.
        center: Constant that is subtracted from the input, or one for each channel. If the mean of
            the input is 0.6, each step changes a sum of 400 products at once, and ReLUs become
            inactive for good. Subtracted in the bias, the constant costs nothing. (The padding is
            0, not `center`.)
        residual: Add the identity branch; needs as many filters as input channels.

    Reference:
        Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super Resolution", MLSys
        2022 (the expanded branch, collapsed in training); Ding et al., "RepVGG", CVPR 2021 (the
        1x1 and the identity branch).

    Differences from the references:
        No batch normalization, so that branches can be summed at every step. The 1x1 and the
        projecting kernel are 0 at initialization, so that the layer begins as the plain
        convolution (and identity).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        expansion: int = 2,
        center: float | Sequence[float] = 0.0,
        residual: bool = False,
        **options,
    ) -> None:
        super().__init__(**options)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.expansion, self.center, self.residual = expansion, center, residual

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the weights of all branches."""
        channels, size = shape[-1], self.kernel_size
        expanded = self.expansion * self.filters
        self.kernel = self.add_weight((size, size, channels, self.filters), name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")
        if size > 1:
            self.pointwise = self.add_weight((1, 1, channels, self.filters), "zeros", name="point")
        if expanded:
            self.expand = self.add_weight((size, size, channels, expanded), name="expand")
            self.project = self.add_weight((expanded, self.filters), "zeros", name="project")

    def fold_kernel(self) -> KerasTensor:
        """Return the sum of the kernels of all branches, (k, k, C, filters)."""
        kernel, middle = self.kernel, self.kernel_size // 2
        pointwise = ops.eye(kernel.shape[2], self.filters) if self.residual else 0.0
        if self.kernel_size > 1:
            pointwise = pointwise + self.pointwise[0, 0]
        if self.residual or self.kernel_size > 1:
            padding = [[middle, middle], [middle, middle], [0, 0], [0, 0]]
            kernel = kernel + ops.pad(pointwise[None, None], padding)
        if self.expansion:
            kernel = kernel + ops.matmul(self.expand, self.project)
        return kernel

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Convolve one batch with the folded kernel."""
        kernel = ops.cast(self.fold_kernel(), self.compute_dtype)
        out = ops.conv(inputs, kernel, self.strides, "same")
        return out + ops.cast(self._fold_bias(kernel), self.compute_dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape after the convolution."""
        sides = (None if side is None else -(-side // self.strides) for side in shape[1:3])
        return (shape[0], *sides, self.filters)

    def fold(self) -> layers.Conv2D:
        """Return the equivalent plain convolution, of the same name and not yet built."""
        return layers.Conv2D(
            self.filters, self.kernel_size, strides=self.strides, padding="same", name=self.name
        )

    def fold_weights(self) -> list[KerasTensor]:
        """Return the weights of that convolution."""
        kernel = self.fold_kernel()
        return [kernel, self._fold_bias(kernel)]

    def _fold_bias(self, kernel: KerasTensor) -> KerasTensor:
        bias = ops.cast(self.bias, kernel.dtype)
        if np.ndim(self.center):
            centers = ops.cast(self.center, kernel.dtype)
            return bias - ops.matmul(centers, ops.sum(kernel, (0, 1)))
        return bias - self.center * ops.sum(kernel, (0, 1, 2)) if self.center else bias

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        names = ("filters", "kernel_size", "strides", "expansion", "center", "residual")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def reparameterize_model(model: keras.Model) -> keras.Model:
    """Return an equivalent model for inference, with every layer folded that can be.

    - Collapsible and transposed convolutions become plain ones: layers that have `fold`, which
      returns the plain layer, and `fold_weights`.
    - A batch normalization becomes part of the plain convolution before it, if neither is ever
      called without the other.
    - A PReLU with one slope for all channels becomes a LeakyReLU, which devices support in 8 bits
      too. A negative slope, which LeakyReLU rejects, becomes a PReLU with one slope per channel,
      the form that devices support.
    - `FuseFeatures` becomes the sums and products that it consists of.

    Args:
        model: A functional model; it is not changed.

    Returns:
        A copy with weights of its own, or `model` itself if there is nothing to fold.
    """
    norms = _find_normalizations(model)
    folded_norms = {norm.name for norm in norms.values()}
    if not folded_norms and not any(_is_foldable(layer) for layer in model.layers):
        return model

    def clone(layer: keras.Operation) -> keras.Operation:
        if layer.name in norms:
            return layers.Conv2D.from_config({**layer.get_config(), "use_bias": True})
        return _fold_layer(layer)

    def call(layer: keras.Operation, *args, **kwargs):
        if layer.name in folded_norms:
            return args[0]
        if isinstance(layer, FuseFeatures):
            return _expand_layer(layer, *args)
        return layer(*args, **kwargs)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    copies = {layer.name: layer for layer in copy.layers if layer.weights}
    for layer in model.layers:
        if layer.name not in copies or _has_one_slope(layer):
            continue  # no weights, or created with them
        if layer.name in norms:
            weights = _fold_normalization(layer, norms[layer.name])
        else:
            weights = layer.fold_weights() if _has_branches(layer) else layer.get_weights()
        copies[layer.name].set_weights(weights)
    return copy


def _find_normalizations(model: keras.Model) -> dict[str, layers.BatchNormalization]:
    """Return the normalizations that can be folded, by the name of the convolution before each."""
    sources, consumers = defaultdict(set), defaultdict(set)
    for source, operation in graph_edges(model):
        sources[operation].add(source)
        consumers[source].add(operation)
    for tensor in model.outputs:
        consumers[producer(tensor)].add(model)
    norms = {}
    for norm in model.layers:
        if isinstance(norm, layers.BatchNormalization) and len(sources[norm]) == 1:
            (conv,) = sources[norm]
            linear = type(conv) is layers.Conv2D and conv.activation is keras.activations.linear
            if linear and consumers[conv] == {norm} and norm.axis in (-1, 3):
                norms[conv.name] = norm
    return norms


def _fold_normalization(conv: layers.Conv2D, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """Return kernel and bias of a convolution that includes the normalization after it."""
    kernel, *bias = map(np.float64, conv.get_weights())
    scale = 1 / np.sqrt(np.float64(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale *= np.float64(norm.gamma)
    shift = ((bias[0] if bias else 0) - np.float64(norm.moving_mean)) * scale
    return [kernel * scale, shift + np.float64(norm.beta) if norm.center else shift]


def _expand_layer(layer: layers.Layer, inputs: list[KerasTensor]) -> KerasTensor:
    """Return the output of a layer as a graph of its operations, each named after the layer."""
    result = layer.call(inputs)
    input_ids = {id(tensor) for tensor in inputs}
    operations, pending = [], [result]
    while pending:
        tensor = pending.pop()
        operation = producer(tensor)
        if id(tensor) not in input_ids and operation not in operations:
            operations.append(operation)
            pending += last_inputs(operation)
    for index, operation in enumerate(operations):  # a loaded model may use Keras's default names
        operation.name = f"{layer.name}_{index}" if index else layer.name
    return result


def _has_branches(layer: layers.Layer) -> bool:
    return hasattr(layer, "fold_weights")


def _has_one_slope(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.PReLU) and layer.alpha.shape == (1, 1, 1)


def _is_foldable(layer: layers.Layer) -> bool:
    return _has_one_slope(layer) or _has_branches(layer) or isinstance(layer, FuseFeatures)


def _fold_layer(layer: layers.Layer) -> layers.Layer:
    if _has_one_slope(layer):
        slope = float(layer.alpha[0, 0, 0])
        if slope < 0:
            initializer = keras.initializers.Constant(slope)
            return layers.PReLU(initializer, shared_axes=[1, 2], name=layer.name)
        return layers.LeakyReLU(slope, name=layer.name)
    if _has_branches(layer):
        return layer.fold()
    return layer.__class__.from_config(layer.get_config())
