"""Class names of version 0.1.0 in saved .keras files, so that these files still load.

Keras stores a layer's weights under the snake case of its class name, too: each old name is
therefore a subclass of today's class and no alias. Importing this module registers them.
"""

from typing import Any

import keras
from keras import KerasTensor

from lowlight_tf.layers.attention import ChannelPool
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.dct import DCTInitializer
from lowlight_tf.layers.fusion import ReflectionPadding2D
from lowlight_tf.layers.illumination import LearnedBlend, SoftLightRegions
from lowlight_tf.layers.normalization import FreezableBatchNormalization
from lowlight_tf.layers.pyramid import BilinearUpsample, BlurPool, FoldedConv2DTranspose


class Limit(UnitClip):
    """`UnitClip` of 0.1.0, whose option `strict` was the opposite of `straight_through`."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Limit":
        """Build the layer from a configuration of 0.1.0 or of today."""
        config = dict(config)
        if "strict" in config:
            config["straight_through"] = not config.pop("strict")
        return cls(**config)


class PassableNormalization(FreezableBatchNormalization):
    """`FreezableBatchNormalization` of 0.1.0, whose argument `frozen` was called `passed`."""

    def call(
        self,
        inputs: KerasTensor,
        training: bool | None = None,
        mask: KerasTensor | None = None,
        passed: bool = False,
    ) -> KerasTensor:
        """Normalize one batch."""
        return super().call(inputs, training=training, mask=mask, frozen=passed)


class Smooth(keras.layers.AveragePooling2D):
    """`AveragePooling2D(3, 1, "same")`, which was a layer of its own in 0.1.0."""

    def __init__(self, **options) -> None:
        super().__init__(**{"pool_size": 3, "strides": 1, "padding": "same", **options})


LEGACY_CLASSES = {
    "Blend": LearnedBlend,
    "ChannelExtent": ChannelPool,
    "CosineFilters": DCTInitializer,
    "DoubleSize": BilinearUpsample,
    "FoldedTranspose": FoldedConv2DTranspose,
    "HalfSize": BlurPool,
    "LightRegions": SoftLightRegions,
    "Limit": Limit,
    "MirrorPadding": ReflectionPadding2D,
    "PassableNormalization": PassableNormalization,
    "Smooth": Smooth,
}
"""Name in 0.1.0 -> today's class."""


def register_legacy_classes() -> None:
    """Register every class under its old name, as `lowlight_tf>NAME`."""
    for name, current in LEGACY_CLASSES.items():
        legacy = current if current.__name__ == name else type(name, (current,), {})
        keras.saving.register_keras_serializable("lowlight_tf", name)(legacy)


register_legacy_classes()
