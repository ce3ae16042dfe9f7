"""Losses of infrared-visible fusion by the light of each region: dark, normal, glare, and day."""

from keras import KerasTensor, ops

from lowlight_tf.constants import DAY_ABOVE, NIGHT_BELOW
from lowlight_tf.layers.illumination import day_weight, soft_light_regions
from lowlight_tf.losses import fidelity
from lowlight_tf.losses.fusion import gradient_magnitude

LIFT_GAMMA = 0.6
"""Exponent that brightens dark regions of the visible image."""

NORMAL_LUMA = 0.5
"""Target of the mean luma of blocks in dark and glare regions."""

BLOCK_SIZE = 16
"""Side of these blocks (pixels)."""

BLUR_SIZE = 9
"""Side of the window that luma is averaged over before it is divided into regions (pixels)."""

DAY_MARGIN = 0.1
"""How much darker than the visible image, as a fraction, a region may be by day."""

SURROUNDINGS_SIZE = 41
"""Side of the window that warm objects are compared with (pixels)."""

MIN_GLARE_LUMA, MAX_WARM_LUMA = 0.4, 0.95
"""Luma of what is black in the infrared image, in glare, and up to which warm objects are
brightened."""

GLARE_STRUCTURE_SIZE, GLARE_STRUCTURE_GAIN, MAX_GLARE_STRUCTURE = 33, 3.0, 0.5
"""Of `structure_in_glare`: side of the window whose maximum is compared with (pixels), gain of the
infrared structure, and by how much it makes glare darker at most."""


def regional_intensity(
    visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor, frame: KerasTensor
) -> KerasTensor:
    """Mean absolute difference from a target intensity that depends on the light.

    By day: the visible image, brighter by as much as the infrared one is brighter than its
    surroundings. By night, in dark regions: the maximum of the infrared and the brightened visible
    image (`LIFT_GAMMA`); in glare: the infrared image, which lamps do not saturate, with
    `MIN_GLARE_LUMA` as its black, as a cold sky at dusk is no hole; elsewhere: the maximum of the
    infrared image and the target by day. `day_weight` mixes day and night.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.
        frame: The full visible frame, (B, h, w, 1).

    Returns:
        (B,); lower is better, 0 if the fused image equals the target.

    Reference:
        Our own, for AMFusion (see `models.am_fusion`), whose equations were not available.
    """
    day = day_weight(frame)
    dark, glare = _find_regions(visible, day)
    lifted = ops.maximum(infrared, ops.power(ops.maximum(visible, 1e-3), LIFT_GAMMA))
    warmer = visible + _warmer_than_surroundings(infrared)
    by_day = ops.maximum(visible, ops.minimum(warmer, MAX_WARM_LUMA))
    target = (1 - dark - glare) * ops.maximum(by_day, infrared) + dark * lifted
    target += glare * (MIN_GLARE_LUMA + (1 - MIN_GLARE_LUMA) * infrared)
    return fidelity.l1(target + day * (by_day - target), fused)


def regional_gradient(
    visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor, frame: KerasTensor
) -> KerasTensor:
    """As `fusion.max_gradient`, without edges that are not of objects.

    By night these are of glare in the visible image: the edge of a lamp's halo is the largest
    gradient of the scene. By day they are of what is not warmer than its surroundings in the
    infrared image: clouds have strong edges there.

    Returns:
        (B,); lower is better, 0 if all gradient magnitudes equal the target.

    Reference:
        Our own, as `regional_intensity`.
    """
    day = day_weight(frame)
    _, glare = _find_regions(visible, day)
    gradient_v, gradient_i = gradient_magnitude(visible), gradient_magnitude(infrared)
    warm = gradient_magnitude(_warmer_than_surroundings(infrared))
    gradient_i += day * (warm - gradient_i)
    target = ops.maximum((1 - glare) * gradient_v, gradient_i)
    return fidelity.l1(target, gradient_magnitude(fused))


def illumination(visible: KerasTensor, fused: KerasTensor, frame: KerasTensor) -> KerasTensor:
    """Exposure loss in dark and glare regions, by night.

    The absolute difference of the mean luma of each block of 16x16 pixels from `NORMAL_LUMA`,
    weighed by the masks of dark and glare regions of the visible image.

    Args:
        visible: (B, H, W, 1) in [0, 1]; H and W at least 16.
        fused: Same shape and range.
        frame: The full visible frame, (B, h, w, 1).

    Returns:
        (B,); lower is better, 0 if all such regions have that luma, or by day.

    Reference:
        Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR
        2020, equation 5 (exposure control), in the regions of AMFusion.
    """
    day = day_weight(frame)
    dark, glare = soft_light_regions(ops.average_pool(visible, BLOCK_SIZE), day)
    distance = ops.abs(ops.average_pool(fused, BLOCK_SIZE) - NORMAL_LUMA)
    return ops.mean((1 - day) * (dark + glare) * distance, axis=(1, 2, 3))


def daylight(visible: KerasTensor, fused: KerasTensor, frame: KerasTensor) -> KerasTensor:
    """By how much blocks of 16x16 pixels are darker than the visible image allows, by day.

    A clear sky is black in the infrared image, and by contrast alone the better one.

    Args:
        visible: (B, H, W, 1) in [0, 1]; H and W at least 16.
        fused: Same shape and range.
        frame: The full visible frame, or its mean, (B, h, w, 1).

    Returns:
        (B,); lower is better, 0 if no block is darker by more than `DAY_MARGIN`, or by night.

    Reference:
        Our own.
    """
    visible_blocks, blocks = (ops.average_pool(image, BLOCK_SIZE) for image in (visible, fused))
    darker = ops.relu((1 - DAY_MARGIN) * visible_blocks - blocks)
    return ops.mean(_twilight_or_day_weight(frame) * darker, axis=(1, 2, 3))


def structure_in_glare(
    visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor, frame: KerasTensor
) -> KerasTensor:
    """Mean absolute difference, in glare by night, from the visible image with infrared structure.

    A saturated lamp hides who walks before it. The target stays as bright as the visible image
    where the infrared one is brightest, as people are, and is darker elsewhere: by
    `GLARE_STRUCTURE_GAIN` times how far infrared is below its maximum nearby, at most by
    `MAX_GLARE_STRUCTURE`. So the lamp remains a lamp.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.
        frame: The full visible frame, or its mean, (B, h, w, 1).

    Returns:
        (B,); lower is better, 0 if glare equals the target, there is none, or by day.

    Reference:
        Our own.
    """
    day = _twilight_or_day_weight(frame)
    _, glare = soft_light_regions(_blur_luma(visible), day)
    brightest = ops.max_pool(_blur_luma(infrared), GLARE_STRUCTURE_SIZE, 1, "same")
    darker = GLARE_STRUCTURE_GAIN * ops.relu(brightest - infrared)
    target = visible - ops.minimum(darker, MAX_GLARE_STRUCTURE)
    return ops.mean((1 - day) * glare * ops.abs(target - fused), axis=(1, 2, 3))


def _twilight_or_day_weight(frame: KerasTensor) -> KerasTensor:
    """Return how much it is no night in full frames, as `day_weight` from `NIGHT_BELOW` on."""
    return day_weight(frame + DAY_ABOVE - NIGHT_BELOW)


def _find_regions(visible: KerasTensor, day: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return the soft masks of dark regions and of glare with its edges; see `SoftLightRegions`."""
    luma = _blur_luma(visible)
    dark, _ = soft_light_regions(luma, day)
    _, glare = soft_light_regions(ops.max_pool(luma, BLUR_SIZE, 1, "same"), day)
    return (1 - glare) * dark, glare


def _warmer_than_surroundings(infrared: KerasTensor) -> KerasTensor:
    """Return by how much each pixel is brighter than its surroundings, at least 0."""
    return ops.relu(infrared - ops.average_pool(infrared, SURROUNDINGS_SIZE, 1, "same"))


def _blur_luma(luma: KerasTensor) -> KerasTensor:
    """Return the mean of the 9x9 pixels around each: (B, H, W, 1) -> (B, H, W, 1)."""
    return ops.average_pool(luma, BLUR_SIZE, 1, "same")
