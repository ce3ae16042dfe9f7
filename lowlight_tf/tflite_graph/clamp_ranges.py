"""Limits in an integer file: they set the scale of what is limited, and are then idle."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def set_clamp_ranges(calibrated: bytes) -> bytes:
    """Give whatever goes through a MINIMUM with a constant the range that ends there.

    A frame times its gain is seven times too bright at a lamp; were the range to reach that, too
    few of the 256 steps would be left below the limit.

    Args:
        calibrated: A .tflite file with the ranges of its tensors, not yet quantized.

    Returns:
        The file with those ranges cut.
    """
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    (graph,) = model.subgraphs
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code != schema.BuiltinOperator.MINIMUM:
            continue
        value, limit = (graph.tensors[index] for index in operator.inputs)
        data = model.buffers[limit.buffer].data
        if data is not None and len(data):
            top = float(np.frombuffer(bytes(data), np.float32).max())
            for tensor in (value, graph.tensors[operator.outputs[0]]):
                tensor.quantization.min, tensor.quantization.max = [0.0], [top]
    return _packed(model, len(calibrated))


def _packed(model: schema.ModelT, size: int) -> bytes:
    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def remove_redundant_minimum(content: bytes) -> bytes:
    """Remove every MINIMUM with a constant that no value of its eight bits can be above.

    A result that is limited to 1 has a scale that ends at 1: the operation before it saturates
    there, and the minimum changes nothing. But XNNPACK has no 8-bit minimum, so that each one ends
    the part of a graph that runs there and has the frame copied twice.

    Args:
        content: A .tflite file, quantized.

    Returns:
        The file without them; as it was if there are none.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    codes = [code.builtinCode for code in model.operatorCodes]
    kept, instead = [], {}
    for operator in graph.operators:
        operator.inputs = [instead.get(index, index) for index in operator.inputs]
        value = None
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.MINIMUM:
            value = _idle(model, graph, operator)
        if value is None:
            kept.append(operator)
        else:
            instead[operator.outputs[0]] = value
    if not instead:
        return content
    graph.operators = kept
    graph.outputs = [instead.get(index, index) for index in graph.outputs]
    for signature in model.signatureDefs:
        for port in signature.outputs:
            port.tensorIndex = instead.get(port.tensorIndex, port.tensorIndex)
    return _packed(model, len(content))


def _idle(model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT) -> int | None:
    """Return the operand that a MINIMUM passes on unchanged, or None if it does change it."""
    for value, limit in (operator.inputs, operator.inputs[::-1]):
        constant, tensor = graph.tensors[limit], graph.tensors[value]
        data = model.buffers[constant.buffer].data
        if constant.type != schema.TensorType.INT8 or data is None or not len(data):
            continue
        same = all(
            np.array_equal(getattr(constant.quantization, part), getattr(tensor.quantization, part))
            for part in ("scale", "zeroPoint")
        )
        if same and (np.frombuffer(bytes(data), np.int8) == np.iinfo(np.int8).max).all():
            return value
    return None
