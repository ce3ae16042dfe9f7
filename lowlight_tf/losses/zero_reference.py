"""Losses that judge an enhanced picture without a target. All are 0 at best."""

from keras import KerasTensor, ops

from lowlight_tf.checks import UsageError

WELL_EXPOSED_LEVEL, EXPOSURE_BLOCK = 0.6, 16
"""Brightness of a well exposed region, and its side (pixels)."""

CONSISTENCY_REGION = 4
"""Side of the regions whose contrast is compared (pixels)."""


def spatial_consistency(low: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """How much the contrast between neighbouring regions changed; not how bright they are.

    Regions are means of 4 x 4 pixels over all colors. Each is compared with those above, below, to
    the left and to the right, as far as they are there.

    Args:
        low: (B, H, W, 3) in [0, 1]; H and W at least 8.
        enhanced: Same shape and range.

    Returns:
        (B,) sum over the neighbours of squared changes, mean over regions; lower is better, 0 if
        all steps from region to region are what they were.

    Raises:
        UsageError: If a side is shorter than two regions.

    Reference:
        Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR
        2020, equation 4.

    Differences from the paper:
        Steps have their sign, as in the authors' code: what turns dark to bright is a change. Their
        code compares regions at the border with black ones beyond it too, which punishes
        brightening itself; here is nothing beyond.
    """
    _check_min_size("spatial_consistency", low, 2 * CONSISTENCY_REGION)
    change = _region_means(enhanced, CONSISTENCY_REGION) - _region_means(low, CONSISTENCY_REGION)
    squares = (
        ops.sum(ops.square(change[:, 1:] - change[:, :-1]), axis=(1, 2, 3)),
        ops.sum(ops.square(change[:, :, 1:] - change[:, :, :-1]), axis=(1, 2, 3)),
    )
    # Each pair is a neighbourhood of both of its regions.
    return 2 * sum(squares) / (change.shape[1] * change.shape[2])


def exposure(enhanced: KerasTensor) -> KerasTensor:
    """How far regions of 16 x 16 pixels are from a well exposed brightness.

    Args:
        enhanced: (B, H, W, 3) in [0, 1]; H and W at least 16.

    Returns:
        (B,) mean squared difference from 0.6; lower is better.

    Raises:
        UsageError: If a side is shorter than a region.

    Reference:
        Guo et al. 2020, equation 5.

    Differences from the paper:
        Squared, not absolute, as in the authors' code.
    """
    _check_min_size("exposure", enhanced, EXPOSURE_BLOCK)
    return ops.mean(
        ops.square(_region_means(enhanced, EXPOSURE_BLOCK) - WELL_EXPOSED_LEVEL), axis=(1, 2, 3)
    )


def color_constancy(enhanced: KerasTensor) -> KerasTensor:
    """How far the picture as a whole is from gray.

    Args:
        enhanced: (B, H, W, 3) in [0, 1].

    Returns:
        (B,) sum of the squared differences between the means of red, green and blue, pair by pair;
        lower is better.

    Reference:
        Guo et al. 2020, equation 6.

    Differences from the paper:
        None. (The authors' code takes the root of the sum of fourth powers, which has no gradient
        at gray.)
    """
    means = ops.mean(enhanced, axis=(1, 2))
    return ops.sum(ops.square(means - ops.roll(means, 1, axis=-1)), axis=-1)


def curve_smoothness(curves: KerasTensor) -> KerasTensor:
    """How much the curves change from pixel to pixel (illumination smoothness).

    Args:
        curves: (B, H, W, C) slopes in [-1, 1].

    Returns:
        (B,) twice the sum over all maps of the mean squared steps down and to the right; lower is
        better.

    Reference:
        Guo et al. 2020, equation 7, in the form of the authors' code, for which its weight of 200
        is made: https://github.com/Li-Chongyi/Zero-DCE.

    Differences from the paper:
        Squared steps are added; the paper squares the sum of the absolute ones, and takes the mean
        over iterations.
    """
    down = ops.mean(ops.square(curves[:, 1:] - curves[:, :-1]), axis=(1, 2))
    across = ops.mean(ops.square(curves[:, :, 1:] - curves[:, :, :-1]), axis=(1, 2))
    return 2 * ops.sum(down + across, axis=-1)


def _region_means(image: KerasTensor, side: int) -> KerasTensor:
    """Return the means of whole regions over all colors: (B, h, w, 1)."""
    return ops.average_pool(ops.mean(image, axis=-1, keepdims=True), side, side)


def _check_min_size(name: str, image: KerasTensor, least: int) -> None:
    shortest = min(image.shape[1:3])
    if shortest < least:
        raise UsageError(
            f"The loss {name} needs images of at least {least} pixels a side. "
            f"Received: {shortest}. Take a larger crop."
        )
