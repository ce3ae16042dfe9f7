"""Enhancing one image of any size with a model of any size."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.runtime import input_checks, input_geometry, tiled_inference
from lowlight_tf.runtime.brightness import with_brightness
from lowlight_tf.runtime.engine import Engine, Images


def enhance(
    engine: Engine,
    image: np.ndarray,
    *,
    out: np.ndarray | None = None,
    thumbnails: Images | None = None,
    brightness_ev: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Brighten an image: at once, or in tiles if it is larger than the engine takes.

    See `tiled_inference.run_tiled`.

    Args:
        engine: A model from one color image to one.
        image: (H, W, 3) sRGB: uint8, uint16, or float32 in [0, 1].
        out: Where the result is written, of the same shape and type; it may be `image` itself.
            Then nothing is allocated but a band of the image as high as a tile.
        thumbnails: Inputs of the engine's thumbnail ports in place of this image's own, as
            `input_geometry.make_thumbnails` returns: in a video, a temporally smoothed one keeps
            the exposure steady.
        brightness_ev: Setting of the brightness control (EV), at most 2 up or down; 0 is automatic.
        progress: Called with the fraction done, in (0, 1].

    Returns:
        The result, of the shape and type of `image`.

    Raises:
        UsageError: If the engine's ports or the image's shape or type do not fit, or it has no
            brightness control and one is asked for.
    """
    input_checks.check_enhancement_model(engine.contract)
    input_checks.check_image(image)
    (port,) = engine.contract.image_inputs
    result = np.empty_like(image) if out is None else out
    if thumbnails is None:
        thumbnails = input_geometry.make_thumbnails(engine.contract, image)
    thumbnails = with_brightness(engine.contract, thumbnails, brightness_ev)
    tiled_inference.run_tiled(
        engine, {port.name: image}, result, thumbnails=thumbnails, report_progress=progress
    )
    return result
