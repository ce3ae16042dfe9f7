"""Remove the uint8/int8 conversions at the inputs and outputs of a quantized .tflite file."""

from typing import TYPE_CHECKING

from lowlight_tf.tflite_graph.flatbuffer import dtype_name, operator_name, read_model, write_model

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import SubGraphT


def strip_io_quantize_ops(content: bytes) -> bytes:
    """Return a quantized file whose uint8 ports are int8.

    All tensors inside such a file are int8. At a uint8 port, a QUANTIZE operation subtracts or adds
    128. It runs byte by byte on one thread, which on a full frame takes longer than a small model.
    The caller can flip the highest bit while it copies the bytes, with the same result.

    Args:
        content: A .tflite file.

    Returns:
        The file without these operations; `content` itself if it has none.
    """
    model = read_model(content)
    if len(model.subgraphs) != 1:
        return content
    (graph,) = model.subgraphs
    inputs, outputs, kept = {}, {}, []
    for operator in graph.operators:
        source, target = operator.inputs[0], operator.outputs[0]
        quantize = operator_name(model, operator) == "QUANTIZE"
        if quantize and source in graph.inputs and _is_offset_by_128(graph, source, target):
            inputs[source] = target
        elif quantize and target in graph.outputs and _is_offset_by_128(graph, target, source):
            outputs[target] = source
        else:
            kept.append(operator)
    if not inputs and not outputs:
        return content
    graph.operators = kept
    graph.inputs = [inputs.get(index, index) for index in graph.inputs]
    graph.outputs = [outputs.get(index, index) for index in graph.outputs]
    for signature in model.signatureDefs or ():
        for ports, replaced in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for port in ports:
                port.tensorIndex = replaced.get(port.tensorIndex, port.tensorIndex)
    return write_model(model)


def _is_offset_by_128(graph: "SubGraphT", port: int, inner: int) -> bool:
    """Return whether a uint8 and an int8 tensor represent equal values by codes 128 apart."""
    outer_tensor, inner_tensor = graph.tensors[port], graph.tensors[inner]
    if (dtype_name(outer_tensor), dtype_name(inner_tensor)) != ("UINT8", "INT8"):
        return False
    outer, within = outer_tensor.quantization, inner_tensor.quantization
    scale_error = abs(float(outer.scale[0]) / float(within.scale[0]) - 1)
    return scale_error < 1e-6 and int(outer.zeroPoint[0]) - int(within.zeroPoint[0]) == 128
