"""How much a .tflite file computes for a picture, read from its graph. Nothing is run."""

import math

from ai_edge_litert import schema_py_generated as schema

_OPERATOR = schema.BuiltinOperator

GATHERS = {_OPERATOR.CONV_2D, _OPERATOR.DEPTHWISE_CONV_2D, _OPERATOR.FULLY_CONNECTED}
"""Operations that gather each number that comes out by a kernel; their inputs are (what goes in,
kernel, biases). A transposed convolution, (shape, kernel, what goes in), spreads what goes in."""


def count_macs(content: bytes) -> int:
    """Count the multiply-adds of a .tflite file at the size that its shapes say.

    Each product of a pixel and a weight that a convolution, depthwise convolution, transposed
    convolution or matrix product adds up is one. The border counts as if there were a picture
    beyond it; sums, activations, means and resampling do not count. Two FLOPs are one multiply-add.

    Args:
        content: The file; `runtime.resize.resized` gives that of another size of picture.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    codes = [code.builtinCode for code in model.operatorCodes]
    total = 0
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        if code in GATHERS:
            each = operator.outputs[0]
        elif code == _OPERATOR.TRANSPOSE_CONV:
            each = operator.inputs[2]
        else:
            continue
        # Kernels are (out, height, width, in), matrices (out, in), and what a depthwise one has
        # last is what comes out.
        out, *sides, last = graph.tensors[operator.inputs[1]].shape
        if code == _OPERATOR.DEPTHWISE_CONV_2D:
            last = 1
        elif code == _OPERATOR.TRANSPOSE_CONV:
            last = out
        total += math.prod(map(int, (*graph.tensors[each].shape, *sides, last)))
    return total
