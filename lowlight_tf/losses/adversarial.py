"""What a critic and the net that it judges pay in their game, as functions of the logits."""

import dataclasses
from collections.abc import Callable

from keras import KerasTensor, ops


@dataclasses.dataclass(frozen=True)
class GANLoss:
    """The two sides' losses; each makes its own small.

    Attributes:
        discriminator: (logits of real pictures, logits of the net's) -> (B,). The mean of both parts: half
            the sum, as pix2pix has it to slow the critic down (Adam hardly notices).
        generator: Logits of the net's pictures -> (B,).
        chance_loss: What a critic pays at least that answers the same to everything.
        real_threshold: Logit above which a patch is called real.
    """

    discriminator: Callable[[KerasTensor, KerasTensor], KerasTensor]
    generator: Callable[[KerasTensor], KerasTensor]
    chance_loss: float
    real_threshold: float = 0.0


def bce_discriminator(real: KerasTensor, fake: KerasTensor) -> KerasTensor:
    """Binary cross entropy of what is called real and what is not.

    Args:
        real: Logits of real pictures, (B, h, w, 1).
        fake: Logits of the net's pictures, same shape.

    Returns:
        (B,); lower is better, log 2 where nothing is told apart, 0 at best.

    Reference:
        Goodfellow et al., "Generative Adversarial Networks", NeurIPS 2014; Isola et al.,
        "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017.
    """
    return (_mean(ops.softplus(-real)) + _mean(ops.softplus(fake))) / 2


def bce_generator(fake: KerasTensor) -> KerasTensor:
    """Binary cross entropy of being called real, the form that does not fade for a net that loses.

    Args and reference as `bce_critic`; (B,), lower is better, 0 at best.
    """
    return _mean(ops.softplus(-fake))


def least_squares_discriminator(real: KerasTensor, fake: KerasTensor) -> KerasTensor:
    """Squared distance of real pictures' logits from 1 and of the net's from 0.

    Args as `bce_critic`.

    Returns:
        (B,); lower is better, 1/4 where nothing is told apart, 0 at best.

    Reference:
        Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, equation 9.
    """
    return (_mean(ops.square(real - 1)) + _mean(ops.square(fake))) / 2


def least_squares_generator(fake: KerasTensor) -> KerasTensor:
    """Squared distance of the logits from 1; (B,), lower is better, 0 at best.

    Reference as `least_squares_critic`.

    Differences from the paper:
        Not halved; `critic.weight` says how much it counts.
    """
    return _mean(ops.square(fake - 1))


def hinge_discriminator(real: KerasTensor, fake: KerasTensor) -> KerasTensor:
    """How much real pictures' logits fall short of 1 and the net's exceed -1.

    Args as `bce_critic`.

    Returns:
        (B,); lower is better, 1 where nothing is told apart, 0 at best.

    Reference:
        Lim and Ye, "Geometric GAN", 2017; Miyato et al., "Spectral Normalization for Generative
        Adversarial Networks", ICLR 2018, equations 16 and 17.

    Differences from the papers:
        Halved.
    """
    return (_mean(ops.relu(1 - real)) + _mean(ops.relu(1 + fake))) / 2


def hinge_generator(fake: KerasTensor) -> KerasTensor:
    """Minus the logits; (B,), lower is better, without an end.

    Reference as `hinge_critic`.
    """
    return -_mean(fake)


BCE = GANLoss(bce_discriminator, bce_generator, chance_loss=0.6931472)
LEAST_SQUARES = GANLoss(
    least_squares_discriminator, least_squares_generator, chance_loss=0.25, real_threshold=0.5
)
HINGE = GANLoss(hinge_discriminator, hinge_generator, chance_loss=1.0)


def _mean(patches: KerasTensor) -> KerasTensor:
    return ops.mean(patches, axis=(1, 2, 3))
