"""The convolutions that versions of dashcam_net have in common: a thumbnail branch and a trunk."""

from collections.abc import Sequence

from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.layers.controls import BrightnessConstraint, BrightnessStart
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, EnlargeLinear

LEAKY_SLOPE = 0.1
"""Negative slope of the activations. Under plain ReLU two thirds of the units of version 1 died."""

FEATURE_CENTER = 0.8
"""Mean of the trunk's input, the sum of image and curve, over typical training images."""


class DashcamTrunk:
    """Builds the branches of one model.

    Args:
        filters: Feature maps at a quarter of the size.
        blocks: Residual blocks there.
        deep_filters: Feature maps at an eighth and a sixteenth of the size.
        deep_blocks: Residual blocks at a sixteenth of the size.
        context: Feature maps of the thumbnail branch.
        enter_size: Size of the first convolution's kernel, 1 or 3.
        expansion: Of the collapsible convolutions in training.
        upsampling: How features are enlarged twofold: "depth_to_space", or "linear", an operation
            that neural processors have.

    Raises:
        UsageError: If a number is too small.
    """

    def __init__(
        self,
        *,
        filters: int,
        blocks: int,
        deep_filters: int,
        deep_blocks: int,
        context: int,
        enter_size: int,
        expansion: int,
        upsampling: str = "depth_to_space",
    ) -> None:
        for option, value in {
            "filters": filters, "deep_filters": deep_filters, "context": context,
            "enter_size": enter_size,
        }.items():  # fmt: skip
            checks.check_min(option, value, 1)
        for option, value in {
            "blocks": blocks, "deep_blocks": deep_blocks, "expansion": expansion,
        }.items():  # fmt: skip
            checks.check_min(option, value, 0)
        self._filters, self._blocks = filters, blocks
        self._deep_filters, self._deep_blocks = deep_filters, deep_blocks
        self._context, self._enter_size = context, enter_size
        self._expansion, self._upsampling = expansion, upsampling

    def predict_context(
        self,
        thumbnail: KerasTensor,
        *,
        is_folded: bool = True,
        center: float | Sequence[float] = FEATURE_CENTER,
    ) -> KerasTensor:
        """Return one vector for a full image, (B, 1, 1, 2 context), from its thumbnail.

        Args:
            thumbnail: (B, h, w, C).
            is_folded: Whether it is in blocks of 4 x 4 pixels; else it is halved twice more.
            center: Its mean over typical images, or that of each channel.
        """
        context, x, strides = self._context, thumbnail, 1
        if not is_folded:
            x = self._conv(x, context, "global_enter", strides=2, center=center)
            x, strides, center = _activate(x, "global_enter"), 2, 0.0
        x = self._conv(x, context, "global_a", strides=strides, center=center)
        x = _activate(x, "global_a")
        x = _activate(self._conv(x, context, "global_b", strides=2), "global_b")
        x = _activate(self._conv(x, 2 * context, "global_c", strides=2), "global_c")
        x = layers.GlobalAveragePooling2D(keepdims=True, name="global_mean")(x)
        return _activate(self._conv(x, 2 * context, "global_d", 1), "global_d")

    def predict_features(
        self,
        shade: KerasTensor,
        context_vector: KerasTensor,
        brightness: KerasTensor,
        *,
        chroma: KerasTensor | None = None,
        chroma_center: float = 0.0,
    ) -> KerasTensor:
        """Return (B, h, w, filters) features of an image in blocks of pixels, (B, h, w, C).

        Channel 0 rises with the brightness control, and no other depends on it.

        Args:
            shade: The sum of image and curve.
            context_vector: Of `predict_context`.
            brightness: The control.
            chroma: Blocks of chroma, if `shade` is of luma. They are not concatenated with it: in
                an int8 file both would have one scale.
            chroma_center: Its value without color.
        """
        filters, deep_filters = self._filters, self._deep_filters
        quarter = self._conv(shade, filters, "enter", self._enter_size, center=FEATURE_CENTER)
        if chroma is not None:
            colors = self._conv(chroma, filters, "enter_chroma", 1, center=chroma_center)
            quarter = layers.Add(name="enter_join")([colors, quarter])
        quarter = _activate(quarter, "enter")
        eighth = self._conv(quarter, deep_filters, "down", strides=2)
        offset = layers.Conv2D(deep_filters, 1, use_bias=False, name="context")(context_vector)
        # The smaller operand comes first: the GPU delegate adds it wrongly to int8 features
        # otherwise.
        eighth = _activate(layers.Add(name="down_context")([offset, eighth]), "down")
        deep = _activate(self._conv(eighth, deep_filters, "deep", strides=2), "deep")
        for number in range(self._deep_blocks):
            deep = self._residual_block(deep, deep_filters, f"deep{number}")
        deep = self._enlarge(deep, eighth, "deep_up")
        eighth = layers.Add(name="deep_join")([eighth, deep])
        shift = layers.Conv2D(
            filters, 1, use_bias=False, name="shift",
            kernel_initializer=BrightnessStart(), kernel_constraint=BrightnessConstraint(),
        )(layers.Concatenate(name="shift_inputs")([context_vector, brightness]))  # fmt: skip
        # Without blocks after it, the shift costs a quarter as much before features are enlarged.
        shifts_early = self._upsampling == "linear" and not self._blocks
        eighth = _activate(eighth, "deep_join")
        up = self._enlarge(eighth, quarter, "up", shift if shifts_early else None)
        x = layers.Add(name="join")([quarter, up])
        for number in range(self._blocks):
            x = self._residual_block(x, filters, f"block{number}")
        return x if shifts_early else layers.Add(name="shifted")([shift, x])

    def _conv(
        self, x: KerasTensor, channels: int, place: str, size: int = 3, **options
    ) -> KerasTensor:
        return CollapsibleConv2D(
            channels, size, expansion=self._expansion, name=f"{place}_conv", **options
        )(x)

    def _enlarge(
        self,
        x: KerasTensor,
        like: KerasTensor,
        place: str,
        shift: KerasTensor | None = None,
    ) -> KerasTensor:
        """Return features of twice the size, that of `like`, with as many channels."""
        channels = like.shape[-1]
        if self._upsampling == "linear":
            x = self._conv(x, channels, place, 1)
            x = x if shift is None else layers.Add(name="shifted")([shift, x])
            return EnlargeLinear(name=place)([x, like])
        return DepthToSpace(2, name=place)([self._conv(x, 4 * channels, place, 1), like])

    def _residual_block(self, x: KerasTensor, channels: int, place: str) -> KerasTensor:
        y = _activate(self._conv(x, channels, f"{place}_a"), f"{place}_a")
        y = self._conv(y, channels, f"{place}_b")
        return _activate(layers.Add(name=place)([x, y]), f"{place}_b")


def _activate(x: KerasTensor, place: str) -> KerasTensor:
    return layers.LeakyReLU(LEAKY_SLOPE, name=f"{place}_act")(x)
