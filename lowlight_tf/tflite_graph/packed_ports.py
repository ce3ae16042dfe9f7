"""Files whose ports are blocks of pixels, folded into channels by the host."""

import dataclasses
import math
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract, Port
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model, write_model

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

PASSED_OPS = ("QUANTIZE", "DEQUANTIZE")
"""Operations between a port and its fold that work value by value."""


def pack_ports(content: bytes, contract: Contract) -> tuple[bytes, Contract]:
    """Return a file without the operations that fold its inputs and unfold its outputs.

    Neural processors have none of them, and a host that copies each byte anyway can place it at the
    same cost: value (y, x, c) of an image in blocks of n x n belongs to block (y / n, x / n) as
    channel ((y mod n) n + x mod n) C + c. Nothing else changes, so that results are equal bit for
    bit.

    Args:
        content: A .tflite file.
        contract: Its ports.

    Returns:
        The file, and its ports: `block` of those that were folded is no longer 1.

    Raises:
        UsageError: If no port is folded, or the file folds inside as well.
    """
    model = read_model(content)
    (graph,) = model.subgraphs
    packed_ports = set()
    for operator in list(graph.operators):
        name = operator_name(model, operator)
        outer, inner = operator.inputs[0], operator.outputs[0]
        if name == "DEPTH_TO_SPACE":
            outer, inner = inner, outer
        elif name != "SPACE_TO_DEPTH":
            continue
        path = _path_to_port(model, outer, is_input=name == "SPACE_TO_DEPTH")
        if path is None:
            raise UsageError(
                f"This model has no packed form: it has {name} inside. dashcam_net_yuv has one."
            )
        for tensor in path:
            graph.tensors[tensor].shape = list(graph.tensors[inner].shape)
            graph.tensors[tensor].shapeSignature = None
        packed_ports.add(path[-1])
        _replace(model, inner, outer)
        graph.operators.remove(operator)
    if not packed_ports:
        raise UsageError(
            "This model has no packed form: no port is folded. dashcam_net_yuv has one."
        )
    return write_model(model), _mark_packed_ports(model, contract, packed_ports)


def _mark_packed_ports(model: "ModelT", contract: Contract, packed_ports: set[int]) -> Contract:
    """Return the ports of a file whose tensors `packed_ports` hold blocks."""
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    channels = {
        port.name.decode(): graph.tensors[port.tensorIndex].shape[3]
        for port in (*signature.inputs, *signature.outputs)
        if port.tensorIndex in packed_ports
    }

    def pack(port: Port) -> Port:
        block = math.isqrt(channels.get(port.name, port.channels) // port.channels)
        return dataclasses.replace(port, block=block)

    return dataclasses.replace(
        contract,
        inputs=tuple(map(pack, contract.inputs)),
        outputs=tuple(map(pack, contract.outputs)),
    )


def _path_to_port(model: "ModelT", tensor: int, *, is_input: bool) -> list[int] | None:
    """Return the tensors from one to the port that it is moved from or to; None if it is not."""
    (graph,) = model.subgraphs
    ports = graph.inputs if is_input else graph.outputs
    path = [tensor]
    while path[-1] not in ports:
        for operator in graph.operators:
            source, target = operator.inputs[0], operator.outputs[0]
            before, after = (target, source) if is_input else (source, target)
            if before == path[-1] and operator_name(model, operator) in PASSED_OPS:
                path.append(after)
                break
        else:
            return None
    return path


def _replace(model: "ModelT", old: int, new: int) -> None:
    """Let operations read and write one tensor in place of another."""
    (graph,) = model.subgraphs
    for operator in graph.operators:
        operator.inputs = [new if index == old else index for index in operator.inputs]
        operator.outputs = [new if index == old else index for index in operator.outputs]
