"""Baselines as engines, so that one table compares them with models."""

import numpy as np

from lowlight_tf.catalog import BASELINES
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.raw.raw_image import RawImage
from lowlight_tf.runtime.engine import MAX_UNTILED_PIXELS, Engine, Images

MAX_UNTILED_ENHANCEMENT_PIXELS = 2**25
"""Pixels up to which an enhancing baseline, which needs statistics of the full image, is not tiled;
it takes up to 100 bytes a pixel, 3 GB in all."""


class BaselineEngine(Engine):
    """An `Engine` over a function of images, of any size.

    Args:
        name: A name of `catalog.BASELINES`. The function takes the images of its contract in their
            order, (H, W, C) float32 in [0, 1] each, and returns one.

    Raises:
        UsageError: If there is none of that name.
    """

    def __init__(self, name: str) -> None:
        baseline = BASELINES.find(name)
        self.name, self.contract, self._function = name, baseline.contract, baseline.load()
        self.max_untiled_pixels = (
            MAX_UNTILED_PIXELS if self.contract.task == "fuse" else MAX_UNTILED_ENHANCEMENT_PIXELS
        )

    def __call__(self, images: Images) -> Images:
        """Run one batch, image by image. See `Engine`."""
        inputs = [images[port.name] for port in self.contract.image_inputs]
        (output,) = self.contract.outputs
        results = [
            self._function(*map(dtypes.img_as_float32, batch_item))
            for batch_item in zip(*inputs, strict=True)
        ]
        if inputs[0].dtype == np.uint8:
            results = [dtypes.img_as_uint8(result) for result in results]
        return {output.name: np.stack(results)}


class RawBaselineEngine(BaselineEngine):
    """An `Engine` over a function of RAW files: linear light, camera metadata, exposure ratio.

    It needs the metadata of the entire file, so that it cannot be tiled: see `Engine.develop`.
    """

    def develop(self, image: RawImage, *, ratio: float) -> np.ndarray:
        """Return (2h, 2w, 3) float32 in [0, 1] of a packed image, pixel for pixel."""
        return self._function(image.packed, image.metadata, ratio=ratio)

    def __call__(self, images: Images) -> Images:
        """Refuse: there is no batch of entire RAW files. See `Engine`."""
        raise UsageError(f"{self.name} develops RAW files; it takes no packed images.")
