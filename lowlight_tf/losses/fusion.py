"""Losses of infrared-visible fusion, which has no ground truth: fused image against its sources."""

import numpy as np
from keras import KerasTensor, ops

from lowlight_tf.losses import fidelity

SOBEL = np.float32([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8  # 1 for a ramp of 1 per pixel

GAMMA_G, KAPPA_G, SIGMA_G = 0.9994, -15, 0.5
"""Constants of Qabf: preservation of edge strength."""

GAMMA_A, KAPPA_A, SIGMA_A = 0.9879, -22, 0.8
"""And of edge orientation."""

BLOCK_SIZE, BRIGHT_WEIGHT, CONTRAST_GAIN = 8, 2.0, 1.2
"""Of `max_contrast`: side of a block (pixels), factor of what is brighter than the mean, and of the
contrast of the target."""

VIF_MIN_SIDE = 41
"""Side of the smallest image that has a window at each of the scales of VIF (pixels)."""

VIF_WINDOW_SIZES, VIF_NOISE_VARIANCE, VIF_EPSILON = (17, 9, 5, 3), 2.0, 1e-2
"""Constants of VIF: sides of the windows of four scales (pixels), noise variance of the human
visual system, and what is added to the variance of a window (squared levels)."""

EPSILON = 1e-8
"""Least salience, so that blocks of two flat images have equal weights."""

MIN_STRENGTH = 1e-4
"""Strength of edges, 1 / 40 of a level per pixel, that is taken for 0: there it has no gradient."""


def max_intensity(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """Mean absolute difference from the maximum of both sources.

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


def max_contrast(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """Mean absolute difference, of blocks, from the source that stands out more, with contrast.

    The target of a block of 8x8 pixels is the mean of both sources, weighed by the fourth power of
    how far each is from the mean of its image there; what is brighter than the mean counts
    `BRIGHT_WEIGHT` times. In each image something stands out: lamps and signs from a night, the sky
    from a street, warm bodies from all else. The contrast of the target is raised by
    `CONTRAST_GAIN` about a level that is nearer to black in a dark image and to white in a bright
    one, so that it is clipped least.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better.

    Reference:
        Our own. Choosing the source of larger local activity is common in fusion by pyramids; this
        is for what is too coarse for them.
    """
    blocks = (ops.average_pool(image, BLOCK_SIZE) for image in (visible, infrared, fused))
    visible, infrared, fused = blocks
    salience_v, salience_i = _salience(visible), _salience(infrared)
    weight = salience_v / (salience_v + salience_i)
    target = infrared + weight * (visible - infrared)
    mean = ops.mean(target, axis=(1, 2, 3), keepdims=True)
    center = ops.square(mean) / (ops.square(mean) + ops.square(1 - mean))
    return fidelity.l1(ops.clip(center + CONTRAST_GAIN * (target - center), 0, 1), fused)


def max_gradient(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """Mean absolute difference of the gradient magnitude from the maximum of both sources.

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, 0 for equal images.

    Reference:
        SeAFusion, equation 6, with its Sobel operator: |horizontal| + |vertical|.

    Differences from the paper:
        The Sobel kernels are divided by 8, so that a gradient is a difference per pixel.
    """
    target = ops.maximum(gradient_magnitude(visible), gradient_magnitude(infrared))
    return fidelity.l1(target, gradient_magnitude(fused))


def edge_preservation(
    visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor
) -> KerasTensor:
    """One minus the preserved part of the edges of both sources, strength and orientation (Qabf).

    Args:
        visible: (B, H, W, 1) in [0, 1].
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, 0.025 if all three are equal.

    Reference:
        Xydeas and Petrovic, "Objective image fusion performance measure", Electronics Letters 2000.

    Differences from the paper:
        None from `metrics.fusion_structure.qabf` but for the borders, which are no edges here, and
        `MIN_STRENGTH`. Evaluate a fusion that was trained with it by other metrics too.
    """
    edges = [_edges(image) for image in (visible, infrared, fused)]
    preserved = weight = 0.0
    for strength, angle in edges[:2]:
        kept = _preserve_edges(strength, angle, *edges[2])
        preserved += ops.sum(strength * kept, axis=(1, 2, 3))
        weight += ops.sum(strength, axis=(1, 2, 3))
    return 1 - preserved / weight


def source_vif(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """One minus the mean visual information fidelity (VIF) to both sources.

    Args:
        visible: (B, H, W, 1) in [0, 1], at least 41 pixels a side.
        infrared: Same shape and range.
        fused: Same shape and range.

    Returns:
        (B,); lower is better, nearly 0 if all three are equal.

    Raises:
        UsageError: If a side is shorter than 41 pixels, where the last scale has no window.

    Reference:
        Sheikh and Bovik, "Image Information and Visual Quality", TIP 2006, in the pixel domain.

    Differences from the paper:
        None from `metrics.fusion_structure.vif` but that a window whose contrast is raised counts
        no more than an equal one. Evaluate a fusion that was trained with it by other metrics too.
    """
    fidelity.check_min_side("source_vif", visible, VIF_MIN_SIDE)
    # Variances do not depend on the mean; without it there is less cancellation.
    visible, infrared, fused = (
        255 * (image - ops.mean(image, axis=(1, 2, 3), keepdims=True))
        for image in (visible, infrared, fused)
    )
    fidelities = (_information_fidelity(source, fused) for source in (visible, infrared))
    return 1 - 0.5 * sum(fidelities)


def source_ssim(visible: KerasTensor, infrared: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """One minus the mean structural similarity to both sources; see `fidelity.ssim`.

    Returns:
        (B,); lower is better, 0 if all three are equal.
    """
    return 0.5 * (fidelity.ssim(visible, fused) + fidelity.ssim(infrared, fused))


def reconstruction(source: KerasTensor, reconstructed: KerasTensor) -> KerasTensor:
    """Reconstruction loss of an autoencoder: squared error and SSIM.

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
        DIDFuse, equation 6: for the visible image only, to preserve its texture.
    """
    pairs = zip(sobel(source), sobel(reconstructed), strict=True)
    return 0.5 * sum(fidelity.l1(one, other) for one, other in pairs)


def base_difference(visible_base: KerasTensor, infrared_base: KerasTensor) -> KerasTensor:
    """Dissimilarity of the base features of both sources.

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
    """Similarity of the detail features of both sources.

    Args:
        visible_detail: (B, H, W, C) features.
        infrared_detail: Same shape.

    Returns:
        (B,) 1 - tanh of the mean absolute difference, in (0, 1]; lower is better, 1 for equal
        details.

    Reference:
        DIDFuse, equation 3, plus 1, so that it is not negative; the gradient is the same.
    """
    return 1 - ops.tanh(fidelity.l1(visible_detail, infrared_detail))


def gradient_magnitude(image: KerasTensor) -> KerasTensor:
    """Return |horizontal| + |vertical| gradient: (B, H, W, 1) -> (B, H, W, 1)."""
    across, down = sobel(image)
    return ops.abs(across) + ops.abs(down)


def sobel(image: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return the horizontal and the vertical Sobel gradient, (B, H, W, 1) each.

    Args:
        image: (B, H, W, 1); its border is padded by reflection (symmetric).
    """
    x = ops.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    kernels = (SOBEL, SOBEL.T)
    across, down = (ops.conv(x, ops.convert_to_tensor(k[..., None, None])) for k in kernels)
    return across, down


def _salience(blocks: KerasTensor) -> KerasTensor:
    """Return the fourth power of the distance of each block from the mean of the image."""
    distance = blocks - ops.mean(blocks, axis=(1, 2, 3), keepdims=True)
    weighed = ops.where(distance > 0, BRIGHT_WEIGHT, 1.0) * distance
    return ops.square(ops.square(weighed)) + EPSILON


def _information_fidelity(source: KerasTensor, fused: KerasTensor) -> KerasTensor:
    """Return the VIF of fused images to one source, (B,); both in levels."""
    extracted = total = 0.0
    for scale, size in enumerate(VIF_WINDOW_SIZES):
        if scale:
            source, fused = (
                fidelity.blur_inside(image, size, size / 5)[:, ::2, ::2]
                for image in (source, fused)
            )
        mean_s, mean_f, square_s, square_f, product = (
            fidelity.blur_inside(image, size, size / 5)
            for image in (source, fused, source * source, fused * fused, source * fused)
        )
        variance_s = ops.relu(square_s - mean_s * mean_s)
        variance_f = ops.relu(square_f - mean_f * mean_f)
        covariance = ops.relu(product - mean_s * mean_f)
        gain = covariance / (variance_s + VIF_EPSILON)
        noise = ops.relu(variance_f - gain * covariance) + VIF_NOISE_VARIANCE
        held = ops.log1p(variance_s / VIF_NOISE_VARIANCE)
        kept = ops.log1p(gain * gain * variance_s / noise)
        extracted += ops.sum(ops.minimum(kept, held), axis=(1, 2, 3))
        total += ops.sum(held, axis=(1, 2, 3))
    return extracted / (total + VIF_EPSILON)


def _edges(image: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return strength and orientation (radians, -pi/2 to pi/2) of the Sobel edges."""
    across, down = sobel(image)
    strength = ops.sqrt(ops.square(across) + ops.square(down) + MIN_STRENGTH**2)
    is_level = ops.abs(across) < MIN_STRENGTH
    angle = ops.arctan(-down / ops.where(is_level, 1.0, across))
    return strength, ops.where(is_level, np.float32(np.pi / 2), angle)


def _preserve_edges(
    strength: KerasTensor, angle: KerasTensor, strength_f: KerasTensor, angle_f: KerasTensor
) -> KerasTensor:
    """Return how well each edge of a source is preserved in the fused image, 0 to 1."""
    ratio = ops.minimum(strength, strength_f) / ops.maximum(strength, strength_f)
    similarity = 1 - ops.abs(angle - angle_f) / (np.pi / 2)
    kept = GAMMA_G * ops.sigmoid(-KAPPA_G * (ratio - SIGMA_G))
    return kept * GAMMA_A * ops.sigmoid(-KAPPA_A * (similarity - SIGMA_A))
