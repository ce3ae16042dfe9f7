"""A RAW picture of any size into a picture."""

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
"""Mean of the light that a picture is exposed to by itself: what light meters go by."""

MEAN_SAMPLES = 2**18
"""Packed pixels that are enough for that mean."""

MAX_RATIO = 2.0**16
"""The largest ratio, where none is named and it is not capped: a digit of 16 bits."""


def develop(
    engine: Engine,
    picture: RawImage,
    *,
    ratio: float,
    dtype: type = np.uint16,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Make a picture of what a sensor saw: at once, or by tiles if it is larger than that allows.

    The engine is shown the light as `raw.exposed` says, a tile at a time: of a frame of 24
    megapixels no floats are held but a band as wide as a tile. See `whole.through`.

    Args:
        engine: What develops; from packed Bayer pixels to one color image, of the sensor's size or
            half of it.
        picture: What `raw.read` gives.
        ratio: By how much the light is amplified.
        dtype: Of the result: uint16, uint8 or float32.
        progress: Called with the share done, in (0, 1].

    Returns:
        (H, W, 3) sRGB, upright; (H // 2, W // 2, 3) from an engine of half the size.

    Raises:
        UsageError: If the engine develops no RAW pictures or none of this kind, or the ratio is not
            positive.
    """
    contract, digits, shot = engine.contract, picture.raw_values, picture.metadata
    input_checks.check_raw_model(contract)
    checks.check_positive("ratio", ratio)
    own = getattr(engine, "develop", None)
    if own:
        image = own(picture, ratio=ratio)
        return dtypes.convert_dtype(shot.crop_and_orient(image), np.dtype(dtype))
    (port,) = contract.image_inputs
    if digits.shape[-1] != port.channels:
        raise UsageError(
            f"{engine.name} develops what Bayer sensors saw ({port.channels} channels). "
            f"Received: X-Trans ({digits.shape[-1]} channels). Pass --model libraw."
        )
    scale = contract.scale
    result = np.empty((scale * digits.shape[0], scale * digits.shape[1], 3), dtype)
    shown = functools.partial(_preprocess, shot=shot, ratio=ratio)
    tiled_inference.run_tiled(
        engine,
        {port.name: digits},
        result,
        thumbnails={},
        preprocess=shown,
        report_progress=progress,
    )
    return shot.crop_and_orient(result, downscale=2 // scale)


def auto_exposure_ratio(
    picture: RawImage, *, cap: float | None = raw_image.MAX_EXPOSURE_RATIO
) -> float:
    """Return the exposure ratio that makes a picture as bright as pictures mostly are.

    That is where the mean of what the net is shown is `GRAY`; never below 1.

    Args:
        picture: What `raw.read` gives.
        cap: The largest ratio; None for any up to `LARGEST`.
    """
    step = int(np.ceil((picture.raw_values[..., 0].size / MEAN_SAMPLES) ** 0.5))
    light = picture.metadata.normalize(picture.raw_values[::step, ::step])
    low, high = 1.0, MAX_RATIO if cap is None else cap
    while high / low > 1.005:  # the mean rises with the ratio
        middle = (low * high) ** 0.5
        if raw_image.amplify(light, picture.metadata, middle).mean() < MID_GRAY:
            low = middle
        else:
            high = middle
    return high


def _preprocess(digits: np.ndarray, *, shot: raw_image.RawMetadata, ratio: float) -> np.ndarray:
    return raw_image.amplify(shot.normalize(digits), shot, ratio)
