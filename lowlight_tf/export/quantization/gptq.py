"""Kernels rounded to eight bits so that what they make of pictures changes least."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from lowlight_tf.export.quantization.activation_observer import observe_activations
from lowlight_tf.export.quantization.post_training import Sample

INT8_MAX = 127
"""Steps on either side of zero; LiteRT has a scale for each map that a convolution makes."""

PATCHES_PER_IMAGE = 2_000
"""How many places of each picture are looked at."""

PERCDAMP = 0.01
"""What is added to each diagonal entry of the second moments, in means of that diagonal."""


def gptq_round(model: keras.Model, samples: Sequence[Sample]) -> keras.Model:
    """Return a net whose convolutions have kernels that eight bits hold exactly.

    A kernel that sees a picture has hundreds of weights whose inputs are all bright or all dark
    together: rounded each by itself, their errors add up to a shift that depends on the picture.
    Here they are rounded one after the other, and those still to come make up for the errors
    already made, as far as the inputs go together on real pictures.

    Args:
        model: A functional model, folded, on the TensorFlow backend.
        samples: Pictures that span what the net will see.

    Returns:
        A copy; the largest weight of each map that a convolution makes is as it was, and so is the
        scale that a converter finds.

    Reference:
        Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
        Transformers", ICLR 2023. Differences: weights are rounded in the order of how strong their
        inputs are, not in blocks, and the largest of each map keeps its step.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name, moments in _input_second_moments(model, samples).items():
        kernel = copy.get_layer(name).kernel
        flat = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
        kernel.assign(_gptq_round_kernel(flat, moments).reshape(kernel.shape))
    return copy


def _gptq_round_kernel(weights: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Round the weights of some maps, (K, maps), whose inputs have second moments of (K, K)."""
    largest = np.abs(weights).max(axis=0)
    scale = np.where(largest, largest, 1) / INT8_MAX
    order = np.argsort(-np.diag(moments), kind="stable")
    # Row i: how the weights after i make up for an error of 1 in weight i.
    upper = np.linalg.cholesky(np.linalg.inv(moments[np.ix_(order, order)])).T
    left, fixed = weights[order] / scale, (np.abs(weights) == largest)[order]
    made = np.where(fixed, np.rint(left), 0)
    for index, row in enumerate(upper):
        nearest = np.clip(np.rint(left[index]), -INT8_MAX, INT8_MAX)
        made[index] = np.where(fixed[index], made[index], nearest)
        left[index:] -= np.outer(row[index:], (left[index] - made[index]) / row[index])
    result = np.empty_like(weights)
    result[order] = made * scale
    return result


def _input_second_moments(model: keras.Model, samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Return the second moments, (K, K), of what the kernel of each convolution is laid on."""
    random = np.random.default_rng(0)
    moments: dict[str, np.ndarray] = {}

    def note(operation: keras.Operation, args: tuple, _: tf.Tensor) -> None:
        if isinstance(operation, layers.Conv2D) and operation.groups == 1:
            patches = _extract_patches(operation, args[0], random)
            moments[operation.name] = moments.get(operation.name, 0) + patches.T @ patches

    observe_activations(model, samples, note)
    for name, found in moments.items():
        damping = PERCDAMP * np.trace(found) / len(found)
        moments[name] = found + (damping or 1.0) * np.eye(len(found))
    return moments


def _extract_patches(layer: layers.Conv2D, x: tf.Tensor, random: np.random.Generator) -> np.ndarray:
    """Return what a kernel is laid on at some places: (places, K)."""
    found = tf.image.extract_patches(
        x,
        (1, *layer.kernel_size, 1),
        (1, *layer.strides, 1),
        (1, *layer.dilation_rate, 1),
        layer.padding.upper(),
    )
    found = np.asarray(found).reshape(-1, found.shape[-1])
    return np.float64(found[random.permutation(len(found))[:PATCHES_PER_IMAGE]])
