"""A baseline as an engine, so that one table compares it with nets."""

import numpy as np

from lowlight_tf.catalog import BASELINES
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.raw.raw_image import RawImage
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.engine import Images

MAX_UNTILED_PIXELS = 2**25
"""Pixels up to which one that enhances is shown a picture whole."""


class BaselineEngine:
    """An `Engine` over a function of images. Takes pictures of any size.

    What enhances goes by statistics of the whole picture (a histogram, the light of the air), so it
    is shown all of it, up to `WHOLE` pixels; that takes up to 100 bytes a pixel, 3 GB. Larger ones
    go by tiles that are made to agree, as through any net.

    Args:
        name: What `catalog.BASELINES` calls the function: it takes the pictures of its contract in
            their order, (H, W, C) float32 in [0, 1] each, and gives one.

    Raises:
        UsageError: If there is none of that name.
    """

    size: tuple[int, int] | None = None

    def __init__(self, name: str) -> None:
        baseline = BASELINES.find(name)
        self.name, self.contract, self._function = name, baseline.contract, baseline.load()
        self.whole = (
            input_geometry.MAX_UNTILED_PIXELS if self.contract.is_fusion else MAX_UNTILED_PIXELS
        )

    def __call__(self, images: Images) -> Images:
        """Run one batch, picture by picture. See `Engine`."""
        shown = [images[port.name] for port in self.contract.image_inputs]
        (wanted,) = self.contract.outputs
        results = [self._function(*map(_float, pictures)) for pictures in zip(*shown, strict=True)]
        whole = shown[0].dtype == np.uint8
        return {wanted.name: np.stack([_eight(one) if whole else one for one in results])}


class RawBaselineEngine(BaselineEngine):
    """An `Engine` over a function of RAW pictures: light, what the camera said, and the ratio.

    What goes by the camera's words cannot go by tiles: `runtime.develop` shows it all of the
    picture, not amplified.
    """

    def develop(self, picture: RawImage, *, ratio: float) -> np.ndarray:
        """Return (2h, 2w, 3) float32 in [0, 1] of a packed picture, pixel over pixel."""
        return self._function(picture.packed, picture.metadata, ratio=ratio)

    def __call__(self, images: Images) -> Images:
        """Refuse. See `Engine`."""
        raise UsageError(f"{self.name} develops RAW files; it takes no packed images.")


def _float(image: np.ndarray) -> np.ndarray:
    return np.divide(image, 255, dtype=np.float32) if image.dtype == np.uint8 else image


def _eight(image: np.ndarray) -> np.ndarray:
    return np.rint(image * 255).astype(np.uint8)
