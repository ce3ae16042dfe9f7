"""Short ways to models and metrics by name, for notebooks and scripts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lowlight_tf.catalog import METRICS, MODELS
from lowlight_tf.runtime.pretrained import list_pretrained

if TYPE_CHECKING:
    import keras

__all__ = ["create_model", "list_metrics", "list_models", "list_pretrained", "metric"]


def list_models() -> list[str]:
    """Return the names of all architectures that `create_model` builds."""
    return sorted(MODELS)


def create_model(name: str, **options: Any) -> "keras.Model":
    """Build an untrained Keras model.

    Args:
        name: One of `list_models`.
        **options: Arguments of the architecture, such as `filters=16`.

    Raises:
        UsageError: If there is no such architecture, or it does not take an option.
    """
    from lowlight_tf.training.model_factory import create_model

    return create_model(MODELS, name, options)


def list_metrics() -> list[str]:
    """Return the names of all metrics."""
    return sorted(METRICS)


def metric(name: str) -> Callable[..., float]:
    """Return a metric as a function of images: `metric("psnr")(output, target)`.

    Args:
        name: One of `list_metrics`.

    Returns:
        A function of (H, W, C) images, uint8 or float in [0, 1], to a float. Metrics with a target
        take (output, target), those of one image (output), those of an enhancer's input
        (output, input), and those of fusion (fused, visible, infrared).

    Raises:
        UsageError: If there is no such metric.
    """
    entry = METRICS.find(name)
    function = entry.load()
    # The catalog's functions take the output last.
    names = [entry.inputs[-1], *entry.inputs[:-1]]

    def measure(*images: np.ndarray, **options: Any) -> float:
        if len(images) != len(names):
            raise TypeError(f"{name} takes {len(names)} images: {', '.join(names)}.")
        return float(function(*images[1:], images[0], **options))

    measure.__name__, measure.__doc__ = name, entry.definition
    return measure
