"""LPIPS, a learned perceptual distance, without TensorFlow."""

import functools
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.checks import UsageError
from lowlight_tf.constants import LPIPS_MIN_SIDE, LPIPS_SCALE, LPIPS_SHIFT
from lowlight_tf.metrics.pixels import PEAK, check_same_shape, format_shape, quantize_8bit

WEIGHTS_PATH = Path(__file__).parents[1] / "weights" / "lpips_alex.tflite"
"""Trunk and heads, from scripts/make_lpips.py: (2, H, W, 3), normalized, to (1, 1)."""

GAIN = np.float32(2 / PEAK / np.array(LPIPS_SCALE))
OFFSET = np.float32((-1 - np.array(LPIPS_SHIFT)) / np.array(LPIPS_SCALE))
"""Input normalization of 8-bit levels."""

NUM_THREADS = 2
ROWS_PER_BAND = 256
"""Rows that are normalized at a time, to limit memory."""

MAX_CACHED_PIXELS = 2**22
"""Image size up to which the interpreter is cached: it allocates 160 bytes for each pixel."""


def lpips(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the learned perceptual distance, AlexNet, version 0.1: 0 for equal images.

    Args:
        target: (H, W, 3), or (H, W, 1) for gray, with H and W at least 31 pixels; uint8, or float
            in [0, 1], which is rounded to 8 bits.
        enhanced: The same shape; its type may differ.

    Returns:
        The distance, at least 0 and rarely above 1; lower is better.

    Raises:
        UsageError: If the shapes differ, a side is below 31 pixels, or the pixels are of another
            type or not finite.

    Reference:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018. Differences: weights rounded to float16; feature vectors shorter than 1e-4 are
        divided by 1e-4, where others add 1e-10 to their length; gray is repeated to RGB.
    """
    check_same_shape(target, enhanced)
    if min(target.shape[:2]) < LPIPS_MIN_SIDE:
        raise UsageError(
            f"LPIPS needs images of at least {LPIPS_MIN_SIDE}x{LPIPS_MIN_SIDE} pixels. "
            f"Received: {format_shape(target)}. Leave out `lpips` for such small images."
        )
    height, width = target.shape[:2]
    cached = height * width <= MAX_CACHED_PIXELS
    interpreter = (_cached_interpreter if cached else _create_interpreter)(height, width)
    _set_inputs(interpreter, target, enhanced)
    interpreter.invoke()
    return float(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0])


def _set_inputs(interpreter: Interpreter, *images: np.ndarray) -> None:
    """Write the normalized images into the input in bands, without full copies of large images."""
    inputs = interpreter.tensor(interpreter.get_input_details()[0]["index"])()
    for tensor, image in zip(inputs, images, strict=True):
        for top in range(0, len(tensor), ROWS_PER_BAND):
            rows = slice(top, top + ROWS_PER_BAND)
            tensor[rows] = quantize_8bit(image[rows]) * GAIN + OFFSET


def _create_interpreter(height: int, width: int) -> Interpreter:
    interpreter = Interpreter(model_path=str(WEIGHTS_PATH), num_threads=NUM_THREADS)
    interpreter.resize_tensor_input(
        interpreter.get_input_details()[0]["index"], (2, height, width, 3)
    )
    interpreter.allocate_tensors()
    return interpreter


# The images of a dataset usually have one size.
_cached_interpreter = functools.lru_cache(maxsize=1)(_create_interpreter)
