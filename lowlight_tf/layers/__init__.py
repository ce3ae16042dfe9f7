"""Keras layers and initializers that several models share.

Importing the package registers all of them, and the class names of version 0.1.0, so that Keras can
load every saved model.
"""

from lowlight_tf.layers import (
    attention,
    clip,
    dct,
    fusion,
    illumination,
    initialization,
    legacy_classes,
    normalization,
    pyramid,
    reparameterization,
    resample,
)

__all__ = [
    "attention",
    "clip",
    "dct",
    "fusion",
    "illumination",
    "initialization",
    "legacy_classes",
    "normalization",
    "pyramid",
    "reparameterization",
    "resample",
]
