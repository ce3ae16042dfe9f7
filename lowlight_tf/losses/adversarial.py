"""GAN losses of discriminator and generator, as functions of the logits."""

import dataclasses
from collections.abc import Callable

from keras import KerasTensor, ops


@dataclasses.dataclass(frozen=True)
class GANLoss:
    """The losses of discriminator and generator; each minimizes its own.

    Attributes:
        discriminator: (logits of real images, logits of generated images) -> (B,). The mean of both
            terms: half the sum, by which pix2pix slows the discriminator down (no effect on Adam).
        generator: Logits of generated images -> (B,).
        chance_loss: The lowest loss of a discriminator with the same output for all images.
        real_threshold: Logit above which a patch is classified as real.
    """

    discriminator: Callable[[KerasTensor, KerasTensor], KerasTensor]
    generator: Callable[[KerasTensor], KerasTensor]
    chance_loss: float
    real_threshold: float = 0.0


def bce_discriminator(real: KerasTensor, fake: KerasTensor) -> KerasTensor:
    """Binary cross-entropy of the classification into real and fake.

    Args:
        real: Logits of real images, (B, h, w, 1).
        fake: Logits of generated images, same shape.

    Returns:
        (B,); lower is better, log 2 at chance, 0 at best.

    Reference:
        Goodfellow et al., "Generative Adversarial Networks", NeurIPS 2014; Isola et al.,
        "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017.
    """
    return (_mean(ops.softplus(-real)) + _mean(ops.softplus(fake))) / 2


def bce_generator(fake: KerasTensor) -> KerasTensor:
    """Binary cross-entropy of generated images and the label real (the non-saturating loss).

    Args and reference as `bce_discriminator`; (B,), lower is better, 0 at best.
    """
    return _mean(ops.softplus(-fake))


def least_squares_discriminator(real: KerasTensor, fake: KerasTensor) -> KerasTensor:
    """Squared distance of the logits of real images from 1 and of generated images from 0.

    Args as `bce_discriminator`.

    Returns:
        (B,); lower is better, 1/4 at chance, 0 at best.

    Reference:
        Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, equation 9.
    """
    return (_mean(ops.square(real - 1)) + _mean(ops.square(fake))) / 2


def least_squares_generator(fake: KerasTensor) -> KerasTensor:
    """Squared distance of the logits from 1; (B,), lower is better, 0 at best.

    Reference as `least_squares_discriminator`.

    Differences from the paper:
        Not halved; its weight is `discriminator.weight` of the recipe.
    """
    return _mean(ops.square(fake - 1))


def hinge_discriminator(real: KerasTensor, fake: KerasTensor) -> KerasTensor:
    """Hinge loss: logits of real images below 1 and of generated images above -1.

    Args as `bce_discriminator`.

    Returns:
        (B,); lower is better, 1 at chance, 0 at best.

    Reference:
        Lim and Ye, "Geometric GAN", 2017; Miyato et al., "Spectral Normalization for Generative
        Adversarial Networks", ICLR 2018, equations 16 and 17.

    Differences from the papers:
        Halved.
    """
    return (_mean(ops.relu(1 - real)) + _mean(ops.relu(1 + fake))) / 2


def hinge_generator(fake: KerasTensor) -> KerasTensor:
    """Negative mean logit; (B,), lower is better, unbounded.

    Reference as `hinge_discriminator`.
    """
    return -_mean(fake)


BCE = GANLoss(bce_discriminator, bce_generator, chance_loss=0.6931472)
LEAST_SQUARES = GANLoss(
    least_squares_discriminator, least_squares_generator, chance_loss=0.25, real_threshold=0.5
)
HINGE = GANLoss(hinge_discriminator, hinge_generator, chance_loss=1.0)


def _mean(patches: KerasTensor) -> KerasTensor:
    return ops.mean(patches, axis=(1, 2, 3))
