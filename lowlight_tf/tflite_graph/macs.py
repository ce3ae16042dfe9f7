"""Count the multiply-accumulate operations (MACs) of a .tflite file from its graph."""

import math

from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model

GATHER_OPS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
"""Operations whose kernel gathers each output value; their inputs are (input, kernel, bias). A
transposed convolution, (shape, kernel, input), scatters each input value."""


def count_macs(content: bytes) -> int:
    """Return the number of MACs of a .tflite file at the input size that its shapes state.

    Counted are the products of convolutions, depthwise convolutions, transposed convolutions and
    matrix products. Padding counts as if there were an image beyond the border; sums, activations,
    means and resampling do not count. One MAC is two FLOPs.

    Args:
        content: The file; `resize_model.resize_model_bytes` gives that of another input size.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    total = 0
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name in GATHER_OPS:
            positions = operator.outputs[0]
        elif name == "TRANSPOSE_CONV":
            positions = operator.inputs[2]
        else:
            continue
        # Kernels are (out, height, width, in), matrices (out, in), and those of depthwise
        # convolutions (1, height, width, out).
        out, *sides, last = graph.tensors[operator.inputs[1]].shape
        if name == "DEPTHWISE_CONV_2D":
            last = 1
        elif name == "TRANSPOSE_CONV":
            last = out
        total += math.prod(map(int, (*graph.tensors[positions].shape, *sides, last)))
    return total
