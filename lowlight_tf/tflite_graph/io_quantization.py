"""Bytes past the ports: an integer file without the two copies that its uint8 ports cost."""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def strip_io_quantize_ops(content: bytes) -> bytes:
    """Return an integer file whose ports are int8 where they were uint8.

    Inside such a file everything is int8. A uint8 port is an operation that takes 128 off every
    byte, or adds it: one by one, on one thread, which on a full frame takes longer than a small net
    itself. Whoever writes the bytes can flip their highest bit in passing, which is the same.

    Args:
        content: A .tflite file.

    Returns:
        The file without those operations; as it was if it has none.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if len(model.subgraphs) != 1:
        return content
    (graph,) = model.subgraphs
    codes = [code.builtinCode for code in model.operatorCodes]
    inputs, outputs, kept = {}, {}, []
    for operator in graph.operators:
        taken, given = operator.inputs[0], operator.outputs[0]
        copies = codes[operator.opcodeIndex] == schema.BuiltinOperator.QUANTIZE
        if copies and taken in graph.inputs and _halves(graph, taken, given):
            inputs[taken] = given
        elif copies and given in graph.outputs and _halves(graph, given, taken):
            outputs[given] = taken
        else:
            kept.append(operator)
    if not inputs and not outputs:
        return content
    graph.operators = kept
    graph.inputs = [inputs.get(index, index) for index in graph.inputs]
    graph.outputs = [outputs.get(index, index) for index in graph.outputs]
    for signature in model.signatureDefs or ():
        for ports, instead in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for port in ports:
                port.tensorIndex = instead.get(port.tensorIndex, port.tensorIndex)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _halves(graph: schema.SubGraphT, port: int, inner: int) -> bool:
    """Tell whether a uint8 tensor and an int8 tensor mean the same by bytes 128 apart."""
    outside, inside = graph.tensors[port], graph.tensors[inner]
    kinds = schema.TensorType
    if (outside.type, inside.type) != (kinds.UINT8, kinds.INT8):
        return False
    far, near = outside.quantization, inside.quantization
    step = abs(float(far.scale[0]) / float(near.scale[0]) - 1)
    return step < 1e-6 and int(far.zeroPoint[0]) - int(near.zeroPoint[0]) == 128
