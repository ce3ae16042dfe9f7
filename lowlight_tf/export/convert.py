"""Keras model -> .tflite file of one input size, built-in operations only."""

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
from lowlight_tf.contract import EXPLANATION_SUFFIX, YUV, Contract
from lowlight_tf.export.quantization.cross_layer_equalization import equalize_model
from lowlight_tf.export.quantization.gptq import gptq_round
from lowlight_tf.export.quantization.post_training import QUANTIZATIONS, Sample, quantize_model
from lowlight_tf.fileio import atomic_write
from lowlight_tf.layers.reparameterization import reparameterize_model

INT8_WEIGHT_MODES = ("dynamic_range", "int8", "int16x8")
"""The quantizations that store weights as 8-bit integers."""

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
    """Write `model`, reparameterized, as a .tflite file that takes one image of one size.

    The signature keeps the port names. Of the outputs, those of the contract and the explanation
    maps are kept. Only built-in operations are allowed, so that the file runs on a device without
    TensorFlow kernels.

    Args:
        model: A model on the TensorFlow backend. Its weights below `MIN_WEIGHT_MAGNITUDE` are set
            to zero in place.
        contract: Its ports.
        path: The file to write.
        size: Height and width (pixels), multiples of `contract.multiple_of`.
        quantization: One of `QUANTIZATIONS`.
        samples: Samples of that size, see `calibration_data.representative_dataset`. Required by
            "int8" and "int16x8"; "dynamic_range" is more accurate with them.

    Returns:
        `path`.

    Raises:
        UsageError: If the size or the quantization is not allowed.
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
    ports = (*contract.inputs, *contract.outputs)
    convert_fn = functools.partial(
        quantize_model,
        quantization=quantization,
        samples=samples,
        controls=[port.name for port in contract.controls],
        port_ranges={port.name: port.value_range for port in ports if port.color_space == YUV},
    )
    return write_tflite(model, weights, contract, path, size=size, convert_fn=convert_fn)


def deployable_submodel(model: keras.Model, contract: Contract) -> keras.Model:
    """Return the part of a model that computes the contract's outputs and the explanation maps.

    Outputs that only serve losses are dropped: their branches may run shared layers on inputs that
    do not occur on a device, and would distort calibration.
    """
    outputs = {name: x for name, x in model.output.items() if _is_deployed_output(name, contract)}
    if len(outputs) == len(model.output):
        return model
    return keras.Model(model.input, outputs, name=model.name)


def check_size(size: tuple[int, int], contract: Contract) -> None:
    """Raise UsageError if a model cannot take this height and width (pixels)."""
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
    """Write a callable on tensors as a .tflite file of one size, with named ports.

    Args:
        model: Called as (port -> (1, H, W, C), training=False); returns output -> (1, H, W, C).
        weights: All variables that it reads.
        contract: Its ports.
        path: The file to write.
        size: Height and width (pixels).
        convert_fn: Configures the converter that it gets and returns the converted bytes.

    Returns:
        `path`.
    """
    with tempfile.TemporaryDirectory() as folder, _silence_converter():
        _save_model(model, weights, contract, size, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["serving_default"]
        )
        content = convert_fn(converter)
    with atomic_write(path) as part:
        part.write_bytes(content)
    return path


def _save_model(
    model: Callable[..., Mapping[str, tf.Tensor]],
    weights: Sequence[tf.Variable],
    contract: Contract,
    size: tuple[int, int],
    folder: str,
) -> None:
    """Write a callable as a SavedModel of one input size."""
    module = tf.Module()
    module.weights = weights
    input_specs = [
        tf.TensorSpec((1, *port.shape(size)), tf.float32, name=port.name)
        for port in contract.inputs
    ]

    @tf.function(input_signature=input_specs)
    def serve(*images: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = {port.name: image for port, image in zip(contract.inputs, images, strict=True)}
        outputs = model(inputs, training=False)
        return {name: x for name, x in outputs.items() if _is_deployed_output(name, contract)}

    module.serve = serve
    tf.saved_model.save(module, folder, serve.get_concrete_function())


def _is_deployed_output(name: str, contract: Contract) -> bool:
    return name.endswith(EXPLANATION_SUFFIX) or any(name == port.name for port in contract.outputs)


@contextlib.contextmanager
def _silence_converter():
    """Suppress the converter's own warnings and standard output."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
