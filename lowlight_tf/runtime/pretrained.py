"""Shipped models: name -> .tflite file, checked against its card."""

from collections.abc import Iterable
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.registry import closest_match

MODEL_DIR = Path(__file__).parent / "models"
"""Each model is NAME.tflite, its card NAME.json and a golden input and output, NAME.npz."""

FAMILY_PREFIX = "dashcam_net_"
"""Prefix that may be left out of a name."""

DEFAULT_MODEL = "dashcam_net_v2_tiny"
"""Taken where no model is named: good, and fast enough for a camera board."""

DEFAULT_VIDEO_MODEL = "dashcam_net_yuv_tiny_int8"
"""Taken for videos: its planes are theirs."""

DEFAULT_RAW_MODEL, DEFAULT_FUSION_MODEL = "attention_unet", "did_fuse"
"""Taken for RAW files, and for two cameras."""


def list_pretrained() -> list[str]:
    """Return the names of all shipped models."""
    return sorted(path.stem for path in MODEL_DIR.glob("*.tflite"))


def default_model(*, raw: bool = False, cameras: bool = False, videos: bool = False) -> str:
    """Return the model that is taken where none is named.

    Args:
        raw: Whether it is for RAW files alone.
        cameras: Whether it is for two cameras.
        videos: Whether it is for videos alone.
    """
    if cameras:
        return DEFAULT_FUSION_MODEL
    if raw:
        return DEFAULT_RAW_MODEL
    return DEFAULT_VIDEO_MODEL if videos else DEFAULT_MODEL


def find_pretrained(name: str, *, also_known: Iterable[str] = ()) -> Path:
    """Return the .tflite file called `name`; "tiny" stands for "dashcam_net_tiny".

    Args:
        name: Of a shipped model.
        also_known: Other names that the caller accepts, offered in the message.

    Raises:
        UsageError: If there is none (the closest names are offered), or the file does not match its
            card.
    """
    if f"{FAMILY_PREFIX}{name}" in list_pretrained():
        name = f"{FAMILY_PREFIX}{name}"
    if name not in list_pretrained():
        known = closest_match(name, (*list_pretrained(), *also_known))
        raise UsageError(
            f"No shipped model is called {name!r}. Known: {known}. A .tflite file or a run folder "
            "is accepted too."
        )
    path = MODEL_DIR / f"{name}.tflite"
    if sha256(path) != ModelCard.load(path.with_suffix(".json")).sha256:
        raise UsageError(f"{path} is damaged: its checksum is not its card's. Install again.")
    return path
