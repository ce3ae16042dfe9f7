"""Losses of pictures that two cameras share: nobody knows what the fused one should look like."""

import numpy as np
from keras import KerasTensor, ops

from lowlight_tf.layers.illumination import soft_light_regions
from lowlight_tf.losses import fidelity

SOBEL = np.float32([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8  # of a ramp of 1 per pixel it is 1

TARGET_DARK_LUMA = 0.6
"""Exponent that lifts the visible picture where it is dark."""

NORMAL_RANGE, BLOCK_SIZE = 0.5, 16
"""Luma of normal light, and side of the blocks that have it in the mean (pixels)."""


def max_intensity(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """Mean absolute difference from the brighter of both pictures, pixel by pixel.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, 0 for equal images.

    Reference:
        Tang et al., "Image fusion in the loop of high-level vision tasks" (SeAFusion), Information
        Fusion 2022, equation 5.
    """
    return fidelity.l1(ops.maximum(visible, infrared), fused)


def max_gradient(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """Mean absolute difference of the gradient's strength from the stronger of both pictures'.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, 0 for equal images.

    Reference:
        SeAFusion, equation 6, with the Sobel operator as there: |horizontal| + |vertical|.

    Differences from the paper:
        Sobel's kernels are divided by 8, so that a gradient is a difference from pixel to pixel.
    """
    stronger = ops.maximum(gradient_magnitude(visible), gradient_magnitude(infrared))
    return fidelity.l1(stronger, gradient_magnitude(fused))


def source_ssim(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """One minus the mean structural similarity to both pictures; see `fidelity.ssim`.

    Returns:
        (B,); lower is better, 0 if all three are equal.
    """
    return 0.5 * (fidelity.ssim(visible, fused) + fidelity.ssim(infrared, fused))


def reconstruction(source: KerasTensor, reconstructed: KerasTensor) -> KerasTensor:
    """How far what an autoencoder gives back is from what it was shown.

    Args:
        source: (B, H, W, 1) in [0, 1].
        reconstructed: Same shape and range.

    Returns:
        (B,) mean squared error + 5 x (1 - SSIM) / 2; lower is better, 0 for equal images.

    Reference:
        DIDFuse (see `models.did_fuse`), equation 4; its code takes kornia's SSIM loss, which is
        half of 1 - SSIM, with a window of 11 pixels.
    """
    squared = ops.mean(ops.square(source - reconstructed), axis=(1, 2, 3))
    return squared + 2.5 * fidelity.ssim(source, reconstructed)


def gradient(source: KerasTensor, reconstructed: KerasTensor) -> KerasTensor:
    """Mean absolute difference of both components of the Sobel gradient.

    Args:
        source: (B, H, W, 1) in [0, 1].
        reconstructed: Same shape and range.

    Returns:
        (B,); lower is better, 0 for equal images.

    Reference:
        DIDFuse, equation 6: of the visible picture alone, that its texture is kept.
    """
    pairs = zip(sobel(source), sobel(reconstructed), strict=True)
    return 0.5 * sum(fidelity.l1(one, other) for one, other in pairs)


def base_difference(visible_base: KerasTensor, infrared_base: KerasTensor) -> KerasTensor:
    """How different the bases of both pictures are.

    Args:
        visible_base: (B, H, W, C) features.
        infrared_base: Same shape.

    Returns:
        (B,) tanh of the mean absolute difference, in [0, 1); lower is better, 0 for equal bases.

    Reference:
        DIDFuse, equation 3; L1 as in its code.
    """
    return ops.tanh(fidelity.l1(visible_base, infrared_base))


def detail_similarity(visible_detail: KerasTensor, infrared_detail: KerasTensor) -> KerasTensor:
    """How like the details of both pictures are.

    Args:
        visible_detail: (B, H, W, C) features.
        infrared_detail: Same shape.

    Returns:
        (B,) 1 - tanh of the mean absolute difference, in (0, 1]; lower is better, 1 for equal ones.

    Reference:
        DIDFuse, equation 3, plus 1, so that it is never below 0; the gradient is the same.
    """
    return 1 - ops.tanh(fidelity.l1(visible_detail, infrared_detail))


def gradient_magnitude(picture: KerasTensor) -> KerasTensor:
    """Return |horizontal| + |vertical| gradient: (B, H, W, 1) -> (B, H, W, 1)."""
    across, down = sobel(picture)
    return ops.abs(across) + ops.abs(down)


def sobel(picture: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return the horizontal and the vertical gradient per pixel; the border goes on as it ends.

    Args:
        picture: (B, H, W, 1).
    """
    x = ops.pad(picture, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    kernels = (SOBEL, SOBEL.T)
    across, down = (ops.conv(x, ops.convert_to_tensor(k[..., None, None])) for k in kernels)
    return across, down


def regional_intensity(
    visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor
) -> KerasTensor:
    """Mean absolute difference from what each region should be as bright as.

    Where it is dark, the brighter of the infrared and the lifted visible picture (`LIFT`); where it
    glares, the infrared one, which no lamp blinds; elsewhere the brighter of both.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, 0 where each region is what it should be.

    Reference:
        Ours, for AMFusion (see `models.am_fusion`), whose equations were not to be had.
    """
    dark, glare = soft_light_regions(_blur_luma(visible))
    lifted = ops.maximum(infrared, ops.power(ops.maximum(visible, 1e-3), TARGET_DARK_LUMA))
    wanted = (1 - dark - glare) * ops.maximum(visible, infrared) + dark * lifted + glare * infrared
    return fidelity.l1(wanted, fused)


def regional_gradient(
    visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor
) -> KerasTensor:
    """As `max_gradient`, but where the visible picture glares its gradients are not asked for.

    The rim of a lamp's halo is the strongest gradient of a night, and none of any thing.

    Returns:
        (B,); lower is better, 0 if all gradients are as wanted.

    Reference:
        Ours, as `regional_intensity`.
    """
    _, glare = soft_light_regions(_blur_luma(visible))
    mine, other = gradient_magnitude(visible), gradient_magnitude(infrared)
    stronger = ops.maximum((1 - glare) * mine, other)
    return fidelity.l1(stronger, gradient_magnitude(fused))


def illumination(visible: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """How far dark and glaring regions are from normal light.

    The mean luma of each block of 16 x 16 pixels is compared with `NORMAL`, weighed by how dark or
    glaring the visible picture is there.

    Args:
        visible: (B, H, W, 1) in [0, 1]; H and W at least 16.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, 0 where all such regions have normal light.

    Reference:
        Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR
        2020, equation 5 (exposure control), in the regions that AMFusion speaks of.
    """
    dark, glare = soft_light_regions(ops.average_pool(visible, BLOCK_SIZE))
    return ops.mean(
        (dark + glare) * ops.abs(ops.average_pool(fused, BLOCK_SIZE) - NORMAL_RANGE), axis=(1, 2, 3)
    )


def _blur_luma(picture: KerasTensor) -> KerasTensor:
    """Return the mean of the 9 x 9 pixels around each."""
    return ops.average_pool(picture, 9, 1, "same")
