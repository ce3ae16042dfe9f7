"""Fusing the images of a visible and an infrared camera, of any size."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.registration.infrared import to_single_channel
from lowlight_tf.imaging.registration.pair_preprocessing import (
    SIZE_HINT,
    PairPreprocessing,
    preprocess_pair,
    stretch_contrast,
)
from lowlight_tf.runtime import input_checks, input_geometry, tiled_inference
from lowlight_tf.runtime.engine import Engine

ROWS_PER_STRIP = 256  # whose colors are computed at once
OPENCV_DEPTHS = {  # type of an image -> OpenCV's constants for it and for signed differences of it
    np.dtype(np.uint8): (cv2.CV_8U, cv2.CV_16S),
    np.dtype(np.uint16): (cv2.CV_16U, cv2.CV_32S),
    np.dtype(np.float32): (cv2.CV_32F, cv2.CV_32F),
}


def fuse(
    engine: Engine,
    visible: np.ndarray,
    infrared: np.ndarray,
    *,
    preprocessing: PairPreprocessing | None = None,
    out: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Fuse a visible and an infrared image into one of the visible image's colors.

    The model fuses lumas (BT.601, full range); the colors are those of the visible image: its Cb
    and Cr are kept whatever happens to its luma, and values out of range are clipped. Large images
    are tiled: see `tiled_inference.run_tiled`.

    Args:
        engine: A model from a luma and an infrared image to one image of one channel.
        visible: (H, W, 3) sRGB, or (H, W, 1) its luma: uint8, uint16, or float32 in [0, 1].
        infrared: Of the same height and width, and any of these types: (H, W), (H, W, 1), or
            (H, W, 3) with equal channels; see `imaging.registration.infrared.to_single_channel`.
        preprocessing: Applied to both before; None takes the engine's own, if it has any. With one,
            sizes may differ as it allows.
        out: Where the result is written; it may be `visible` itself.
        progress: Called with the fraction done, in (0, 1].

    Returns:
        The result, of the type of `visible` and the shape that it has after preprocessing.

    Raises:
        UsageError: If the engine's ports, or the images' shapes or types do not fit, or they cannot
            be aligned.
    """
    contract = engine.contract
    input_checks.check_fusion_model(contract)
    is_luma = visible.ndim == 3 and visible.shape[2] == 1
    input_checks.check_image(visible, channels=1 if is_luma else 3)
    infrared = infrared if infrared.ndim == 3 else infrared[..., None]
    if infrared.shape[2:] != (1,) or infrared.dtype not in (np.uint8, np.float32):
        infrared = to_single_channel(infrared)
    preprocessing, dtype = preprocessing or engine.preprocessing, visible.dtype
    stretch = preprocessing.output_stretch if preprocessing else 0.0
    same_size = infrared.shape[:2] == visible.shape[:2]
    if preprocessing and not (same_size and _changes_nothing(preprocessing)):
        images = dtypes.img_as_float32(visible), dtypes.img_as_float32(infrared)
        visible, infrared = preprocess_pair(*images, preprocessing)
    visible, infrared = (dtypes.convert_dtype(image, dtype) for image in (visible, infrared))
    if infrared.shape[:2] != visible.shape[:2]:
        (height, width), (rows, columns) = visible.shape[:2], infrared.shape[:2]
        raise UsageError(
            f"The cameras' images must be of one size. Received: visible {height}x{width}, "
            f"infrared {rows}x{columns} (height x width). {SIZE_HINT}"
        )
    luma = visible if is_luma else cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY)[..., None]
    # A stretched 8-bit result would have gaps between its gray levels.
    fused = np.empty(luma.shape, np.float32 if stretch else luma.dtype)
    names = (port.name for port in contract.image_inputs)
    tiled_inference.run_tiled(
        engine,
        dict(zip(names, (luma, infrared), strict=True)),
        fused,
        thumbnails=input_geometry.make_thumbnails(contract, luma, infrared),
        report_progress=progress,
    )
    fused = dtypes.convert_dtype(stretch_contrast(fused, stretch), luma.dtype)
    if out is None:
        out = np.empty_like(visible)
    if is_luma:
        out[...] = fused
        return out
    return _apply_luma_change(fused, luma, visible, out)


def _changes_nothing(preprocessing: PairPreprocessing) -> bool:
    """Return whether images of one size are left as they are before they are fused."""
    return dataclasses.replace(preprocessing, output_stretch=0.0) == PairPreprocessing()


def _apply_luma_change(
    fused: np.ndarray, luma: np.ndarray, visible: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Add the change of luma to red, green and blue, which keeps Cb and Cr."""
    depth, signed_depth = OPENCV_DEPTHS[visible.dtype]
    for top in range(0, len(visible), ROWS_PER_STRIP):
        rows = np.s_[top : top + ROWS_PER_STRIP]
        change = cv2.subtract(fused[rows], luma[rows], dtype=signed_depth)
        colored = cv2.add(visible[rows], cv2.merge([change] * 3), dtype=depth)
        out[rows] = np.clip(colored, 0, 1) if depth == cv2.CV_32F else colored
    return out
