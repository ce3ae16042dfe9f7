"""Numbers of a picture that has no target: NIQE, LOE, and how bright it is."""

import functools
import math
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.pixels import PEAK, quantize_8bit, shape_text, to_8bit_pair

MODEL = Path(__file__).parents[1] / "weights" / "niqe.npz"
"""Mean and covariance of the features of good photographs, made by scripts/make_niqe.py."""

BLOCK = 96  # pixels; half of it at the second scale
WINDOW, SIGMA = 7, 7 / 6  # pixels
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below and both diagonals
SHAPES = np.arange(0.2, 10, 0.001)  # among which the shape of a distribution is sought

LOE_SHORT_SIDE = 50  # pixels of the shorter side that LOE is measured at
ROWS = 256  # pixels that are compared with all others at once


def niqe(enhanced: np.ndarray) -> float:
    """Return how far the statistics of a picture are from those of good photographs.

    Our model of good photographs was fitted to those inside scikit-image: the values compare with
    each other, but NOT with those of the authors' MATLAB model, nor of programs that use it.

    Args:
        enhanced: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits; with room for
            two blocks of 96x96 pixels. What is beyond whole blocks, right and below, is left out.

    Returns:
        The distance, at least 0; lower is better. NaN if fewer than two blocks have any texture.

    Raises:
        UsageError: If the picture is smaller than two blocks, or the pixels are of another type or
            not finite.

    Reference:
        Mittal et al., "Making a Completely Blind Image Quality Analyzer", IEEE SPL 2013.
        Differences: the photographs of the model, that their blocks overlap by half and that those
        above half of the largest sharpness count (three quarters); the luma is not rounded; the
        second scale is the mean of 2x2 pixels; blocks without texture, whose distribution has no
        shape, are left out.
    """
    if (enhanced.shape[0] // BLOCK) * (enhanced.shape[1] // BLOCK) < 2:
        raise UsageError(
            f"NIQE needs pictures of at least {BLOCK}x{2 * BLOCK} pixels. "
            f"Received: {shape_text(enhanced)}. Leave out `niqe` for such small pictures."
        )
    features, _ = block_features(luma(quantize_8bit(enhanced)))
    features = features[np.isfinite(features).all(1)]
    if len(features) < 2:
        return math.nan
    mean, covariance = _model()
    away = features.mean(0) - mean
    spread = (np.cov(features, rowvar=False) + covariance) / 2
    return float(np.sqrt(max(away @ np.linalg.pinv(spread) @ away, 0)))


def loe(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the lightness order error: how many pixels, on average, changed places with a pixel.

    For each pixel of the pictures, shrunk to a shorter side of 50 pixels, the number of pixels is
    counted that were as light or lighter before and are darker now, or the reverse.

    Args:
        low: The dark picture: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.
        enhanced: What was made of it, of the same shape; its type may differ.

    Returns:
        The mean count, from 0 (order kept) to the number of pixels of the shrunk picture.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.

    Reference:
        Wang et al., "Naturalness Preserved Enhancement Algorithm for Non-Uniform Illumination
        Images", IEEE TIP 2013, section V. Lightness is the largest of red, green and blue.
        Differences: pixels are shrunk by their means, so that noise does not decide the order.
    """
    before, after = (
        _downscale_max_rgb(picture.max(-1)).ravel() for picture in to_8bit_pair(low, enhanced)
    )
    changed = 0
    for start in range(0, len(before), ROWS):
        part = slice(start, start + ROWS)
        order = before[part, None] >= before
        changed += np.count_nonzero(order != (after[part, None] >= after))
    return changed / len(before)


def brightness(enhanced: np.ndarray) -> float:
    """Return the mean luma (BT.601) of a picture, in [0, 1].

    Args:
        enhanced: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.

    Raises:
        UsageError: If the pixels are of another type or not finite.
    """
    return float(luma(quantize_8bit(enhanced)).mean() / PEAK)


def block_features(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what NIQE looks at in each block of 96x96 pixels.

    Args:
        gray: (H, W) luma in [0, 255].

    Returns:
        Features (blocks, 36), not finite where a block is flat; sharpness (blocks,), the mean of
        the local deviation.
    """
    height, width = (side // BLOCK * BLOCK for side in gray.shape)
    gray = gray[:height, :width]
    features, sharpness = [], []
    for block in (BLOCK, BLOCK // 2):
        mean = _blur(gray)
        deviation = np.sqrt(np.abs(_blur(gray * gray) - mean * mean))
        features.append(_shapes(_blocks((gray - mean) / (deviation + 1), block)))
        sharpness.append(_blocks(deviation, block).mean((1, 2)))
        gray = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.hstack(features), sharpness[0]


def _shapes(blocks: np.ndarray) -> np.ndarray:
    """Return the 18 parameters of the distributions in each block (blocks, side, side)."""
    shape, left, right = _asymmetric(blocks)
    found = [shape, (left + right) / 2]
    for shift in NEIGHBORS:
        shape, left, right = _asymmetric(blocks * np.roll(blocks, shift, (1, 2)))
        ratio = np.interp(shape, SHAPES, _gamma(2) / _gamma(1))
        found += [shape, (right - left) * ratio, left, right]
    return np.stack(found, 1)


def _asymmetric(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a generalized Gaussian with two sides to each block; return shape and both widths."""
    squares = values * values
    with np.errstate(divide="ignore", invalid="ignore"):  # of flat blocks, which are left out
        left, right = (
            np.sqrt((squares * side).sum((1, 2)) / side.sum((1, 2)))
            for side in (values < 0, values > 0)
        )
        skew = left / right
        peak = np.abs(values).mean((1, 2)) ** 2 / squares.mean((1, 2))
        peak *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = np.interp(peak, _gamma(2) ** 2 / (_gamma(1) * _gamma(3)), SHAPES)
    width = np.interp(shape, SHAPES, np.sqrt(_gamma(1) / _gamma(3)))
    return shape, left * width, right * width


@functools.cache
def _gamma(order: int) -> np.ndarray:
    """Return the gamma function of order / shape, for all `SHAPES`."""
    return np.array([math.gamma(order / shape) for shape in SHAPES])


@functools.cache
def _model() -> tuple[np.ndarray, np.ndarray]:
    with np.load(MODEL) as model:
        return model["mean"], model["covariance"]


def _blocks(image: np.ndarray, side: int) -> np.ndarray:
    rows, columns = image.shape[0] // side, image.shape[1] // side
    blocks = image.reshape(rows, side, columns, side).swapaxes(1, 2)
    return blocks.reshape(-1, side, side)


def _blur(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REPLICATE)


def _downscale_max_rgb(image: np.ndarray) -> np.ndarray:
    share = min(LOE_SHORT_SIDE / min(image.shape), 1)
    sides = [max(round(side * share), 1) for side in image.shape[::-1]]
    return cv2.resize(image, sides, interpolation=cv2.INTER_AREA)
