"""The nets that come with the package: a name -> a .tflite file, checked by its card."""

from collections.abc import Iterable
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.registry import closest_match

MODEL_DIR = Path(__file__).parent / "models"
"""Each net is NAME.tflite, its card NAME.json and a golden input and output, NAME.npz."""

FAMILY_PREFIX = "dashcam_net_"
"""What may be left out of a name."""

DEFAULT_MODEL = "dashcam_net_tiny"
"""The net that is taken where none is named: good, and quick enough for a camera board."""

DEFAULT_RAW_MODEL, DEFAULT_FUSION_MODEL = "attention_unet", "did_fuse"
"""The same for RAW files, and for two cameras."""


def list_pretrained() -> list[str]:
    """Return the names of all shipped nets."""
    return sorted(path.stem for path in MODEL_DIR.glob("*.tflite"))


def default_model(*, raw: bool = False, cameras: bool = False) -> str:
    """Return the net that is taken where none is named: for pictures, RAW files or two cameras."""
    if cameras:
        return DEFAULT_FUSION_MODEL
    return DEFAULT_RAW_MODEL if raw else DEFAULT_MODEL


def find_pretrained(name: str, *, also_known: Iterable[str] = ()) -> Path:
    """Return the .tflite file called `name`; "tiny" stands for "dashcam_net_tiny".

    Args:
        name: Of a shipped net.
        also_known: What else the caller takes: offered with the nets.

    Raises:
        UsageError: If none is called so (the nearest names are offered), or its bytes are not those
            that its card was written for.
    """
    if f"{FAMILY_PREFIX}{name}" in list_pretrained():
        name = f"{FAMILY_PREFIX}{name}"
    if name not in list_pretrained():
        raise UsageError(
            f"No shipped net is called {name!r}. Known: {closest_match(name, (*list_pretrained(), *also_known))}. "
            "A .tflite file or a run folder will do too."
        )
    path = MODEL_DIR / f"{name}.tflite"
    if sha256(path) != ModelCard.load(path.with_suffix(".json")).sha256:
        raise UsageError(f"{path} is damaged: its checksum is not its card's. Install again.")
    return path
