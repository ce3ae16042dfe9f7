"""Change the input size of a .tflite file without TensorFlow: only tensor shapes change."""

import dataclasses
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.fileio import atomic_write, sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model, write_model
from lowlight_tf.tflite_graph.packed_ports import pack_ports


def resize_model_bytes(content: bytes, contract: Contract, size: tuple[int, int]) -> bytes:
    """Return a .tflite file that takes images of another size.

    Args:
        content: The file. Only the shapes of its tensors may depend on the size, as in a fully
            convolutional model.
        contract: Its ports.
        size: Height and width (pixels), multiples of `contract.multiple_of`.

    Raises:
        UsageError: If the size is not such a multiple, or the model is of a fixed size.
    """
    step = contract.multiple_of
    if any(side < 1 or side % step for side in size):
        raise UsageError(
            f"`size` must be multiples of {step} above zero. Received: {size[0]}x{size[1]}."
        )
    content = _scale_enlargements(content, contract, size)
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    inputs = interpreter.get_signature_runner().get_input_details()
    ports = *contract.image_inputs, *contract.states
    indices = {port.name: inputs[port.name]["index"] for port in ports}
    del inputs  # they refer to memory that is allocated again
    try:
        for port in ports:
            interpreter.resize_tensor_input(indices[port.name], (1, *port.shape(size)))
        interpreter.allocate_tensors()
        outputs = interpreter.get_signature_runner().get_output_details()
    except (RuntimeError, ValueError) as error:
        raise _make_fixed_size_error(str(error).strip().splitlines()[0]) from None
    output_size = tuple(contract.scale * side for side in size)
    for port in contract.outputs:
        if tuple(outputs[port.name]["shape"]) != (1, *port.shape(output_size)):
            raise _make_fixed_size_error(
                f"{port.name!r} would be {tuple(outputs[port.name]['shape'])}"
            )
    model = read_model(content)
    tensors = model.subgraphs[0].tensors
    for detail in interpreter.get_tensor_details():
        if detail["index"] < len(tensors):
            tensors[detail["index"]].shape = [int(side) for side in detail["shape"]]
    return write_model(model)


def _scale_enlargements(content: bytes, contract: Contract, size: tuple[int, int]) -> bytes:
    """Return a file whose enlarging operations, which state the size of their result, fit."""
    model = read_model(content)
    (graph,), (signature, *_) = model.subgraphs, model.signatureDefs
    first = contract.image_inputs[0].name
    (port,) = (each for each in signature.inputs if each.name.decode() == first)
    old_size = graph.tensors[port.tensorIndex].shape[1:3]
    is_changed = False
    for operator in graph.operators:
        if operator_name(model, operator) == "RESIZE_BILINEAR":
            buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            sides = np.frombuffer(bytes(buffer.data), np.int32)
            buffer.data = np.int32(sides * size // old_size).view(np.uint8)
            is_changed = True
    return write_model(model) if is_changed else content


def is_resizable(path: Path, contract: Contract) -> bool:
    """Return whether a .tflite file can be resized to every size that its contract allows."""
    step = contract.multiple_of
    try:
        resize_model_bytes(path.read_bytes(), contract, (3 * step, 5 * step))
    except UsageError:
        return False
    return True


def resize_model(path: Path, size: tuple[int, int], output: Path, *, packed: bool = False) -> Path:
    """Write a .tflite file and its card for another input size.

    Args:
        path: The file, with its card next to it.
        size: Height and width (pixels).
        output: Folder for NAME_HEIGHTxWIDTH.tflite and .json, or NAME_HEIGHTxWIDTH_packed; created
            if absent.
        packed: Let the host fold images into channels, see `packed_ports`.

    Returns:
        Path of the new file.

    Raises:
        UsageError: If the model is of a fixed size, `size` is not a multiple of its step, or it has
            no packed form.
    """
    card = ModelCard.load(path.with_suffix(".json"))
    if not card.resizable:
        raise _make_fixed_size_error(f"'resizable' is false in the card of {path}")
    content = resize_model_bytes(path.read_bytes(), card.contract, size)
    name = f"{card.name}_{size[0]}x{size[1]}"
    if packed:
        content, contract = pack_ports(content, card.contract)
        name = f"{name}_packed"
        card = dataclasses.replace(card, contract=contract, resizable=False)
    target = output / f"{name}.tflite"
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        part.write_bytes(content)
        checksum = sha256(part)
        dataclasses.replace(
            card, name=name, height=size[0], width=size[1], sha256=checksum, size_bytes=len(content)
        ).save(target.with_suffix(".json"))
    return target


def _make_fixed_size_error(reason: str) -> UsageError:
    return UsageError(
        f"This model takes images of one size only: {reason}. Export it for another size."
    )
