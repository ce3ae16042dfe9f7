"""ELU of 8-bit values, which the converter leaves in float."""

from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model, write_model


def use_integer_elu(content: bytes) -> bytes:
    """Replace DEQUANTIZE, ELU, QUANTIZE by one ELU from int8 to int8.

    The runtimes have this operation, a table of 256 values; the quantizer of the converter does not
    know it. Results are the same, and XNNPACK runs the graph as one part.

    Args:
        content: A quantized .tflite file.

    Returns:
        The file; `content` itself if it has no such operations.
    """
    model = read_model(content)
    (graph,) = model.subgraphs
    removed = []
    for operator in graph.operators:
        if operator_name(model, operator) != "ELU":
            continue
        before = [each for each in graph.operators if operator.inputs[0] in each.outputs]
        readers = [each for each in graph.operators if operator.inputs[0] in each.inputs]
        after = [each for each in graph.operators if operator.outputs[0] in each.inputs]
        names = [operator_name(model, each) for each in (*before, *readers, *after)]
        if names == ["DEQUANTIZE", "ELU", "QUANTIZE"]:
            operator.inputs, operator.outputs = before[0].inputs, after[0].outputs
            removed += [*before, *after]
    if not removed:
        return content
    graph.operators = [each for each in graph.operators if each not in removed]
    return write_model(model)
