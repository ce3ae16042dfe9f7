"""Opening a model by name or path: shipped, baseline, .tflite file or run folder."""

from pathlib import Path

from lowlight_tf.catalog import BASELINES, ENGINES
from lowlight_tf.checks import UsageError
from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.baseline_engine import BaselineEngine, RawBaselineEngine
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.packed_engine import unpack_ports
from lowlight_tf.runtime.rgb_engine import RgbEngine


def load_baseline(name: str) -> BaselineEngine:
    """Open a baseline by name.

    Raises:
        UsageError: If there is none of that name.
    """
    is_raw = BASELINES.find(name).contract.task == "raw_to_rgb"
    return (RawBaselineEngine if is_raw else BaselineEngine)(name)


def load_model(model: str | Path, *, threads: int = 2) -> Engine:
    """Open a model by name or path.

    Args:
        model: A shipped model ("dashcam_net_tiny" or "tiny"), a baseline ("average"), a .tflite
            file with its card next to it, or a run folder of `lowlight-tf train` (which needs the
            [train] extra).
        threads: Processor threads that the engine may use.

    Raises:
        UsageError: If there is none; the closest names are offered.
    """
    from lowlight_tf.runtime.litert_engine import LiteRTEngine

    path = Path(model)
    if path.is_dir():
        return ENGINES.find("keras").load()(path)
    if path.suffix == ".tflite":
        if not path.is_file():
            raise UsageError(f"No file {path}. Pass a .tflite file that exists, with its card.")
        return _as_rgb(LiteRTEngine(path, threads=threads))
    if path.exists():
        raise UsageError(
            f"A model must be a shipped name, a .tflite file or a run folder. Received: {path}."
        )
    if str(model) in BASELINES:
        return load_baseline(str(model))
    path = pretrained.find_pretrained(str(model), also_known=BASELINES)
    return _as_rgb(LiteRTEngine(path, threads=threads))


def _as_rgb(engine: Engine) -> Engine:
    """Return an engine from RGB to RGB also for a model of planes, packed or not."""
    return RgbEngine(unpack_ports(engine)) if engine.contract.is_planar else engine
