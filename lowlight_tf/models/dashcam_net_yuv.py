"""Low-light enhancement of the planes of 4:2:0 video, as cameras and decoders deliver them."""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from lowlight_tf.contract import (
    DEPLOYED,
    ENHANCE_PLANES,
    ENHANCE_WITH_BRIGHTNESS,
    Contract,
)
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.controls import SignConstraint, apply_constraints
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.layers.yuv import GRAY, PlanesToRgb, RgbToPlanes
from lowlight_tf.models._curve_head import falling_curve, predict_chroma, predict_curve
from lowlight_tf.models._dashcam_trunk import FEATURE_CENTER, DashcamTrunk

BLOCK = 4
"""Side of the blocks of luma that are folded into channels (pixels); chroma has half as many."""


def dashcam_net_yuv(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 28,
    deep_blocks: int = 1,
    context: int = 16,
    enter_size: int = 3,
    expansion: int = 2,
    name: str = "dashcam_net_yuv",
) -> keras.Model:
    """Build a `dashcam_net_v2` that takes and returns luma and halved chroma.

    Half as many bytes as RGB pass through it, and no conversion is needed. The tone curve of
    version 2 brightens the luma; a gain of the chroma and residuals of both are predicted with it,
    see `models._curve_head`: black, white and gray stay what they are.

    It is trained on RGB images: around the part that is deployed, images are converted to planes of
    8 bits and back, so that losses and metrics compare RGB. All operations but those that fold
    blocks into channels at the ports are ones that neural processors have.

    Args:
        filters: Feature maps at a quarter of the size.
        blocks: Residual blocks there.
        deep_filters: Feature maps at an eighth and a sixteenth of the size.
        deep_blocks: Residual blocks at a sixteenth of the size.
        context: Feature maps of the thumbnail branch.
        enter_size: Size of the first convolution's kernel, 1 or 3.
        expansion: Of the collapsible convolutions in training; without meaning on the device.
        name: Name of the Keras model.

    Returns:
        A model with the ports of `dashcam_net_v2`. Its layer `DEPLOYED` is a model with those of
        `contract.ENHANCE_PLANES`: see `export.deployed_ports`.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Ours.
    """
    deployed = build_deployed(
        ENHANCE_PLANES,
        filters=filters,
        blocks=blocks,
        deep_filters=deep_filters,
        deep_blocks=deep_blocks,
        context=context,
        enter_size=enter_size,
        expansion=expansion,
    )
    return _convert_ports(deployed, name)


def build_deployed(
    contract: Contract,
    *,
    filter_planes: Callable[..., tuple[KerasTensor, KerasTensor]] | None = None,
    **sizes: int,
) -> keras.Model:
    """Return the model of planes, called `DEPLOYED`.

    Args:
        contract: Its ports: those of `contract.ENHANCE_PLANES`, and more that `filter_planes` gets.
        filter_planes: Called with the luma and the chroma in blocks, and further inputs by name;
            returns what is enhanced in their place, and is returned at further outputs.
        sizes: See `DashcamTrunk`.
    """
    trunk = DashcamTrunk(**sizes, upsampling="linear")
    inputs = {
        port.name: keras.Input(port.shape(port.size or (None, None)), name=port.name)
        for port in contract.inputs
    }
    known = [port.name for port in ENHANCE_PLANES.inputs]
    luma, chroma, thumbnail, brightness = (inputs[name] for name in known)
    x = layers.Subtract(name="thumbnail_shade")(
        [thumbnail, falling_curve(thumbnail, "thumbnail_curve")]
    )
    centers = FEATURE_CENTER, 1 + GRAY, 1 + GRAY  # the curve is 1 at gray
    context_vector = trunk.predict_context(x, is_folded=False, center=centers)
    luma_blocks = SpaceToDepth(BLOCK, name="fold")(luma)
    chroma_blocks = SpaceToDepth(BLOCK // 2, name="chroma_fold")(chroma)
    filtered = ()
    if filter_planes:
        further = {name: x for name, x in inputs.items() if name not in known}
        filtered = luma_blocks, chroma_blocks = filter_planes(luma_blocks, chroma_blocks, **further)
    falling = falling_curve(luma_blocks)
    shade = layers.Subtract(name="shade")([luma_blocks, falling])
    x = trunk.predict_features(
        shade, context_vector, brightness, chroma=chroma_blocks, chroma_center=GRAY
    )
    rising, fixed = SignConstraint(at_least_0=(0,)), SignConstraint(zero=(0,))
    curve = predict_curve(
        x, luma_blocks, falling, clip=False,
        strength_constraint=rising, residual_constraint=fixed,
    )  # fmt: skip
    colors = predict_chroma(
        x,
        curve.lowering,
        chroma_blocks,
        gray=GRAY,
        gain_constraint=rising,
        residual_constraint=fixed,
    )
    outputs = (
        DepthToSpace(BLOCK, name="unfold")([curve.enhanced, luma]),
        DepthToSpace(BLOCK // 2, name="chroma_unfold")([colors, chroma]),
        *filtered,
    )
    names = (port.name for port in contract.outputs)
    deployed = keras.Model(inputs, dict(zip(names, outputs, strict=True)), name=DEPLOYED)
    apply_constraints(deployed)
    return deployed


def _convert_ports(deployed: keras.Model, name: str) -> keras.Model:
    """Return a model with the ports of `dashcam_net_v2` around one of planes."""
    image, small, control = ENHANCE_WITH_BRIGHTNESS.inputs
    low = keras.Input((None, None, image.channels), name=image.name)
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    brightness = keras.Input(control.shape(control.size), name=control.name)
    planes = RgbToPlanes(name="planes")(low)
    small_planes = RgbToPlanes(halved=False, name="thumbnail_planes")(thumbnail)
    small_planes = layers.Concatenate(name="thumbnail_concat")(small_planes)
    values = *planes, small_planes, brightness
    names = (port.name for port in ENHANCE_PLANES.inputs)
    results = deployed(dict(zip(names, values, strict=True)))
    luma, chroma = (results[port.name] for port in ENHANCE_PLANES.outputs)
    enhanced = UnitClip(name="limited")(PlanesToRgb(name="rgb")([luma, chroma]))
    return keras.Model(
        {image.name: low, small.name: thumbnail, control.name: brightness},
        {ENHANCE_WITH_BRIGHTNESS.outputs[0].name: enhanced},
        name=name,
    )
