"""One picture of any size through a net of any size."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.runtime import input_checks, input_geometry, tiled_inference
from lowlight_tf.runtime.engine import Engine, Images


def enhance(
    engine: Engine,
    image: np.ndarray,
    *,
    out: np.ndarray | None = None,
    thumbnails: Images | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Brighten a picture: at once, or by tiles if it is larger than the engine takes.

    See `whole.through`.

    Args:
        engine: What brightens; from one color image to one.
        image: (H, W, 3) sRGB: uint8, uint16, or float32 in [0, 1].
        out: Where the result is written, of the same shape and type; it may be `image` itself.
            Then nothing is held beside the picture but a band of it as wide as a tile.
        thumbnails: What the engine's thumbnail ports are shown instead of this picture, as
            `fit.thumbnails` gives: in a video, what holds the exposure steady.
        progress: Called with the share done, in (0, 1].

    Returns:
        The result, of the shape and type of `image`.

    Raises:
        UsageError: If the engine's ports or the image's shape or type do not fit.
    """
    input_checks.check_enhancement_model(engine.contract)
    input_checks.check_image(image)
    (port,) = engine.contract.image_inputs
    result = np.empty_like(image) if out is None else out
    if thumbnails is None:
        thumbnails = input_geometry.make_thumbnails(engine.contract, image)
    tiled_inference.run_tiled(
        engine, {port.name: image}, result, thumbnails=thumbnails, report_progress=progress
    )
    return result
