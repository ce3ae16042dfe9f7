"""What two cameras saw -> what a net that fuses is shown, in training and on the device."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color
from lowlight_tf.imaging.registration import infrared as thermal
from lowlight_tf.imaging.registration.alignment import METHODS, register_pair, warp
from lowlight_tf.imaging.registration.camera_rig import CameraRig

MAX_CONTRAST_GAIN = 4.0
"""By how many times a finish raises contrast at most: what is nearly flat is mostly noise."""

PERCENTILE_SAMPLES = 2**16
"""About how many pixels the percentiles of a finish are told from."""

DENOISE_WINDOW = 5  # pixels; side of the square that noise is averaged over
DENOISE_THRESHOLD = 2.5  # times the noise, by which pixels may differ that are averaged


@dataclasses.dataclass(frozen=True)
class PairPreprocessing:
    """What is done to a pair before a net sees it, in this order.

    Attributes:
        size: Whose size both pictures get: "visible", "infrared", or "same", which refuses pairs
            that differ in size. They must show the same field, unless they are aligned.
        align: "none" for pictures that lie over each other already; "phase", "ecc" or "features" to
            find out for each pair (`registration.align`; a second each); or the path of what
            `lowlight-tf calibrate` wrote of a rig, which is fast.
        denoise: Standard deviation of the noise that is smoothed away in the visible picture, in
            [0, 1] units; 0 leaves it.
        normalize: Stretch the infrared picture by its percentiles (`infrared.PERCENTILES`).
        clahe_visible: Clip limit of CLAHE on the luma of the visible picture, about 2; chroma is
            kept. 0 does nothing.
        clahe_infrared: The same for the infrared picture. Leave it at 0 where its camera or the
            makers of a dataset (MSRS) did so already.
        tiles: Tiles of CLAHE in a row and in a column.
        output_stretch: How far what was fused of them is stretched in the end, from 0 (not at all) to 1, so
            that its percentiles `infrared.PERCENTILES` become black and white; see `finished`.
    """

    size: str = "same"
    align: str = "none"
    denoise: float = 0.0
    normalize: bool = False
    clahe_visible: float = 0.0
    clahe_infrared: float = 0.0
    tiles: int = 8
    output_stretch: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        checks.check_choice("size", self.size, ("same", "visible", "infrared"))
        if self.align not in ("none", *METHODS) and Path(self.align).suffix != ".json":
            raise UsageError(
                f"`align` must be none, {', '.join(METHODS)}, or the .json that `lowlight-tf "
                f"calibrate` wrote. Received: align={self.align!r}."
            )
        for name in ("denoise", "clahe_visible", "clahe_infrared"):
            checks.check_min(name, getattr(self, name), 0)
        checks.check_min("tiles", self.tiles, 1)
        if not 0 <= self.output_stretch <= 1:
            raise UsageError(
                f"`finish` must be a share in [0, 1]. Received: {self.output_stretch}."
            )


def preprocess_pair(
    visible: np.ndarray, infrared: np.ndarray, preprocessing: PairPreprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Prepare what two cameras saw at one time.

    Without alignment by a method it takes a few tens of milliseconds for 640x480.

    Args:
        visible: (H, W, 3) sRGB or (H, W, 1) luma, float32 in [0, 1].
        infrared: (h, w, 1) float32 in [0, 1].
        preprocessing: What is done.

    Returns:
        Both, float32 in [0, 1], of one size: (H, W, C) and (H, W, 1).

    Raises:
        UsageError: If the sizes differ though they must not, or the pictures cannot be aligned.

    Reference:
        Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
        Tomasi, Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998,
        https://doi.org/10.1109/ICCV.1998.710815.

    Differences from the reference:
        CLAHE sees 8 bit; what it changes is added to the picture, so that finer steps are kept.
    """
    visible, infrared = _register(visible, infrared, preprocessing)
    if preprocessing.denoise:
        reach = (
            DENOISE_THRESHOLD * preprocessing.denoise * visible.shape[2]
        )  # OpenCV adds up the channels
        smooth = cv2.bilateralFilter(visible, DENOISE_WINDOW, reach, DENOISE_WINDOW / 2)
        visible = smooth.reshape(visible.shape)
    if preprocessing.normalize:
        infrared = thermal.percentile_stretch(infrared)
    if preprocessing.clahe_visible:
        visible = _clahe(visible, preprocessing.clahe_visible, preprocessing.tiles)
    if preprocessing.clahe_infrared:
        infrared = _clahe(infrared, preprocessing.clahe_infrared, preprocessing.tiles)
    return visible, infrared


def stretch_contrast(luma: np.ndarray, strength: float) -> np.ndarray:
    """Stretch what was fused between its own black and white.

    Args:
        luma: (H, W, 1) uint8, uint16, or float32 in [0, 1].
        strength: How far, in [0, 1]; see `Preparation.finish`.

    Returns:
        Of the same shape and type; a picture of one value stays as it is.
    """
    if not strength:
        return luma
    step = max(int((luma.size / PERCENTILE_SAMPLES) ** 0.5), 1)
    low, high = np.percentile(luma[::step, ::step], thermal.PERCENTILES)
    if not high > low:
        return luma
    white = np.iinfo(luma.dtype).max if luma.dtype != np.float32 else 1.0
    times = min(white / (high - low), MAX_CONTRAST_GAIN)
    factor, offset = 1 - strength + strength * times, -strength * low * times
    values = np.float32(factor) * luma + np.float32(offset)
    values = np.clip(values, 0, white, out=values)
    return values if luma.dtype == np.float32 else np.rint(values, out=values).astype(luma.dtype)


def _register(
    visible: np.ndarray, infrared: np.ndarray, preparation: PairPreprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Return both pictures at one size, and the same place in both at the same pixel."""
    by_rig = preparation.align not in ("none", *METHODS)
    if preparation.size == "same" and not by_rig and visible.shape[:2] != infrared.shape[:2]:
        raise UsageError(
            "The visible and the infrared picture must have one size. Received: "
            f"{_size(visible)} and {_size(infrared)} (height x width). If they show the same "
            "field, set `size` to visible or infrared; if not, calibrate the rig."
        )
    if preparation.size == "infrared":
        visible = _resize_area(visible, infrared.shape[:2])
    size = visible.shape[:2]
    if by_rig:
        matrix = CameraRig.load(Path(preparation.align)).homography_for(size, infrared.shape[:2])
    elif preparation.align != "none":
        matrix = register_pair(visible, infrared, method=preparation.align).matrix
    else:
        return visible, _resize_area(infrared, size)
    return visible, warp(infrared, matrix, size)


def _resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    way = cv2.INTER_AREA if image.shape[0] > size[0] else cv2.INTER_LINEAR
    return cv2.resize(image, size[::-1], interpolation=way).reshape(*size, -1)


def _clahe(image: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    luma = color.luma(image) if image.shape[2] == 3 else image[..., 0]
    eight = np.uint8(np.rint(255 * luma))
    equalized = cv2.createCLAHE(clip, (tiles, tiles)).apply(eight)
    # The same for each channel: the differences to luma, which are chroma, stay what they are.
    change = np.subtract(equalized, eight, dtype=np.float32) / 255
    return np.clip(image + change[..., None], 0, 1, dtype=np.float32)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
