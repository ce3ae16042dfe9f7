"""Keras model -> .tflite file of one size, built-in operations only."""

import contextlib
import functools
import io
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import EXPLANATION_SUFFIX, Contract
from lowlight_tf.export.quantization.cross_layer_equalization import equalize_model
from lowlight_tf.export.quantization.gptq import gptq_round
from lowlight_tf.export.quantization.post_training import QUANTIZATIONS, Sample, quantize_model
from lowlight_tf.fileio import atomic_write
from lowlight_tf.layers.reparameterization import reparameterize_model

INT8_WEIGHT_MODES = ("dynamic_range", "int8", "int16x8")
"""What has weights of eight bits."""

MIN_WEIGHT_MAGNITUDE = 1e-30
"""Weights smaller than this are set to zero: denormal floats make processors 30 times slower."""


def convert(
    model: keras.Model,
    contract: Contract,
    path: Path,
    *,
    size: tuple[int, int],
    quantization: str = "float32",
    samples: Sequence[Sample] = (),
) -> Path:
    """Write `model`, folded, as a .tflite file that takes one picture of one size.

    The signature keeps the ports' names; of the outputs the contract's are kept, and maps. Only
    built-in operations are allowed, so that the file runs on a device without TensorFlow kernels.

    Args:
        model: A net on the TensorFlow backend; its weights below `TINY` become zero.
        contract: Its ports.
        path: The file to write.
        size: Height and width (pixels), multiples of `contract.multiple_of`.
        quantization: One of `QUANTIZATIONS`.
        samples: Pictures of that size, as `pictures.calibration` makes; "int8" and "int16x8" need
            some, and "dynamic_range" is better with them.

    Returns:
        `path`.

    Raises:
        UsageError: If the size or the quantization is none that will do.
    """
    checks.check_choice("quantize", quantization, QUANTIZATIONS)
    check_size(size, contract)
    model = reparameterize_model(deployable_submodel(model, contract))
    if quantization == "int8":
        model = equalize_model(model, samples)
    if quantization in INT8_WEIGHT_MODES and len(samples):
        model = gptq_round(model, samples)
    for weight in model.weights:
        value = np.asarray(weight)
        weight.assign(np.where(np.abs(value) < MIN_WEIGHT_MAGNITUDE, 0, value))
    weights = [weight.value for weight in model.weights]
    finish = functools.partial(quantize_model, quantization=quantization, samples=samples)
    return write_tflite(model, weights, contract, path, size=size, convert_fn=finish)


def deployable_submodel(model: keras.Model, contract: Contract) -> keras.Model:
    """Return the part of a net that a file has: what gives the contract's outputs, and maps.

    What serves losses only may well show its layers what they never see on a device.
    """
    results = {name: x for name, x in model.output.items() if _is_deployed_output(name, contract)}
    if len(results) == len(model.output):
        return model
    return keras.Model(model.input, results, name=model.name)


def check_size(size: tuple[int, int], contract: Contract) -> None:
    """Refuse a height and width (pixels) that a net cannot take."""
    if any(side < 1 or side % contract.multiple_of for side in size):
        raise UsageError(
            f"`size` must be multiples of {contract.multiple_of} above zero. "
            f"Received: {size[0]}x{size[1]}."
        )


def write_tflite(
    model: Callable[..., Mapping[str, tf.Tensor]],
    weights: Sequence[tf.Variable],
    contract: Contract,
    path: Path,
    *,
    size: tuple[int, int],
    convert_fn: Callable[[tf.lite.TFLiteConverter], bytes],
) -> Path:
    """Write whatever runs on tensors as a .tflite file of one size, its ports by name.

    Args:
        model: Called as (port -> image, training=False); gives port -> image.
        weights: All that it reads.
        contract: Its ports.
        path: The file to write.
        size: Height and width (pixels).
        convert_fn: Converts what it is given a converter of.

    Returns:
        `path`.
    """
    with tempfile.TemporaryDirectory() as folder, _silence_converter():
        tf.saved_model.save(*_module(model, weights, contract, size, folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["serving_default"]
        )
        content = convert_fn(converter)
    with atomic_write(path) as part:
        part.write_bytes(content)
    return path


def _module(
    model: Callable[..., Mapping[str, tf.Tensor]],
    weights: Sequence[tf.Variable],
    contract: Contract,
    size: tuple[int, int],
    folder: str,
) -> tuple:
    """Return what `tf.saved_model.save` takes: the net at one size."""
    module = tf.Module()
    module.weights = weights
    ports = [
        tf.TensorSpec((1, *port.shape(size)), tf.float32, name=port.name)
        for port in contract.inputs
    ]

    @tf.function(input_signature=ports)
    def serve(*images: tf.Tensor) -> dict[str, tf.Tensor]:
        named = {port.name: image for port, image in zip(contract.inputs, images, strict=True)}
        results = model(named, training=False)
        return {name: x for name, x in results.items() if _is_deployed_output(name, contract)}

    module.serve = serve
    return module, folder, serve.get_concrete_function()


def _is_deployed_output(name: str, contract: Contract) -> bool:
    return name.endswith(EXPLANATION_SUFFIX) or any(name == port.name for port in contract.outputs)


@contextlib.contextmanager
def _silence_converter():
    """Keep back what the converter says of itself: it is no news to whoever exports a net."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
