"""The pictures of two cameras, of any size, into one."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.registration.infrared import to_single_channel
from lowlight_tf.imaging.registration.pair_preprocessing import (
    PairPreprocessing,
    preprocess_pair,
    stretch_contrast,
)
from lowlight_tf.runtime import input_checks, input_geometry, tiled_inference
from lowlight_tf.runtime.engine import Engine

ROWS_PER_STRIP = 256  # rows whose colors are joined at once
DEPTHS = {  # type of a picture -> OpenCV's names for it and for differences of it
    np.dtype(np.uint8): (cv2.CV_8U, cv2.CV_16S),
    np.dtype(np.uint16): (cv2.CV_16U, cv2.CV_32S),
    np.dtype(np.float32): (cv2.CV_32F, cv2.CV_32F),
}


def fuse(
    engine: Engine,
    visible: np.ndarray,
    infrared: np.ndarray,
    *,
    preparation: PairPreprocessing | None = None,
    out: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Make one picture of what a visible and an infrared camera saw.

    The net fuses lumas (BT.601, full range); the colors are those of the visible picture: its Cb
    and Cr stay, whatever becomes of its luma, and what leaves the range is cut. Large pictures go
    by tiles: see `whole.through`. Thumbnail ports are shown the whole of their own picture.

    Args:
        engine: What fuses; from a luma and an infrared image to one of one channel.
        visible: (H, W, 3) sRGB: uint8, uint16, or float32 in [0, 1].
        infrared: Of the same height and width, and any of these types: (H, W), (H, W, 1), or
            (H, W, 3) with equal channels; see `imaging.infrared.one_channel`.
        preparation: What is done to both before; None takes the engine's own, if it has any. With
            one, sizes may differ as it allows.
        out: Where the result is written; it may be `visible` itself.
        progress: Called with the share done, in (0, 1].

    Returns:
        The result, of the shape and type of `visible`, once that is prepared.

    Raises:
        UsageError: If the engine's ports, or the pictures' shapes or types do not fit, or they
            cannot be aligned.
    """
    contract = engine.contract
    input_checks.check_fusion_model(contract)
    input_checks.check_image(visible)
    infrared = to_single_channel(infrared if infrared.ndim == 3 else infrared[..., None])
    preparation = preparation or getattr(engine, "preparation", None)
    kind = visible.dtype
    plain = (
        dataclasses.replace(preparation or PairPreprocessing(), finish=0.0) == PairPreprocessing()
    )
    changed = infrared.shape[:2] != visible.shape[:2] or not plain
    if preparation and changed:
        visible, infrared = preprocess_pair(dtypes.img_as_float32(visible), infrared, preparation)
    visible, infrared = dtypes.convert_dtype(visible, kind), dtypes.convert_dtype(infrared, kind)
    if infrared.shape[:2] != visible.shape[:2]:
        (height, width), (rows, columns) = visible.shape[:2], infrared.shape[:2]
        raise UsageError(
            f"The cameras' pictures must be of one size. Received: visible {height}x{width}, "
            f"infrared {rows}x{columns} (height x width). Align them."
        )
    luma = cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY)[..., None]
    names = [port.name for port in contract.image_inputs]
    share = preparation.output_stretch if preparation else 0.0
    # What is stretched from bytes has gaps between its grey levels.
    fused = np.empty(luma.shape, np.float32 if share else luma.dtype)
    tiled_inference.run_tiled(
        engine,
        dict(zip(names, (luma, infrared), strict=True)),
        fused,
        thumbnails=input_geometry.make_thumbnails(contract, luma, infrared),
        report_progress=progress,
    )
    fused = dtypes.convert_dtype(stretch_contrast(fused, share), luma.dtype)
    return _apply_luma_change(fused, luma, visible, np.empty_like(visible) if out is None else out)


def _apply_luma_change(
    fused: np.ndarray, luma: np.ndarray, visible: np.ndarray, out: np.ndarray
) -> np.ndarray:
    """Give a luma the Cb and Cr of the visible picture: red, green and blue change as it did."""
    depth, signed = DEPTHS[visible.dtype]
    for top in range(0, len(visible), ROWS_PER_STRIP):
        rows = np.s_[top : top + ROWS_PER_STRIP]
        change = cv2.subtract(fused[rows], luma[rows], dtype=signed)
        colored = cv2.add(visible[rows], cv2.merge([change] * 3), dtype=depth)
        out[rows] = np.clip(colored, 0, 1) if depth == cv2.CV_32F else colored
    return out
