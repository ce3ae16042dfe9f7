"""A loss that looks as a net has learned to see: LPIPS, with the weights of the metric's file."""

import functools
import re
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import KerasTensor, ops

from lowlight_tf.checks import UsageError

FILE = Path(__file__).parents[1] / "weights" / "lpips_alex.tflite"
"""What the metric runs. The loss reads the constants in it, so that the package holds them once."""

SMALLEST = 31  # pixels; below, the second pooling has nothing left
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of RGB in [-1, 1]
SMALL = 1e-4  # length below which features count as none


def lpips(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Learned perceptual distance, AlexNet, version 0.1.

    Args:
        target: (B, H, W, 3) in [0, 1]; H and W at least 31.
        enhanced: Same shape and range as `target`.

    Returns:
        (B,); lower is better, 0 for equal images.

    Raises:
        UsageError: If a side is below 31 pixels.

    Reference:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018.

    Differences from the paper:
        Weights rounded to float16; features shorter than 1e-4 count as none.
    """
    shortest = min(target.shape[1:3])
    if shortest < SMALLEST:
        raise UsageError(
            f"LPIPS needs images of at least {SMALLEST} pixels a side. Received: {shortest}. "
            "Take a larger crop, or a loss without LPIPS."
        )
    heads = _weights()[1]
    distance = 0.0
    for head, a, b in zip(heads, _features(target), _features(enhanced), strict=True):
        distance = distance + ops.mean(ops.matmul(ops.square(a - b), head), axis=(1, 2, 3))
    return distance


def lpips_half_res(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """LPIPS of the images at half their size: a quarter of the work.

    It sees no noise of single pixels; crops must have twice the sides. Otherwise as `lpips`.
    """
    return lpips(*(ops.average_pool(image, 2, 2) for image in (target, enhanced)))


def _features(image: KerasTensor) -> list[KerasTensor]:
    """Return the outputs of the five convolutions, each pixel's of length 1 over the channels."""
    trunk, _ = _weights()
    shift, scale = (ops.convert_to_tensor(np.float32(part)) for part in (SHIFT, SCALE))
    features = (2 * image - 1 - shift) / scale
    taps = []
    for index, (kernel, bias) in enumerate(trunk):
        if index == 0:
            features = ops.pad(features, [(0, 0), (2, 2), (2, 2), (0, 0)])
        if index in (1, 2):
            features = ops.max_pool(features, 3, 2)
        stride, padding = (1, "same") if index else (4, "valid")
        features = ops.relu(ops.add(ops.conv(features, kernel, stride, padding), bias))
        squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
        taps.append(features / ops.sqrt(ops.maximum(squares, SMALL**2)))
    return taps


@functools.cache
def _weights() -> tuple[list[tuple[np.ndarray, np.ndarray]], list[np.ndarray]]:
    """Return kernel and bias of each convolution, and the heads, float32, out of the file."""
    file = Interpreter(model_path=str(FILE))
    found = {}
    for tensor in file.get_tensor_details():
        name = re.search(r"(conv|lin)\d", tensor["name"])
        if name and tensor["dtype"] == np.float16:
            part = "bias" if len(tensor["shape"]) == 1 else "kernel"
            found[name[0], part] = np.float32(file.get_tensor(tensor["index"]))
    trunk = [
        (found[f"conv{n}", "kernel"].transpose(1, 2, 3, 0), found[f"conv{n}", "bias"])
        for n in range(1, 6)
    ]
    return trunk, [found[f"lin{n}", "kernel"].reshape(-1, 1) for n in range(5)]
