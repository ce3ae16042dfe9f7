"""Low-light image enhancement and infrared/visible fusion: train in Keras, deploy as LiteRT files.

The public names are imported on first use, so that `import lowlight_tf` costs nothing and a camera
never loads TensorFlow.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "UsageError": "checks:UsageError",
    "Contract": "contract:Contract",
    "Port": "contract:Port",
    "ModelCard": "model_card:ModelCard",
    "Recipe": "config:Recipe",
    "create_model": "api:create_model",
    "list_models": "api:list_models",
    "list_pretrained": "api:list_pretrained",
    "list_metrics": "api:list_metrics",
    "metric": "api:metric",
    "MODELS": "catalog:MODELS",
    "LOSSES": "catalog:LOSSES",
    "METRICS": "catalog:METRICS",
    "sample_pairs": "datasets.synthetic:sample_pairs",
    "sample_camera_pairs": "datasets.synthetic:sample_camera_pairs",
    "pair_folder": "datasets.pairing:pair_folder",
    "fusion_folder": "datasets.pairing:fusion_folder",
    "load_model": "runtime.loading:load_model",
    "enhance": "runtime.enhance:enhance",
    "fuse": "runtime.fuse:fuse",
    "develop": "runtime.develop:develop",
    "explain": "runtime.explain:explain",
    "VideoPipeline": "video.pipeline:VideoPipeline",
    "LiveEnhancer": "video.frame_processor:LiveEnhancer",
    "load_image": "imaging.image_io:load_image",
    "save_image": "imaging.image_io:save_image",
    "evaluate": "evaluation.evaluator:evaluate",
    "contact_sheet": "evaluation.comparison.contact_sheet:contact_sheet",
    "train": "training.trainer:train",
    "History": "training.history:History",
    "draw_curves": "training.history:draw_curves",
    "export_run": "export.exporter:export_run",
}
"""Public name -> where it is defined, "module:attribute" below this package."""

_ALIASES = {
    "Card": "ModelCard",
    "embedded": "sample_pairs",
    "embedded_cameras": "sample_camera_pairs",
    "load": "load_image",
    "open_engine": "load_model",
    "save": "save_image",
}
"""Names of version 0.1.0 -> today's; they keep working."""

__all__ = [*_EXPORTS, "__version__"]


def __getattr__(name: str) -> Any:
    target = _EXPORTS.get(_ALIASES.get(name, name))
    if target is None:
        raise AttributeError(f"module 'lowlight_tf' has no attribute {name!r}")
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(f"lowlight_tf.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
