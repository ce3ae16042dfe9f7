"""Fewer bits: how each kind of .tflite file is made, and what of it stays in float."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize

QUANTIZATIONS = ("none", "float16", "dynamic", "int8", "int16x8")

FLOAT_OPERATIONS = {"MEAN", "SUB", "MUL", "ADD", "RSQRT", "LEAKY_RELU"}
"""What a normalization and its activation are made of."""

Sample = Mapping[str, np.ndarray]
"""Port name -> (1, H, W, C) float32 in [0, 1]."""


def quantized(
    converter: tf.lite.TFLiteConverter, quantization: str, samples: Sequence[Sample]
) -> bytes:
    """Convert with the weights and activations of the kind asked for.

    "int8" takes and gives uint8 and keeps in float32 what eight bits cannot hold, which costs no
    time: see `_fragile`. "int16x8" has 16-bit activations where the operation has such a kernel.

    Args:
        converter: A converter of a graph of fixed size.
        quantization: One of `QUANTIZATIONS`.
        samples: What the ranges of activations are taken from; "int8" and "int16x8" need some.

    Returns:
        The bytes of the .tflite file.
    """
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS]
    if quantization == "none":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization in ("int8", "int16x8"):
        converter.representative_dataset = lambda: (("serving_default", dict(s)) for s in samples)
    if quantization == "int16x8":
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide, sets.TFLITE_BUILTINS]
    if quantization != "int8":
        return converter.convert()
    # The public converter cannot leave single operations in float; the function under it can.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    return mlir_quantize(
        calibrated,
        input_data_type=tf.uint8,
        output_data_type=tf.uint8,
        denylisted_ops=FLOAT_OPERATIONS,
        denylisted_nodes=_fragile(calibrated),
    )


def _fragile(calibrated: bytes) -> set[str]:
    """Return the names of the convolutions that lose more in eight bits than they gain.

    These are the first one (between a dark and a bright picture its outputs differ a hundredfold
    before they are normalized), those that average statistics (on pictures of 1 x 1), and 1 x 1
    convolutions at the largest size, which are cheap but stand close to the result.
    """
    convolutions = [
        (kernel, area, name) for kernel, area, name in _convolutions(calibrated) if area > 1
    ]
    largest = max((area for _, area, _ in convolutions), default=0)
    names = {name for _, area, name in _convolutions(calibrated) if area == 1}
    names.update(name for kernel, area, name in convolutions if kernel == 1 and area == largest)
    names.update(name for _, _, name in convolutions[:1])
    return names


def _convolutions(file: bytes) -> Iterator[tuple[int, int, str]]:
    """Return kernel area, output area (pixels) and output name of each convolution, in order."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.CONV_2D:
            kernel = graph.tensors[operator.inputs[1]].shape
            output = graph.tensors[operator.outputs[0]]
            yield (
                int(kernel[1] * kernel[2]),
                int(output.shape[1] * output.shape[2]),
                output.name.decode(),
            )
