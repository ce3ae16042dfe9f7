"""Preprocessing of visible and infrared pairs for fusion models, in training and inference."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.registration import infrared as thermal
from lowlight_tf.imaging.registration.alignment import METHODS, register_pair, warp
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from lowlight_tf.imaging.resize import resize_image

SIZE_HINT = (
    "If they have the same field of view, pass --resize-infrared (in Python "
    'PairPreprocessing(size="visible")); else pass --align with the rig that `lowlight-tf '
    "calibrate` wrote."
)
"""What to do about two cameras of different sizes."""

MAX_CONTRAST_GAIN = 4.0
"""Upper limit of the contrast gain of `stretch_contrast`: nearly flat images are mostly noise."""

PERCENTILE_SAMPLES = 2**16
"""Approximate number of pixels from which `stretch_contrast` estimates the percentiles."""

DENOISE_WINDOW = 5  # pixels; side of the bilateral filter
DENOISE_THRESHOLD = 2.5  # standard deviations of the noise; range of the bilateral filter


@dataclasses.dataclass(frozen=True)
class PairPreprocessing:
    """Preprocessing of a visible and infrared pair before a fusion model, in this order.

    Attributes:
        size: Camera whose size both images get: "visible", "infrared", or "same", which refuses
            pairs that differ in size. Unless aligned, both must have the same field of view.
        align: "none" for registered pairs; "phase", "ecc" or "features" to register each pair
            (`alignment.register_pair`; a second each); or the path of a rig's calibration by
            `lowlight-tf calibrate`, which is fast.
        denoise: Standard deviation of the noise to remove from the visible image, in [0, 1] units;
            0 disables it.
        normalize: Whether to stretch the infrared image (`infrared.percentile_stretch`).
        clahe_visible: Clip limit of CLAHE on the luma of the visible image, about 2; chroma is
            kept. 0 disables it.
        clahe_infrared: The same for the infrared image. Leave it at 0 if the camera or the authors
            of a dataset (MSRS) have applied it already.
        tiles: Tiles of CLAHE per row and per column.
        infrared_mask: Image file of the infrared camera's size, white where it draws an overlay (a
            temperature bar, a logo), which is filled from around; "" if there is none.
        output_stretch: Strength, in [0, 1], of `stretch_contrast` on the fused image; 0 disables
            it.
    """

    size: str = "same"
    align: str = "none"
    denoise: float = 0.0
    normalize: bool = False
    clahe_visible: float = 0.0
    clahe_infrared: float = 0.0
    tiles: int = 8
    infrared_mask: str = ""
    output_stretch: float = 0.0

    def __post_init__(self) -> None:
        """Validate the attributes."""
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
                f"`output_stretch` must be a fraction in [0, 1]. Received: {self.output_stretch}."
            )


def preprocess_pair(
    visible: np.ndarray, infrared: np.ndarray, preprocessing: PairPreprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Preprocess a visible image, (H, W, C), and an infrared one, (h, w, 1), of the same time.

    Without registration of the pair it takes a few tens of milliseconds for 640x480.

    Args:
        visible: (H, W, 3) sRGB or (H, W, 1) luma, float32 in [0, 1].
        infrared: (h, w, 1) float32 in [0, 1].
        preprocessing: The steps to apply.

    Returns:
        Both, float32 in [0, 1], of one size: (H, W, C) and (H, W, 1).

    Raises:
        UsageError: If the sizes differ and `preprocessing.size` is "same", or the images cannot be
            aligned.

    Reference:
        Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
        Tomasi, Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998,
        https://doi.org/10.1109/ICCV.1998.710815.

    Differences from the reference:
        CLAHE is computed on 8 bits; its change is added to the image, so that finer levels are
        kept.
    """
    if preprocessing.infrared_mask:
        mask = thermal.read_mask(Path(preprocessing.infrared_mask), infrared.shape[:2])
        infrared = thermal.fill_masked(infrared, mask)
    visible, infrared = _register(visible, infrared, preprocessing)
    if preprocessing.denoise:
        # OpenCV compares the sum of the differences of all channels.
        sigma_color = DENOISE_THRESHOLD * preprocessing.denoise * visible.shape[2]
        smooth = cv2.bilateralFilter(visible, DENOISE_WINDOW, sigma_color, DENOISE_WINDOW / 2)
        visible = smooth.reshape(visible.shape)
    if preprocessing.normalize:
        infrared = thermal.percentile_stretch(infrared)
    if preprocessing.clahe_visible:
        visible = _clahe(visible, preprocessing.clahe_visible, preprocessing.tiles)
    if preprocessing.clahe_infrared:
        infrared = _clahe(infrared, preprocessing.clahe_infrared, preprocessing.tiles)
    return visible, infrared


def stretch_contrast(luma: np.ndarray, strength: float) -> np.ndarray:
    """Stretch the contrast of a fused image, (H, W, 1), between its own black and white.

    At full strength, the percentiles `infrared.PERCENTILES` become black and white, except that the
    gain is limited to `MAX_CONTRAST_GAIN`.

    Args:
        luma: (H, W, 1) uint8, uint16, or float32 in [0, 1].
        strength: In [0, 1]; 0 returns the image itself.

    Returns:
        The same shape and type; an image of a single value is returned itself.
    """
    if not strength:
        return luma
    step = max(int((luma.size / PERCENTILE_SAMPLES) ** 0.5), 1)
    low, high = np.percentile(luma[::step, ::step], thermal.PERCENTILES)
    if not high > low:
        return luma
    white = np.iinfo(luma.dtype).max if luma.dtype != np.float32 else 1.0
    gain = min(white / (high - low), MAX_CONTRAST_GAIN)
    factor, offset = 1 - strength + strength * gain, -strength * low * gain
    values = np.float32(factor) * luma + np.float32(offset)
    values = np.clip(values, 0, white, out=values)
    # Integers are stretched in their own range, which saves the conversion to [0, 1] and back.
    return values if luma.dtype == np.float32 else np.rint(values, out=values).astype(luma.dtype)


def _register(
    visible: np.ndarray, infrared: np.ndarray, preprocessing: PairPreprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Return both images at one size, aligned pixel by pixel."""
    has_rig = preprocessing.align not in ("none", *METHODS)
    if preprocessing.size == "same" and not has_rig and visible.shape[:2] != infrared.shape[:2]:
        raise UsageError(
            "The visible and the infrared image must have one size. Received: "
            f"{_size_text(visible)} and {_size_text(infrared)} (height x width). {SIZE_HINT}"
        )
    if preprocessing.size == "infrared":
        visible = resize_image(visible, infrared.shape[:2])
    size = visible.shape[:2]
    if has_rig:
        matrix = CameraRig.load(Path(preprocessing.align)).homography_for(size, infrared.shape[:2])
    elif preprocessing.align != "none":
        matrix = register_pair(visible, infrared, method=preprocessing.align).matrix
    else:
        return visible, resize_image(infrared, size)
    return visible, warp(infrared, matrix, size)


def _clahe(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    luma = dtypes.img_as_uint8(color.luma(image) if image.shape[2] == 3 else image[..., 0])
    equalized = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(luma)
    # Each channel changes by the same amount, so that chroma, its difference to luma, is kept.
    change = np.subtract(equalized, luma, dtype=np.float32) / 255
    return np.clip(image + change[..., None], 0, 1, dtype=np.float32)


def _size_text(image: np.ndarray) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
