"""How like two pictures look to a net that has learned to see: LPIPS. TensorFlow is not needed."""

import functools
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics.pixels import PEAK, check_same_shape, quantize_8bit, shape_text

FILE = Path(__file__).parents[1] / "weights" / "lpips_alex.tflite"
"""Trunk and heads, made by scripts/make_lpips.py: (2, H, W, 3), scaled, to (1, 1)."""

MIN_SIDE = 31  # pixels; below, the second pooling has nothing left
SHIFT, SCALE = np.array([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]])  # of RGB in [-1, 1]
GAIN, OFFSET = np.float32(2 / PEAK / SCALE), np.float32((-1 - SHIFT) / SCALE)  # of 8-bit levels
THREADS = 2
ROWS_PER_BAND = 256  # rows
MAX_CACHED_INTERPRETERS = 2**22
"""Pixels of a picture up to which its net is kept for the next one: it holds 160 bytes of each."""


def lpips(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the learned perceptual distance, AlexNet, version 0.1: 0 for equal pictures.

    Args:
        target: (H, W, 3), or (H, W, 1) for gray, with H and W at least 31 pixels; uint8, or float
            in [0, 1], which is rounded to 8 bits.
        enhanced: The same shape; its type may differ.

    Returns:
        The distance, at least 0; seldom above 1. Lower is better.

    Raises:
        UsageError: If the shapes differ, a side is below 31 pixels, or the pixels are of another
            type or not finite.

    Reference:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018. Differences: weights rounded to float16; features shorter than 1e-4 count as
        none, where others add 1e-10 to their length; gray stands for three equal channels.
    """
    check_same_shape(target, enhanced)
    if min(target.shape[:2]) < MIN_SIDE:
        raise UsageError(
            f"LPIPS needs pictures of at least {MIN_SIDE}x{MIN_SIDE} pixels. "
            f"Received: {shape_text(target)}. Leave out `lpips` for such small pictures."
        )
    net = (_kept if target.shape[0] * target.shape[1] <= MAX_CACHED_INTERPRETERS else _net)(
        *target.shape[:2]
    )
    _show(net, target, enhanced)
    net.invoke()
    return float(net.get_tensor(net.get_output_details()[0]["index"])[0, 0])


def _show(net: Interpreter, *pictures: np.ndarray) -> None:
    """Fill the net's input band by band: of large pictures no copies are held."""
    seen = net.tensor(net.get_input_details()[0]["index"])()
    for image, picture in zip(seen, pictures, strict=True):
        for top in range(0, len(image), ROWS_PER_BAND):
            rows = slice(top, top + ROWS_PER_BAND)
            image[rows] = quantize_8bit(picture[rows]) * GAIN + OFFSET


def _net(height: int, width: int) -> Interpreter:
    net = Interpreter(model_path=str(FILE), num_threads=THREADS)
    net.resize_tensor_input(net.get_input_details()[0]["index"], (2, height, width, 3))
    net.allocate_tensors()
    return net


_kept = functools.lru_cache(maxsize=1)(_net)  # the pictures of a set mostly have one size
