"""Any imgaug augmenter as a step of the pipeline; it changes the input, never the target."""

import importlib
from collections.abc import Callable

import numpy as np

from lowlight_tf.checks import UsageError

Augment = Callable[[np.ndarray, int], np.ndarray]
"""((H, W, 3) uint8, seed) -> (H, W, 3) uint8."""


def load_augmenter(name: str) -> Augment:
    """Return the augmenter that `name` stands for.

    Args:
        name: "imgaug" for what the night-driving U-Net was trained with (blur and noise, in random
            order, not always both), or "imgaug:MODULE:OBJECT" for one of your own.

    Raises:
        UsageError: If there is no such object, or it cannot augment.
    """
    from imgaug import augmenters

    _, _, place = name.partition(":")
    if place:
        module, _, attribute = place.partition(":")
        try:
            chosen = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                "`augmenter` must name an object as imgaug:MODULE:OBJECT. "
                f"Received: {name!r} ({error})."
            ) from None
    else:
        chosen = augmenters.SomeOf(
            (0, 2),
            [
                augmenters.Sometimes(0.8, augmenters.GaussianBlur((1.0, 3.0))),
                augmenters.AdditiveGaussianNoise(scale=(0, 0.01 * 255)),
            ],
            random_order=True,
        )
    if not isinstance(chosen, augmenters.Augmenter):
        raise UsageError(
            f"{name!r} must be an imgaug augmenter. Received: {type(chosen).__name__}."
        )

    def augment(image: np.ndarray, seed: int) -> np.ndarray:
        # A copy seeded by the sample: the same sample is changed alike in every run and thread.
        own = chosen.deepcopy()
        own.seed_(int(seed) % 2**31)
        return own.augment_image(image)

    return augment
