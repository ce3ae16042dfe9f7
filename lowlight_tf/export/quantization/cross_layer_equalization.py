"""Cross-layer equalization: feature maps of one tensor get similar ranges before quantization."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from lowlight_tf.export.quantization.activation_observer import observe_activations
from lowlight_tf.export.quantization.post_training import Sample
from lowlight_tf.layers.graph_walk import count_outputs, walk_graph
from lowlight_tf.layers.pyramid import BlurPool
from lowlight_tf.layers.resample import DepthToSpace, EnlargeLinear, SpaceToDepth

STRENGTH = 0.7
"""Degree of equalization, 0 to 1: feature maps gain resolution and kernels lose it."""

MIN_RANGE_FRACTION = 1 / 64
"""Lower bound of a feature map's range, as a fraction of its tensor's range."""

POSITIVE_HOMOGENEOUS = (keras.activations.linear, keras.activations.relu)
"""Activations f with f(a * x) = a * f(x) for a > 0."""

SCALE_EQUIVARIANT_LAYERS = (layers.ReLU, layers.LeakyReLU, layers.GlobalAveragePooling2D, BlurPool)
"""Layers without learned weights and with the same property."""

ADDITIVE_OPS = ("Add", "Subtract")
"""Operations with the same property if all their inputs are scaled by the same factor."""


def equalize_model(model: keras.Model, samples: Sequence[Sample]) -> keras.Model:
    """Return a model that computes the same, with similar ranges of the maps of each tensor.

    An 8-bit tensor has one scale: a feature map with a tenth of the range of another has 25 steps
    left. A map may be divided by a positive factor if every reader multiplies by it, which
    convolutions, ReLU, means, sums, and products with gates allow. Maps that are added or
    subtracted share one factor. Kernels are not harmed: they are quantized with one scale per
    output channel.

    Args:
        model: A functional model, reparameterized.
        samples: Samples that span the model's inputs: port name -> (1, H, W, C).

    Returns:
        A copy with other weights; maps that reach any other operation keep their scale. The model
        itself if no map can be scaled.

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
        2019.

    Differences from the paper:
        Ranges are those of activations on samples, not of kernels, and all tensors that share
        factors are considered together.
    """
    walker = _EqualizationWalker()
    start = [_FeatureMaps() for _ in model.inputs]
    walker.exclude(walk_graph(model, start, walker.visit))
    tensors = walker.scalable_tensors()
    if not tensors:
        return model
    factors = walker.scale_factors(_max_abs_per_map(model, tensors, samples))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name, (input_ids, output_ids) in walker.convolutions.items():
        layer = copy.get_layer(name)
        layer.kernel.assign(layer.kernel * factors[input_ids][:, None] / factors[output_ids])
        if layer.use_bias:
            layer.bias.assign(layer.bias / factors[output_ids])
    return copy


class _FeatureMaps:
    """The feature maps of a tensor by their ids; None if none of them may be scaled."""

    def __init__(self, ids: np.ndarray | None = None) -> None:
        self.ids = ids


class _EqualizationWalker:
    """Walks a model's graph and collects which feature maps share a scale factor (union-find).

    Attributes:
        convolutions: Layer name -> ids of its input maps, ids of its output maps.
        tensors: Operation name -> ids of its output maps.
    """

    def __init__(self) -> None:
        self.convolutions: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.tensors: dict[str, np.ndarray] = {}
        self._parents = [0]  # id -> an older id with the same factor; id 0 has factor 1

    def visit(
        self, operation: keras.Operation, *args, **kwargs
    ) -> _FeatureMaps | list[_FeatureMaps]:
        """Return the output maps of an operation for its input maps."""
        inputs = [
            maps for maps in keras.tree.flatten((args, kwargs)) if isinstance(maps, _FeatureMaps)
        ]
        scalable = [maps for maps in inputs if maps.ids is not None]
        result = _FeatureMaps()
        if isinstance(operation, layers.Conv2D):
            result = self._visit_convolution(operation, inputs[0])
        elif not scalable:
            pass
        elif isinstance(operation, SCALE_EQUIVARIANT_LAYERS):
            (result,) = scalable
        elif isinstance(operation, SpaceToDepth):
            result = _FeatureMaps(np.tile(scalable[0].ids, operation.block**2))
        elif isinstance(operation, DepthToSpace) and inputs[0] in scalable:
            first, *others = scalable[0].ids.reshape(operation.block**2, -1)
            for other in others:
                self._union(first, other)
            result = _FeatureMaps(first)
        elif isinstance(operation, EnlargeLinear) and inputs[0] in scalable:
            result = inputs[0]  # of the second input it reads the size alone
        elif type(operation).__name__ in ADDITIVE_OPS and len(scalable) == len(inputs) > 1:
            for maps in scalable[1:]:
                self._union(*np.broadcast_arrays(scalable[0].ids, maps.ids))
            (result, *_) = scalable
        elif _is_channel_concat(operation) and len(scalable) == len(inputs):
            result = _FeatureMaps(np.concatenate([maps.ids for maps in scalable]))
        elif type(operation).__name__ == "Multiply" and len(scalable) == 1:
            (result,) = scalable
        else:
            self.exclude(scalable)
        if result.ids is not None:
            self.tensors[operation.name] = result.ids
        num_outputs = count_outputs(operation)
        return result if num_outputs == 1 else [_FeatureMaps() for _ in range(num_outputs)]

    def exclude(self, tensors: Iterable[_FeatureMaps]) -> None:
        """Fix the factor of these maps at 1."""
        for maps in keras.tree.flatten(tensors):
            if maps.ids is not None:
                self._union(np.zeros_like(maps.ids), maps.ids)

    def scalable_tensors(self) -> dict[str, np.ndarray]:
        """Return the tensors with at least one map that may be scaled: name -> ids."""
        return {name: ids for name, ids in self.tensors.items() if any(self._find(i) for i in ids)}

    def scale_factors(self, max_abs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the divisor of each map, by id, from the largest magnitudes of the maps."""
        fractions = np.zeros(len(self._parents))
        for name, magnitudes in max_abs.items():
            roots = [self._find(i) for i in self.tensors[name]]
            np.maximum.at(fractions, roots, magnitudes / max(magnitudes.max(), 1e-30))
        factors = np.clip(fractions, MIN_RANGE_FRACTION, 1) ** STRENGTH
        factors[0] = 1
        return np.float32([factors[self._find(i)] for i in range(len(self._parents))])

    def _visit_convolution(self, layer: layers.Conv2D, maps: _FeatureMaps) -> _FeatureMaps:
        input_ids = np.zeros(layer.kernel.shape[2], int) if maps.ids is None else maps.ids
        if layer.name in self.convolutions:  # a second call: both share one kernel
            first_ids, output_ids = self.convolutions[layer.name]
            self._union(first_ids, input_ids)
        else:
            output_ids = np.zeros(layer.filters, int)
            if layer.activation in POSITIVE_HOMOGENEOUS:
                output_ids = np.arange(layer.filters) + len(self._parents)
                self._parents += output_ids.tolist()
            self.convolutions[layer.name] = input_ids, output_ids
        return _FeatureMaps(output_ids if output_ids.any() else None)

    def _find(self, i: int) -> int:
        while self._parents[i] != i:
            i = self._parents[i]
        return i

    def _union(self, ids: np.ndarray, other_ids: np.ndarray) -> None:
        for first, second in zip(ids, other_ids, strict=True):
            older, newer = sorted((self._find(first), self._find(second)))
            self._parents[newer] = older


def _is_channel_concat(operation: keras.Operation) -> bool:
    return isinstance(operation, layers.Concatenate) and operation.axis in (-1, 3)


def _max_abs_per_map(
    model: keras.Model, tensors: dict[str, np.ndarray], samples: Sequence[Sample]
) -> dict[str, np.ndarray]:
    """Return the largest magnitude of each map of some tensors: operation name -> (C,)."""
    result = {name: np.zeros(len(ids), np.float32) for name, ids in tensors.items()}

    def record(operation: keras.Operation, _: tuple, output: KerasTensor) -> None:
        if operation.name in result:
            magnitudes = ops.convert_to_numpy(ops.max(ops.abs(output), axis=(0, 1, 2)))
            result[operation.name] = np.maximum(result[operation.name], magnitudes)

    observe_activations(model, samples, record)
    return result
