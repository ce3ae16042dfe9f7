"""Low-light enhancement for dashcams by tone curves that keep black and white, version 2."""

import keras
from keras import layers

from lowlight_tf.contract import ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.layers.controls import SignConstraint, apply_constraints
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models._curve_head import falling_curve, predict_curve
from lowlight_tf.models._dashcam_trunk import DashcamTrunk

BLOCK = 4
"""Side of the pixel blocks that are folded into channels (pixels)."""


def dashcam_net_v2(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 28,
    deep_blocks: int = 1,
    context: int = 16,
    enter_size: int = 3,
    expansion: int = 2,
    name: str = "dashcam_net_v2",
) -> keras.Model:
    """Build a model that brightens a camera's frames by bounded tone curves.

    The image is folded into blocks of 4 x 4 pixels and unfolded at the end; nothing is computed at
    full size. A trunk of convolutions at a quarter, an eighth and a sixteenth of the size predicts,
    for each value, a strength of the tone curve 1 - exp(-16 x) and a residual, which is off in
    blocks that are black or white: see `models._curve_head`. Nothing is clipped before the trunk:
    it sees the sum of image and curve.

    A thumbnail of the full image adds a bias to the features at an eighth of the size and to those
    that b and r are computed from (exposure and color balance), so that tiles agree and a video can
    be smoothed. The brightness control shifts the logits of b by weights of one sign: the result is
    monotone in it.

    Args:
        filters: Feature maps at a quarter of the size.
        blocks: Residual blocks there.
        deep_filters: Feature maps at an eighth and a sixteenth of the size.
        deep_blocks: Residual blocks at a sixteenth of the size.
        context: Feature maps of the thumbnail branch.
        enter_size: Size of the first convolution's kernel, 1 or 3: most of the smallest model's
            time.
        expansion: Of the collapsible convolutions in training; without meaning on the device.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3), "thumbnail": (B, 128, 192, 3), "brightness":
        (B, 1, 1, 2)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any H and W; multiples of 16
        need no padding. Brightness is (EV / 2, 0) to brighten by up to 2 EV, (0, -EV / 2) to
        darken, zeros for automatic.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Ours. The convolutions are those of Bhardwaj et al., "Collapsible Linear Blocks for
        Super-Efficient Super Resolution", MLSys 2022.
    """
    trunk = DashcamTrunk(
        filters=filters,
        blocks=blocks,
        deep_filters=deep_filters,
        deep_blocks=deep_blocks,
        context=context,
        enter_size=enter_size,
        expansion=expansion,
    )
    image, small, control = ENHANCE_WITH_BRIGHTNESS.inputs
    low = keras.Input((None, None, image.channels), name=image.name)
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    brightness = keras.Input(control.shape(control.size), name=control.name)

    x = SpaceToDepth(BLOCK, name="thumbnail_fold")(thumbnail)
    x = layers.Subtract(name="thumbnail_shade")([x, falling_curve(x, "thumbnail_curve")])
    context_vector = trunk.predict_context(x)
    folded = SpaceToDepth(BLOCK, name="fold")(low)
    falling = falling_curve(folded)
    shade = layers.Subtract(name="shade")([folded, falling])
    x = trunk.predict_features(shade, context_vector, brightness)
    curve = predict_curve(
        x, folded, falling,
        strength_constraint=SignConstraint(at_least_0=(0,)),
        residual_constraint=SignConstraint(zero=(0,)),
    )  # fmt: skip
    enhanced = DepthToSpace(BLOCK, name="unfold")([curve.enhanced, low])
    model = keras.Model(
        {image.name: low, small.name: thumbnail, control.name: brightness},
        {ENHANCE_WITH_BRIGHTNESS.outputs[0].name: enhanced},
        name=name,
    )
    apply_constraints(model)
    return model
