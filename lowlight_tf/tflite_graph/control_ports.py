"""Ports of int8 files that are settings, not images."""

from collections.abc import Collection

from lowlight_tf.tflite_graph.flatbuffer import dtype_name, operator_name, read_model, write_model


def set_control_codes(content: bytes, names: Collection[str]) -> bytes:
    """Let the bytes of settings be 255 times their value, so that zero bytes are zeros.

    A setting that is concatenated with features is quantized by the scale of these. The operation
    that converts the bytes of the port scales them as well, if the port states another scale.

    Args:
        content: A quantized .tflite file.
        names: The ports.

    Returns:
        The file; `content` itself if nothing is to be changed.
    """
    if not names:
        return content
    model = read_model(content)
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    converted = {
        operator.inputs[0]
        for operator in graph.operators
        if operator_name(model, operator) == "QUANTIZE"
    }
    for port in signature.inputs:
        tensor = graph.tensors[port.tensorIndex]
        is_uint8 = dtype_name(tensor) == "UINT8" and port.tensorIndex in converted
        if port.name.decode() in names and is_uint8:
            tensor.quantization.scale, tensor.quantization.zeroPoint = [1 / 255], [0]
    return write_model(model)
