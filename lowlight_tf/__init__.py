"""lowlight_tf: brighten dark pictures; train on a workstation, run on a camera.

The names of the public face are loaded on first use, so that `import lowlight_tf` costs nothing and
a camera never meets TensorFlow.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "UsageError": "checks",
    "Contract": "contract",
    "Port": "contract",
    "Card": "model_card",
    "Recipe": "config",
    "MODELS": "catalog",
    "LOSSES": "catalog",
    "METRICS": "catalog",
    "embedded": "datasets.synthetic",
    "embedded_cameras": "datasets.synthetic",
    "pair_folder": "datasets.pairing",
    "fusion_folder": "datasets.pairing",
    "open_engine": "runtime.loading",
    "enhance": "runtime.enhance",
    "fuse": "runtime.fuse",
    "explain": "runtime.explain",
    "load": "imaging.image_io",
    "save": "imaging.image_io",
    "evaluate": "evaluation.evaluator",
    "contact_sheet": "evaluation.comparison.contact_sheet",
    "train": "training.trainer",
    "History": "training.history",
    "draw_curves": "training.history",
    "export_run": "export.exporter",
}

__all__ = [*_FACE, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'lowlight_tf' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lowlight_tf.{_FACE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
