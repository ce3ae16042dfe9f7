"""The one way to run anything on an image: arrays in, arrays out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from lowlight_tf.catalog import BASELINES, ENGINES
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.runtime import pretrained

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


def open_engine(model: str | Path, *, threads: int = 2) -> Engine:
    """Open whatever `model` names.

    Args:
        model: A shipped net ("dashcam_net_tiny"), a baseline ("average"), a .tflite file with its
            card beside it, or a run folder of `lowlight-tf train` (this one needs the [train]
            extra).
        threads: Processor threads that the engine may use.

    Raises:
        UsageError: If there is no such thing; the nearest names are offered.
    """
    from lowlight_tf.runtime.litert import LiteRTEngine

    path = Path(model)
    if path.is_dir():
        return ENGINES.find("keras").load()(path)
    if path.suffix == ".tflite":
        if not path.is_file():
            raise UsageError(f"No file {path}. Pass a .tflite file that exists, with its card.")
        return LiteRTEngine(path, threads=threads)
    if path.exists():
        raise UsageError(
            f"A model must be a shipped name, a .tflite file or a run folder. Received: {path}."
        )
    if str(model) in BASELINES:
        from lowlight_tf.runtime.classical import open_baseline

        return open_baseline(str(model))
    return LiteRTEngine(pretrained.find(str(model), others=BASELINES), threads=threads)
