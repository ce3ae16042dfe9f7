"""GPTQ: convolution kernels rounded to 8 bits with compensation of the rounding errors."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from lowlight_tf.export.quantization.activation_observer import observe_activations
from lowlight_tf.export.quantization.post_training import Sample

INT8_MAX = 127
"""Steps on either side of zero; LiteRT has one scale per output channel of a convolution."""

PATCHES_PER_IMAGE = 2_000
"""Input patches, at random positions, that are used of each sample."""

PERCDAMP = 0.01
"""Damping added to the diagonal of the second moments, as a fraction of its mean."""


def gptq_round(model: keras.Model, samples: Sequence[Sample]) -> keras.Model:
    """Return a model whose convolution kernels are exactly representable in 8 bits.

    The inputs of a kernel are correlated: in an image they are mostly bright or dark together. If
    each weight is rounded by itself, the errors add up to an offset that depends on the image.
    Here the weights are rounded one after the other, and those that remain compensate the error
    so far, as far as the inputs are correlated on the samples.

    Args:
        model: A functional model, reparameterized, on the TensorFlow backend.
        samples: Samples that span the model's inputs: port name -> (1, H, W, C).

    Returns:
        A copy. The largest weight of each output channel is unchanged, and so is the scale that a
        converter derives from it.

    Reference:
        Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
        Transformers", ICLR 2023.

    Differences from the paper:
        Weights are rounded in the order of their inputs' second moments, not in blocks, and the
        largest weight of each output channel keeps its value.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name, moments in _input_second_moments(model, samples).items():
        kernel = copy.get_layer(name).kernel
        flat = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
        kernel.assign(_gptq_round_kernel(flat, moments).reshape(kernel.shape))
    return copy


def _gptq_round_kernel(weights: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Round weights (K, channels) whose inputs have the second moments (K, K)."""
    largest = np.abs(weights).max(axis=0)
    scale = np.where(largest, largest, 1) / INT8_MAX
    order = np.argsort(-np.diag(moments), kind="stable")
    # Row i: how the weights after i compensate an error of 1 in weight i.
    upper = np.linalg.cholesky(np.linalg.inv(moments[np.ix_(order, order)])).T
    remaining, is_fixed = weights[order] / scale, (np.abs(weights) == largest)[order]
    rounded = np.where(is_fixed, np.rint(remaining), 0)
    for index, row in enumerate(upper):
        nearest = np.clip(np.rint(remaining[index]), -INT8_MAX, INT8_MAX)
        rounded[index] = np.where(is_fixed[index], rounded[index], nearest)
        error = (remaining[index] - rounded[index]) / row[index]
        remaining[index:] -= np.outer(row[index:], error)
    result = np.empty_like(weights)
    result[order] = rounded * scale
    return result


def _input_second_moments(model: keras.Model, samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Return the damped second moments of each convolution's input patches: name -> (K, K)."""
    rng = np.random.default_rng(0)
    moments: dict[str, np.ndarray] = {}

    def accumulate(operation: keras.Operation, args: tuple, _: tf.Tensor) -> None:
        if isinstance(operation, layers.Conv2D) and operation.groups == 1:
            patches = _extract_patches(operation, args[0], rng)
            moments[operation.name] = moments.get(operation.name, 0) + patches.T @ patches

    observe_activations(model, samples, accumulate)
    for name, total in moments.items():
        damping = PERCDAMP * np.trace(total) / len(total)
        moments[name] = total + (damping or 1.0) * np.eye(len(total))
    return moments


def _extract_patches(layer: layers.Conv2D, x: tf.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Return the inputs of a kernel at random positions of a feature map: (positions, K)."""
    patches = tf.image.extract_patches(
        x,
        (1, *layer.kernel_size, 1),
        (1, *layer.strides, 1),
        (1, *layer.dilation_rate, 1),
        layer.padding.upper(),
    )
    patches = np.asarray(patches).reshape(-1, patches.shape[-1])
    return np.float64(patches[rng.permutation(len(patches))[:PATCHES_PER_IMAGE]])
