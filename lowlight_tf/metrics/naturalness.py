"""No-reference metrics of an enhanced image: NIQE, LOE and brightness."""

import functools
import math
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.pixels import PEAK, format_shape, quantize_8bit, to_8bit_pair

NIQE_MODEL_PATH = Path(__file__).parents[1] / "weights" / "niqe.npz"
"""Mean and covariance of the features of pristine photographs, from scripts/make_niqe.py."""

BLOCK_SIZE = 96  # pixels; half of it at the second scale
WINDOW_SIZE, SIGMA = 7, 7 / 6  # pixels
NEIGHBOR_OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))  # horizontal, vertical and both diagonals
SHAPE_GRID = np.arange(0.2, 10, 0.001)  # shape parameters of the generalized Gaussian

LOE_SHORTER_SIDE = 50  # pixels, to which images are downscaled for LOE
PIXELS_PER_CHUNK = 256  # pixels that are compared with all others at once


def niqe(enhanced: np.ndarray) -> float:
    """Return the naturalness image quality evaluator (NIQE): distance from pristine photographs.

    Our model of pristine photographs was fitted to those inside scikit-image: the values are
    comparable with each other, but NOT with those of the authors' MATLAB model, nor of programs
    that use it.

    Args:
        enhanced: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits; at least two
            blocks of 96x96 pixels. Incomplete blocks at the right and bottom are not used.

    Returns:
        The distance, at least 0; lower is better. NaN if fewer than two blocks have texture.

    Raises:
        UsageError: If the image is smaller than two blocks, or the pixels are of another type or
            not finite.

    Reference:
        Mittal et al., "Making a Completely Blind Image Quality Analyzer", IEEE SPL 2013.
        Differences: the photographs of the model, whose blocks overlap by half and need half of the
        maximum sharpness (there three quarters); the luma is not rounded; the second scale is the
        mean of 2x2 pixels; blocks without texture, whose distribution has no shape, are not used.
    """
    if math.prod(side // BLOCK_SIZE for side in enhanced.shape[:2]) < 2:
        raise UsageError(
            f"NIQE needs images of at least {BLOCK_SIZE}x{2 * BLOCK_SIZE} pixels. "
            f"Received: {format_shape(enhanced)}. Leave out `niqe` for such small images."
        )
    features, _ = block_features(luma(quantize_8bit(enhanced)))
    features = features[np.isfinite(features).all(1)]
    if len(features) < 2:
        return math.nan
    mean, covariance = _load_niqe_model()
    difference = features.mean(0) - mean
    pooled = (np.cov(features, rowvar=False) + covariance) / 2
    return float(np.sqrt(max(difference @ np.linalg.pinv(pooled) @ difference, 0)))


def loe(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the lightness order error (LOE): changes of the relative order of lightness.

    For each pixel of the images, downscaled to a shorter side of 50 pixels, the number of pixels is
    counted that were as light or lighter in the input and are darker in the output, or the reverse.

    Args:
        low: The low-light input: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.
        enhanced: The enhanced image, of the same shape; its type may differ.

    Returns:
        The mean count, from 0 (order preserved) to the number of pixels of the downscaled image.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.

    Reference:
        Wang et al., "Naturalness Preserved Enhancement Algorithm for Non-Uniform Illumination
        Images", IEEE TIP 2013, section V. Lightness is the maximum of red, green and blue.
        Differences: downscaling by area averages, so that the order does not depend on noise.
    """
    before, after = (_downscale(image.max(-1)).ravel() for image in to_8bit_pair(low, enhanced))
    changed = 0
    for start in range(0, len(before), PIXELS_PER_CHUNK):
        chunk = slice(start, start + PIXELS_PER_CHUNK)
        order = before[chunk, None] >= before
        changed += np.count_nonzero(order != (after[chunk, None] >= after))
    return changed / len(before)


def brightness(enhanced: np.ndarray) -> float:
    """Return the mean luma (BT.601) of an image, in [0, 1].

    Args:
        enhanced: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.

    Raises:
        UsageError: If the pixels are of another type or not finite.
    """
    return float(luma(quantize_8bit(enhanced)).mean() / PEAK)


def block_features(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the NIQE features of each block of 96x96 pixels.

    Args:
        gray: (H, W) luma in [0, 255].

    Returns:
        Features (blocks, 36), not finite for flat blocks; sharpness (blocks,), the mean local
        deviation.
    """
    height, width = (side // BLOCK_SIZE * BLOCK_SIZE for side in gray.shape)
    gray = gray[:height, :width]
    features, sharpness = [], []
    for size in (BLOCK_SIZE, BLOCK_SIZE // 2):
        mean = _blur(gray)
        deviation = np.sqrt(np.abs(_blur(gray * gray) - mean * mean))
        features.append(_fit_blocks(_split_blocks((gray - mean) / (deviation + 1), size)))
        sharpness.append(_split_blocks(deviation, size).mean((1, 2)))
        gray = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.hstack(features), sharpness[0]


def _fit_blocks(blocks: np.ndarray) -> np.ndarray:
    """Return the 18 parameters of the distributions in each block: (N, side, side) -> (N, 18)."""
    shape, left, right = _fit_asymmetric_gaussian(blocks)
    parameters = [shape, (left + right) / 2]
    for offset in NEIGHBOR_OFFSETS:
        products = blocks * np.roll(blocks, offset, (1, 2))
        shape, left, right = _fit_asymmetric_gaussian(products)
        ratio = np.interp(shape, SHAPE_GRID, _gamma(2) / _gamma(1))
        parameters += [shape, (right - left) * ratio, left, right]
    return np.stack(parameters, 1)


def _fit_asymmetric_gaussian(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit an asymmetric generalized Gaussian to each block; return shape and both scales."""
    squares = values * values
    with np.errstate(divide="ignore", invalid="ignore"):  # of flat blocks, which are not used
        left, right = (
            np.sqrt((squares * side).sum((1, 2)) / side.sum((1, 2)))
            for side in (values < 0, values > 0)
        )
        skew = left / right
        ratio = np.abs(values).mean((1, 2)) ** 2 / squares.mean((1, 2))
        ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = np.interp(ratio, _gamma(2) ** 2 / (_gamma(1) * _gamma(3)), SHAPE_GRID)
    scale = np.interp(shape, SHAPE_GRID, np.sqrt(_gamma(1) / _gamma(3)))
    return shape, left * scale, right * scale


@functools.cache
def _gamma(order: int) -> np.ndarray:
    """Return the gamma function of order / shape for all of `SHAPE_GRID`."""
    return np.array([math.gamma(order / shape) for shape in SHAPE_GRID])


@functools.cache
def _load_niqe_model() -> tuple[np.ndarray, np.ndarray]:
    with np.load(NIQE_MODEL_PATH) as model:
        return model["mean"], model["covariance"]


def _split_blocks(image: np.ndarray, side: int) -> np.ndarray:
    rows, columns = image.shape[0] // side, image.shape[1] // side
    blocks = image.reshape(rows, side, columns, side).swapaxes(1, 2)
    return blocks.reshape(-1, side, side)


def _blur(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(
        image, (WINDOW_SIZE, WINDOW_SIZE), SIGMA, borderType=cv2.BORDER_REPLICATE
    )


def _downscale(image: np.ndarray) -> np.ndarray:
    factor = min(LOE_SHORTER_SIDE / min(image.shape), 1)
    sides = [max(round(side * factor), 1) for side in image.shape[::-1]]
    return cv2.resize(image, sides, interpolation=cv2.INTER_AREA)
