"""The same net for another size of frame, without TensorFlow: only shapes change in the file."""

import dataclasses
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.fileio import atomic_write, sha256
from lowlight_tf.model_card import ModelCard


def resize_model_bytes(content: bytes, contract: Contract, size: tuple[int, int]) -> bytes:
    """Return a .tflite file that takes pictures of another size.

    Args:
        content: The file; nothing in it may depend on the size but the shapes of its tensors, as in
            a net of convolutions.
        contract: Its ports.
        size: Height and width, multiples of `contract.multiple_of`.

    Raises:
        UsageError: If the size is no such multiple, or the net is one of a single size.
    """
    step = contract.multiple_of
    if any(side < 1 or side % step for side in size):
        raise UsageError(
            f"`size` must be multiples of {step} above zero. Received: {size[0]}x{size[1]}."
        )
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    inputs = interpreter.get_signature_runner().get_input_details()
    indices = {port.name: inputs[port.name]["index"] for port in contract.image_inputs}
    del inputs  # they refer to memory that is laid out anew
    try:
        for port in contract.image_inputs:
            interpreter.resize_tensor_input(indices[port.name], (1, *port.shape(size)))
        interpreter.allocate_tensors()
        outputs = interpreter.get_signature_runner().get_output_details()
    except (RuntimeError, ValueError) as error:
        raise _single(str(error).strip().splitlines()[0]) from None
    large = tuple(contract.scale * side for side in size)
    for port in contract.outputs:
        if tuple(outputs[port.name]["shape"]) != (1, *port.shape(large)):
            raise _single(f"{port.name!r} would be {tuple(outputs[port.name]['shape'])}")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    tensors = model.subgraphs[0].tensors
    for detail in interpreter.get_tensor_details():
        if detail["index"] < len(tensors):
            tensors[detail["index"]].shape = [int(side) for side in detail["shape"]]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def is_resizable(path: Path, contract: Contract) -> bool:
    """Tell whether a .tflite file takes every size that its contract allows."""
    step = contract.multiple_of
    try:
        resize_model_bytes(path.read_bytes(), contract, (3 * step, 5 * step))
    except UsageError:
        return False
    return True


def resize_model(path: Path, size: tuple[int, int], output: Path) -> Path:
    """Write a .tflite file and its card for another size of frame.

    Args:
        path: The file, its card beside it.
        size: Height and width (pixels).
        output: Folder for NAME_HEIGHTxWIDTH.tflite and .json; made if absent.

    Returns:
        The new file.

    Raises:
        UsageError: If the card says that the file is of one size, or the new size will not do.
    """
    card = ModelCard.load(path.with_suffix(".json"))
    if not card.resizable:
        raise _single(f"the card of {path} says so")
    content = resize_model_bytes(path.read_bytes(), card.contract, size)
    name = f"{card.name}_{size[0]}x{size[1]}"
    target = output / f"{name}.tflite"
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        part.write_bytes(content)
        checksum = sha256(part)
        dataclasses.replace(
            card, name=name, height=size[0], width=size[1], sha256=checksum, size_bytes=len(content)
        ).save(target.with_suffix(".json"))
    return target


def _single(reason: str) -> UsageError:
    return UsageError(f"This net takes pictures of one size only: {reason}. Export it for another.")
