"""Read and write the FlatBuffer of a .tflite file as Python objects.

The only module that uses `ai_edge_litert.tools.flatbuffer_utils`, which LiteRT does not document as
stable. It is imported when the first file is read: with the schema it takes about 30 ms and 4 MB,
which a process that only runs a float model does not need.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorT


def read_model(content: bytes) -> "ModelT":
    """Return the model of a .tflite file.

    `flatbuffer_utils.read_model_from_bytearray` is not used: from LiteRT 2.2 on it also renumbers
    the buffers, and the bytes that are written again would depend on the installed version.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.convert_bytearray_to_object(content)


def write_model(model: "ModelT") -> bytes:
    """Return the content of the .tflite file of a model."""
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def operator_name(model: "ModelT", operator: "OperatorT") -> str:
    """Return the name of the builtin operator that a node runs, such as "CONV_2D"."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)


def dtype_name(tensor: "TensorT") -> str:
    """Return the name of a tensor's type, such as "INT8"."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.type_to_name(tensor.type)
