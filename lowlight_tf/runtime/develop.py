"""Developing one RAW image of any size into a color image."""

import functools
from collections.abc import Callable

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.imaging.raw.raw_image import RawImage
from lowlight_tf.runtime import input_checks, tiled_inference
from lowlight_tf.runtime.engine import Engine

MID_GRAY = 0.18
"""Mean linear level that the automatic exposure ratio aims at: the middle gray of light meters."""

MEAN_SAMPLES = 2**18
"""Packed pixels that are enough for that mean."""

MAX_RATIO = 2.0**16
"""Largest automatic ratio where none is capped: the levels of 16 bits."""


def develop(
    engine: Engine,
    image: RawImage,
    *,
    ratio: float,
    dtype: type = np.uint16,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Develop a RAW image: at once, or in tiles if it is larger than the engine takes.

    The engine gets linear light, amplified by `ratio`, a tile at a time: of a frame of 24
    megapixels nothing is held as floats but a band as high as a tile. See
    `tiled_inference.run_tiled`.

    Args:
        engine: A model from packed Bayer pixels to one color image, of the sensor's size or half.
        image: What `raw_image.read_raw` returns.
        ratio: Exposure ratio by which the light is amplified.
        dtype: Of the result: uint16, uint8 or float32.
        progress: Called with the fraction done, in (0, 1].

    Returns:
        (H, W, 3) sRGB, upright; (H // 2, W // 2, 3) from an engine of half the size.

    Raises:
        UsageError: If the engine develops no RAW images or none of this sensor, or the ratio is not
            positive.
    """
    contract, metadata = engine.contract, image.metadata
    input_checks.check_raw_model(contract)
    checks.check_positive("ratio", ratio)
    developed = engine.develop(image, ratio=ratio)
    if developed is not None:
        return dtypes.convert_dtype(metadata.crop_and_orient(developed), np.dtype(dtype))
    (port,) = contract.image_inputs
    raw_values = image.raw_values
    if raw_values.shape[-1] != port.channels:
        raise UsageError(
            f"{engine.name} develops RAW files of Bayer sensors ({port.channels} channels). "
            f"Received: X-Trans ({raw_values.shape[-1]} channels). Pass --model libraw."
        )
    scale = contract.scale
    result = np.empty((scale * raw_values.shape[0], scale * raw_values.shape[1], 3), dtype)
    tiled_inference.run_tiled(
        engine,
        {port.name: raw_values},
        result,
        thumbnails={},
        preprocess=functools.partial(_preprocess, metadata=metadata, ratio=ratio),
        report_progress=progress,
    )
    return metadata.crop_and_orient(result, downscale=2 // scale)


def auto_exposure_ratio(
    image: RawImage, *, cap: float | None = raw_image.MAX_EXPOSURE_RATIO
) -> float:
    """Return the exposure ratio that brings the mean of the model's input to `MID_GRAY`.

    Args:
        image: What `raw_image.read_raw` returns.
        cap: The largest ratio; None for any up to `MAX_RATIO`.

    Returns:
        At least 1.
    """
    step = int(np.ceil((image.raw_values[..., 0].size / MEAN_SAMPLES) ** 0.5))
    light = image.metadata.normalize(image.raw_values[::step, ::step])
    return _ratio_to_mid_gray(
        lambda ratio: raw_image.amplify(light, image.metadata, ratio).mean(), cap
    )


def auto_linear_ratio(
    light: np.ndarray, *, cap: float | None = raw_image.MAX_EXPOSURE_RATIO
) -> float:
    """Return the ratio that brings the mean of white-balanced light to `MID_GRAY`.

    Args:
        light: As `linear_raw.sample_linear_light` returns it.
        cap: As of `auto_exposure_ratio`.

    Returns:
        At least 1.
    """
    return _ratio_to_mid_gray(lambda ratio: np.minimum(light * ratio, 1).mean(), cap)


def _ratio_to_mid_gray(mean_at: Callable[[float], float], cap: float | None) -> float:
    """Return the ratio with this mean, given the mean at a ratio, which rises with it."""
    low, high = 1.0, MAX_RATIO if cap is None else cap
    while high / low > 1.005:  # bisection
        middle = (low * high) ** 0.5
        if mean_at(middle) < MID_GRAY:
            low = middle
        else:
            high = middle
    return high


def _preprocess(
    raw_values: np.ndarray, *, metadata: raw_image.RawMetadata, ratio: float
) -> np.ndarray:
    return raw_image.amplify(metadata.normalize(raw_values), metadata, ratio)
