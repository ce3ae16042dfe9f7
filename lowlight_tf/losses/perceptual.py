"""LPIPS as a loss, with the weights of the metric's file."""

import functools
import re
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import KerasTensor, ops

from lowlight_tf.checks import UsageError
from lowlight_tf.constants import LPIPS_MIN_SIDE, LPIPS_SCALE, LPIPS_SHIFT

WEIGHTS_PATH = Path(__file__).parents[1] / "weights" / "lpips_alex.tflite"
"""The file that the metric runs. The loss reads its weights from it, so that the package contains
them once."""

MIN_NORM = 1e-4
"""Length of a feature vector below which it is not normalized to 1."""


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
        Weights rounded to float16; feature vectors shorter than 1e-4 are divided by 1e-4.
    """
    shorter_side = min(target.shape[1:3])
    if shorter_side < LPIPS_MIN_SIDE:
        raise UsageError(
            f"LPIPS needs images of at least {LPIPS_MIN_SIDE} pixels a side. "
            f"Received: {shorter_side}. Use a larger crop, or a loss without LPIPS."
        )
    heads = _load_weights()[1]
    distance = 0.0
    for head, a, b in zip(heads, _features(target), _features(enhanced), strict=True):
        distance = distance + ops.mean(ops.matmul(ops.square(a - b), head), axis=(1, 2, 3))
    return distance


def lpips_half_res(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """LPIPS at half the resolution: a quarter of the operations.

    It ignores noise of single pixels; crops need twice the sides. Otherwise as `lpips`.
    """
    return lpips(*(ops.average_pool(image, 2, 2) for image in (target, enhanced)))


def _features(image: KerasTensor) -> list[KerasTensor]:
    """Return the outputs of the five convolutions, normalized to length 1 over the channels."""
    trunk, _ = _load_weights()
    shift, scale = (ops.convert_to_tensor(np.float32(x)) for x in (LPIPS_SHIFT, LPIPS_SCALE))
    features = (2 * image - 1 - shift) / scale
    outputs = []
    for index, (kernel, bias) in enumerate(trunk):
        if index == 0:
            features = ops.pad(features, [(0, 0), (2, 2), (2, 2), (0, 0)])
        if index in (1, 2):
            features = ops.max_pool(features, 3, 2)
        stride, padding = (1, "same") if index else (4, "valid")
        features = ops.relu(ops.add(ops.conv(features, kernel, stride, padding), bias))
        squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
        outputs.append(features / ops.sqrt(ops.maximum(squares, MIN_NORM**2)))
    return outputs


@functools.cache
def _load_weights() -> tuple[list[tuple[np.ndarray, np.ndarray]], list[np.ndarray]]:
    """Return kernel and bias of each convolution, and the heads, float32, from the file."""
    interpreter = Interpreter(model_path=str(WEIGHTS_PATH))
    tensors = {}
    for tensor in interpreter.get_tensor_details():
        name = re.search(r"(conv|lin)\d", tensor["name"])
        if name and tensor["dtype"] == np.float16:
            part = "bias" if len(tensor["shape"]) == 1 else "kernel"
            tensors[name[0], part] = np.float32(interpreter.get_tensor(tensor["index"]))
    trunk = [
        (tensors[f"conv{n}", "kernel"].transpose(1, 2, 3, 0), tensors[f"conv{n}", "bias"])
        for n in range(1, 6)
    ]
    return trunk, [tensors[f"lin{n}", "kernel"].reshape(-1, 1) for n in range(5)]
