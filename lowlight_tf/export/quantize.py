"""Fewer bits: how each kind of .tflite file is made, and what of it stays in float."""

from collections.abc import Iterator, Mapping, Sequence

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python.convert import mlir_quantize

QUANTIZATIONS = ("none", "float16", "dynamic", "int8", "int16x8")

FLOAT_OPERATIONS = {"MEAN", "SUB", "MUL", "ADD", "RSQRT", "LEAKY_RELU", "LOGISTIC"}
"""What normalizations and activations are made of."""

OUTLIERS = 1e-5
"""Share of a convolution's outputs that may lie beyond either end of its eight bits."""

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
    fragile = _fragile(calibrated)
    return mlir_quantize(
        _trimmed(calibrated, samples, fragile),
        input_data_type=tf.uint8,
        output_data_type=tf.uint8,
        denylisted_ops=FLOAT_OPERATIONS,
        denylisted_nodes=fragile,
    )


def _fragile(calibrated: bytes) -> set[str]:
    """Return the names of the convolutions that lose more in eight bits than they gain.

    These are the first one (between a dark and a bright picture its outputs differ a hundredfold
    before they are normalized), those that average statistics (on pictures of 1 x 1), and 1 x 1
    convolutions at the largest size, which are cheap but stand close to the result.
    """
    convolutions = list(_convolutions(schema.ModelT.InitFromPackedBuf(calibrated, 0)))
    largest = max((area for _, area, _ in convolutions), default=0)
    spatial = [name for _, area, name in convolutions if area > 1]
    pointwise = [name for kernel, area, name in convolutions if kernel == 1 and area == largest]
    averages = [name for _, area, name in convolutions if area == 1]
    return {*spatial[:1], *pointwise, *averages}


def _trimmed(calibrated: bytes, samples: Sequence[Sample], fragile: set[str]) -> bytes:
    """Return the calibrated file with the `OUTLIERS` of its convolutions out of range.

    One lamp in the dark can be 30 deviations away from all else; were the range to reach it, 256
    steps would be too coarse for the rest.
    """
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    names = {name for _, _, name in _convolutions(model)} - fragile
    interpreter = Interpreter(
        model_content=calibrated,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner("serving_default")
    indices = {
        t["name"]: t["index"] for t in interpreter.get_tensor_details() if t["name"] in names
    }
    ranges = {name: (0.0, 0.0) for name in indices}
    for sample in samples:
        runner(**sample)
        for name, index in indices.items():
            low, high = np.quantile(interpreter.get_tensor(index), (OUTLIERS, 1 - OUTLIERS))
            ranges[name] = (min(low, ranges[name][0]), max(high, ranges[name][1]))
    for tensor in model.subgraphs[0].tensors:
        if tensor.name.decode() in ranges:
            low, high = ranges[tensor.name.decode()]
            tensor.quantization.min, tensor.quantization.max = [np.float32(low)], [np.float32(high)]
    builder = flatbuffers.Builder(len(calibrated))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _convolutions(model: schema.ModelT) -> Iterator[tuple[int, int, str]]:
    """Return kernel area, output area (pixels) and output name of each convolution, in order."""
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
