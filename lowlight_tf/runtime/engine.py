"""The one way to run anything on an image: arrays in, arrays out."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from lowlight_tf.contract import Contract

Images = Mapping[str, np.ndarray]
"""Port name -> (B, H, W, C), float32 in [0, 1], or uint8 in [0, 255] straight from a camera."""


class Engine(Protocol):
    """A model, a baseline or a .tflite file, all seen alike.

    Attributes:
        name: What tables call it.
        contract: Its ports.
        size: The one (height, width) that it takes, or None where any will do.

    What fuses may have a `preparation` too: what is done to its pictures before it sees them. What
    takes any size may have a `whole`: up to how many pixels it is shown a picture whole. What
    develops may have a `develop`, and is then shown the `RawPicture` itself.
    """

    name: str
    contract: Contract
    size: tuple[int, int] | None

    def __call__(self, images: Images) -> Images:
        """Run one batch through `contract.inputs` to `contract.outputs`.

        Answers in the type that it is given: float32 for float32, uint8 for uint8.
        """
        ...
