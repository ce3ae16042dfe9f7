"""Losses in the frequency domain."""

from keras import KerasTensor, ops


def fft_l1(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Mean absolute difference of the 2-D Fourier transforms, over real and imaginary parts.

    Args:
        target: (B, H, W, C) in [0, 1].
        enhanced: Same shape and range as `target`.

    Returns:
        (B,); lower is better, 0 for equal images.

    Reference:
        Cho et al., "Rethinking Coarse-to-Fine Approach in Single Image Deblurring", ICCV 2021,
        equation 6, the multi-scale frequency reconstruction loss.

    Differences from the paper:
        One scale; the transform is divided by sqrt(H * W), so that the loss of noise is independent
        of the crop size.
    """
    difference = ops.transpose(target - enhanced, (0, 3, 1, 2))  # the transform is linear
    scale = (difference.shape[2] * difference.shape[3]) ** 0.5
    real, imaginary = ops.fft2((difference, ops.zeros_like(difference)))
    return ops.mean((ops.abs(real) + ops.abs(imaginary)) / (2 * scale), axis=(1, 2, 3))
