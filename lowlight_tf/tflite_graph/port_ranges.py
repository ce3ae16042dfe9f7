"""Ranges of the ports of int8 files, so that their codes are the bytes of a camera."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model, write_model

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

SAME_SCALE_OPS = ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
"""Operations that move values, whose input and output have one range."""


def set_port_ranges(calibrated: bytes, ranges: Mapping[str, tuple[float, float]]) -> bytes:
    """Set the range of ports, and of what is moved from or to them, before a file is quantized.

    Args:
        calibrated: A .tflite file with the calibrated ranges of its tensors, not yet quantized.
        ranges: Port name -> smallest and largest value.
    """
    if not ranges:
        return calibrated
    model = read_model(calibrated)
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    for port in (*signature.inputs, *signature.outputs):
        name = port.name.decode()
        if name in ranges:
            for index in _find_moved_tensors(model, port.tensorIndex):
                quantization = graph.tensors[index].quantization
                quantization.min, quantization.max = ([value] for value in ranges[name])
    return write_model(model)


def _find_moved_tensors(model: "ModelT", port: int) -> set[int]:
    """Return the indices of the tensors that hold the same values as a port."""
    (graph,) = model.subgraphs
    found, pending = set(), {port}
    while pending:
        found |= pending
        pending = {
            index
            for operator in graph.operators
            if operator_name(model, operator) in SAME_SCALE_OPS
            for index in (operator.inputs[0], operator.outputs[0])
            if {operator.inputs[0], operator.outputs[0]} & found
        } - found
    return found
