"""Clamps (MINIMUM with a constant) of int8 files: they set the scale of their input."""

from typing import TYPE_CHECKING

import numpy as np

from lowlight_tf.tflite_graph.flatbuffer import dtype_name, operator_name, read_model, write_model

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT


def set_clamp_ranges(calibrated: bytes) -> bytes:
    """Set the range of each clamped tensor to [0, limit] before the file is quantized.

    A frame times its gain exceeds the limit sevenfold at a lamp. If the range included such values,
    too few of the 256 steps would remain below the limit.

    Args:
        calibrated: A .tflite file with the calibrated ranges of its tensors, not yet quantized.

    Returns:
        The file with the ranges of the inputs and outputs of each MINIMUM replaced.
    """
    model = read_model(calibrated)
    (graph,) = model.subgraphs
    for operator in graph.operators:
        if operator_name(model, operator) != "MINIMUM":
            continue
        value, limit = (graph.tensors[index] for index in operator.inputs)
        data = model.buffers[limit.buffer].data
        if data is not None and len(data):
            maximum = float(np.frombuffer(bytes(data), np.float32).max())
            for tensor in (value, graph.tensors[operator.outputs[0]]):
                tensor.quantization.min, tensor.quantization.max = [0.0], [maximum]
    return write_model(model)


def remove_redundant_minimum(content: bytes) -> bytes:
    """Remove each MINIMUM with a constant that is the largest value its int8 input can have.

    The scale of a tensor that is clamped to 1 ends at 1: the operation before it saturates there,
    and the MINIMUM changes nothing. XNNPACK has no 8-bit MINIMUM, so each one splits the part of
    the graph that XNNPACK runs, and the frame is copied twice.

    Args:
        content: A quantized .tflite file.

    Returns:
        The file without these operations; `content` itself if it has none.
    """
    model = read_model(content)
    (graph,) = model.subgraphs
    kept, replaced = [], {}
    for operator in graph.operators:
        operator.inputs = [replaced.get(index, index) for index in operator.inputs]
        value = None
        if operator_name(model, operator) == "MINIMUM":
            value = _find_unchanged_input(model, graph, operator)
        if value is None:
            kept.append(operator)
        else:
            replaced[operator.outputs[0]] = value
    if not replaced:
        return content
    graph.operators = kept
    graph.outputs = [replaced.get(index, index) for index in graph.outputs]
    for signature in model.signatureDefs:
        for port in signature.outputs:
            port.tensorIndex = replaced.get(port.tensorIndex, port.tensorIndex)
    return write_model(model)


def _find_unchanged_input(model: "ModelT", graph: "SubGraphT", operator: "OperatorT") -> int | None:
    """Return the index of the input that a MINIMUM always returns, or None if there is none."""
    for value, limit in (operator.inputs, operator.inputs[::-1]):
        constant, tensor = graph.tensors[limit], graph.tensors[value]
        data = model.buffers[constant.buffer].data
        if dtype_name(constant) != "INT8" or data is None or not len(data):
            continue
        same_scale = all(
            np.array_equal(
                getattr(constant.quantization, field), getattr(tensor.quantization, field)
            )
            for field in ("scale", "zeroPoint")
        )
        if same_scale and (np.frombuffer(bytes(data), np.int8) == np.iinfo(np.int8).max).all():
            return value
    return None
