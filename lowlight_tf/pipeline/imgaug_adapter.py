"""imgaug augmenters as a step of the pipeline; they change the input, never the target."""

import importlib
from collections.abc import Callable

import numpy as np

from lowlight_tf.checks import UsageError

Augment = Callable[[np.ndarray, int], np.ndarray]
"""((H, W, 3) uint8, seed) -> (H, W, 3) uint8."""


def load_augmenter(name: str) -> Augment:
    """Return the augmenter of a recipe's `pipeline.augmentation`.

    Args:
        name: "imgaug" for the augmenter of the night-driving U-Net (none, one or both of blur and
            noise, in random order), or "imgaug:MODULE:OBJECT" for one of your own.

    Raises:
        UsageError: If there is no such object, or it is not an augmenter.
    """
    from imgaug import augmenters

    _, _, location = name.partition(":")
    if location:
        module, _, attribute = location.partition(":")
        try:
            augmenter = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                "`augmentation` must name an object as imgaug:MODULE:OBJECT. "
                f"Received: {name!r} ({error})."
            ) from None
    else:
        augmenter = augmenters.SomeOf(
            (0, 2),
            [
                augmenters.Sometimes(0.8, augmenters.GaussianBlur((1.0, 3.0))),
                augmenters.AdditiveGaussianNoise(scale=(0, 0.01 * 255)),
            ],
            random_order=True,
        )
    if not isinstance(augmenter, augmenters.Augmenter):
        raise UsageError(
            f"{name!r} must be an imgaug augmenter. Received: {type(augmenter).__name__}."
        )

    def augment(image: np.ndarray, seed: int) -> np.ndarray:
        # A copy seeded by the sample: the result does not depend on the run or the thread.
        seeded = augmenter.deepcopy()
        seeded.seed_(int(seed) % 2**31)
        return seeded.augment_image(image)

    return augment
