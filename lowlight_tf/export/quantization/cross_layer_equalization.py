"""The same net with feature maps of like range, so that eight bits serve all of them."""

from collections.abc import Iterable, Sequence
from functools import partial

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from lowlight_tf.export.quantization.activation_observer import observe_activations
from lowlight_tf.export.quantization.post_training import Sample
from lowlight_tf.layers.pyramid import BlurPool
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

STRENGTH = 0.7
"""How far ranges are made alike, from 0 to 1: what feature maps gain in steps, kernels lose."""

MIN_RANGE_FRACTION = 1 / 64
"""The least share of its tensor's range that a feature map is taken to have."""

POSITIVE_HOMOGENEOUS = (keras.activations.linear, keras.activations.relu)
"""Activations that let a positive factor through."""

SCALE_EQUIVARIANT_LAYERS = (layers.ReLU, layers.LeakyReLU, layers.GlobalAveragePooling2D, BlurPool)
"""Layers that do, too."""

ADDITIVE_OPS = ("Add", "Subtract")
"""What lets one through that is common to all that it is given."""


def equalize_model(model: keras.Model, samples: Sequence[Sample]) -> keras.Model:
    """Return a net that computes the same, with feature maps of like range in each tensor.

    A tensor of eight bits has one scale. Where one feature map reaches ten times as far as another,
    the other is left with 25 steps. But a map may be divided by any positive number if whatever
    reads it multiplies by that number: convolutions, ReLU, means, sums, and products with gates
    allow it. Maps that are added, or subtracted, are divided alike. Kernels bear it: in eight bits
    they have a scale for each map that they make.

    Args:
        model: A functional model, folded.
        samples: Pictures that span what the net will see.

    Returns:
        A copy with other weights; maps that reach anything but the above stay as they are. The net
        itself if that is all of them.

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
        2019. Differences: ranges are those of pictures, not of kernels, and all tensors that share
        their factors are looked at together.
    """
    walk = _EqualizationWalker()
    # Keras has no public name for walking over its graph.
    start = [_FeatureMaps() for _ in model.inputs]
    walk.exclude(model._run_through_graph(start, lambda operation: partial(walk.visit, operation)))
    free = walk.scalable_tensors()
    if not free:
        return model
    factors = walk.scale_factors(_max_abs_per_map(model, free, samples))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name, (read, made) in walk.convolutions.items():
        layer = copy.get_layer(name)
        layer.kernel.assign(layer.kernel * factors[read][:, None] / factors[made])
        if layer.use_bias:
            layer.bias.assign(layer.bias / factors[made])
    return copy


class _FeatureMaps:
    """The feature maps of a tensor, each by its number; no numbers where none may be divided."""

    def __init__(self, ids: np.ndarray | None = None) -> None:
        self.ids = ids


class _EqualizationWalker:
    """What a walk over a net finds out: which maps there are, and which are divided alike.

    Attributes:
        convolutions: Name -> numbers of the maps that it reads, of those that it makes.
        tensors: Name of an operation -> numbers of the maps that it gives.
    """

    def __init__(self) -> None:
        self.convolutions: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.tensors: dict[str, np.ndarray] = {}
        self._parents = [0]  # number -> an older one that is divided alike; 0 is not divided

    def visit(
        self, operation: keras.Operation, *args, **kwargs
    ) -> _FeatureMaps | list[_FeatureMaps]:
        """Pass an operation."""
        inputs = [
            maps for maps in keras.tree.flatten((args, kwargs)) if isinstance(maps, _FeatureMaps)
        ]
        free = [maps for maps in inputs if maps.ids is not None]
        result = _FeatureMaps()
        if isinstance(operation, layers.Conv2D):
            result = self._convolve(operation, inputs[0])
        elif not free:
            pass
        elif isinstance(operation, SCALE_EQUIVARIANT_LAYERS):
            (result,) = free
        elif isinstance(operation, SpaceToDepth):
            result = _FeatureMaps(np.tile(free[0].ids, operation.block**2))
        elif isinstance(operation, DepthToSpace) and inputs[0] in free:
            first, *others = free[0].ids.reshape(operation.block**2, -1)
            for other in others:
                self._union(first, other)
            result = _FeatureMaps(first)
        elif type(operation).__name__ in ADDITIVE_OPS and len(free) == len(inputs) > 1:
            for maps in free[1:]:
                self._union(*np.broadcast_arrays(free[0].ids, maps.ids))
            (result, *_) = free
        elif _is_channel_concat(operation) and len(free) == len(inputs):
            result = _FeatureMaps(np.concatenate([maps.ids for maps in free]))
        elif type(operation).__name__ == "Multiply" and len(free) == 1:
            (result,) = free
        else:
            self.exclude(free)
        if result.ids is not None:
            self.tensors[operation.name] = result.ids
        several = len(operation._inbound_nodes[0].output_tensors)
        return result if several == 1 else [_FeatureMaps() for _ in range(several)]

    def exclude(self, tensors: Iterable[_FeatureMaps]) -> None:
        """Say that these maps must stay as they are."""
        for maps in keras.tree.flatten(tensors):
            if maps.numbers is not None:
                self._union(np.zeros_like(maps.numbers), maps.numbers)

    def scalable_tensors(self) -> dict[str, np.ndarray]:
        """Return the tensors that have maps which may be divided."""
        return {
            name: numbers
            for name, numbers in self.tensors.items()
            if any(self._find(number) for number in numbers)
        }

    def scale_factors(self, max_abs: dict[str, np.ndarray]) -> np.ndarray:
        """Return by what each map, by number, is to be divided, from how far each reaches."""
        shares = np.zeros(len(self._parents))
        for name, far in max_abs.items():
            roots = [self._find(number) for number in self.tensors[name]]
            np.maximum.at(shares, roots, far / max(far.max(), 1e-30))
        found = np.clip(shares, MIN_RANGE_FRACTION, 1) ** STRENGTH
        found[0] = 1
        return np.float32([found[self._find(number)] for number in range(len(self._parents))])

    def _convolve(self, layer: layers.Conv2D, maps: _FeatureMaps) -> _FeatureMaps:
        kept = np.zeros(layer.kernel.shape[2], int)
        read = kept if maps.ids is None else maps.ids
        if layer.name in self.convolutions:  # laid a second time: its kernel is one
            before, made = self.convolutions[layer.name]
            self._union(before, read)
        else:
            made = np.zeros(layer.filters, int)
            if layer.activation in POSITIVE_HOMOGENEOUS:
                made = np.arange(layer.filters) + len(self._parents)
                self._parents += made.tolist()
            self.convolutions[layer.name] = read, made
        return _FeatureMaps(made if made.any() else None)

    def _find(self, number: int) -> int:
        while self._parents[number] != number:
            number = self._parents[number]
        return number

    def _union(self, some: np.ndarray, others: np.ndarray) -> None:
        for one, other in zip(some, others, strict=True):
            older, newer = sorted((self._find(one), self._find(other)))
            self._parents[newer] = older


def _is_channel_concat(operation: keras.Operation) -> bool:
    return isinstance(operation, layers.Concatenate) and operation.axis in (-1, 3)


def _max_abs_per_map(
    model: keras.Model, tensors: dict[str, np.ndarray], samples: Sequence[Sample]
) -> dict[str, np.ndarray]:
    """Return how far from zero each map of some tensors reaches: name -> one number for each."""
    reach = {name: np.zeros(len(numbers), np.float32) for name, numbers in tensors.items()}

    def note(operation: keras.Operation, _: tuple, result: KerasTensor) -> None:
        if operation.name in reach:
            far = ops.convert_to_numpy(ops.max(ops.abs(result), axis=(0, 1, 2)))
            reach[operation.name] = np.maximum(reach[operation.name], far)

    observe_activations(model, samples, note)
    return reach
