"""Zero-reference losses: an enhanced image without a target. All are 0 at best."""

from keras import KerasTensor, ops

from lowlight_tf.losses import fidelity

WELL_EXPOSED_LEVEL = 0.6
"""Brightness of a well exposed region, in [0, 1]."""

EXPOSURE_REGION_SIZE = 16
"""Side of the regions of the exposure loss (pixels)."""

CONSISTENCY_REGION_SIZE = 4
"""Side of the regions whose contrast is compared (pixels)."""


def spatial_consistency(low: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Change of the contrast between neighboring regions.

    Regions are means of 4x4 pixels over all colors. Each is compared with its neighbors above,
    below, to the left and to the right inside the image.

    Args:
        low: (B, H, W, 3) in [0, 1]; H and W at least 8.
        enhanced: Same shape and range.

    Returns:
        (B,) sum over the neighbors of squared changes, mean over regions; lower is better, 0 if all
        differences between regions are preserved.

    Raises:
        UsageError: If a side is shorter than two regions.

    Reference:
        Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR
        2020, equation 4.

    Differences from the paper:
        Differences are signed, as in the authors' code: an inversion is a change. Their code also
        compares regions at the border with zero padding, which penalizes brightening itself; here
        there is no padding.
    """
    fidelity.check_min_side("spatial_consistency", low, 2 * CONSISTENCY_REGION_SIZE)
    before, after = (_region_means(image, CONSISTENCY_REGION_SIZE) for image in (low, enhanced))
    change = after - before
    squares = (
        ops.sum(ops.square(change[:, 1:] - change[:, :-1]), axis=(1, 2, 3)),
        ops.sum(ops.square(change[:, :, 1:] - change[:, :, :-1]), axis=(1, 2, 3)),
    )
    # Each pair counts for both of its regions.
    return 2 * sum(squares) / (change.shape[1] * change.shape[2])


def exposure(enhanced: KerasTensor) -> KerasTensor:
    """Squared difference of regions of 16x16 pixels from a well exposed brightness.

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
    fidelity.check_min_side("exposure", enhanced, EXPOSURE_REGION_SIZE)
    return ops.mean(
        ops.square(_region_means(enhanced, EXPOSURE_REGION_SIZE) - WELL_EXPOSED_LEVEL),
        axis=(1, 2, 3),
    )


def color_constancy(enhanced: KerasTensor) -> KerasTensor:
    """Difference of the mean color from gray (the gray-world assumption).

    Args:
        enhanced: (B, H, W, 3) in [0, 1].

    Returns:
        (B,) sum of the squared pairwise differences between the means of red, green and blue;
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
    """Total variation of the curve parameters (illumination smoothness).

    Args:
        curves: (B, H, W, C) curve parameters in [-1, 1].

    Returns:
        (B,) twice the sum over all channels of the mean squared vertical and horizontal
        differences; lower is better.

    Reference:
        Guo et al. 2020, equation 7, in the form of the authors' code, for which its weight of 200
        was chosen: https://github.com/Li-Chongyi/Zero-DCE.

    Differences from the paper:
        Squared differences are added; the paper squares the sum of the absolute ones, and averages
        over iterations.
    """
    down = ops.mean(ops.square(curves[:, 1:] - curves[:, :-1]), axis=(1, 2))
    across = ops.mean(ops.square(curves[:, :, 1:] - curves[:, :, :-1]), axis=(1, 2))
    return 2 * ops.sum(down + across, axis=-1)


def _region_means(image: KerasTensor, side: int) -> KerasTensor:
    """Return the means of regions over all colors: (B, h, w, 1)."""
    return ops.average_pool(ops.mean(image, axis=-1, keepdims=True), side, side)
