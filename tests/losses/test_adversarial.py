"""GAN losses have the values computed by hand."""

import numpy as np
import pytest
from keras import ops

from lowlight_tf.catalog import GAN_LOSSES

LOG_3 = np.log(3.0)
"""sigmoid(log 3) = 3/4, softplus(-log 3) = log(4/3), softplus(log 3) = log 4."""


def logits(*patches):
    """Return the logits of one image with a row of patches."""
    return np.float32(patches)[None, None, :, None]


@pytest.mark.parametrize(
    ("name", "discriminator_loss", "generator_loss"),
    [
        # Real patches at log 3 and 0, generated ones at -log 3 and 0.
        ("bce", ((np.log(4 / 3) + np.log(2)) / 2 * 2) / 2, (np.log(4) + np.log(2)) / 2),
        (
            "least_squares",
            (((LOG_3 - 1) ** 2 + 1) / 2 + LOG_3**2 / 2) / 2,
            ((LOG_3 + 1) ** 2 + 1) / 2,
        ),
        ("hinge", ((0 + 1) / 2 + (0 + 1) / 2) / 2, LOG_3 / 2),
    ],
)
def test_losses_are_as_computed_by_hand(name, discriminator_loss, generator_loss):
    loss = GAN_LOSSES.find(name).load()
    real, fake = logits(LOG_3, 0), logits(-LOG_3, 0)
    np.testing.assert_allclose(loss.discriminator(real, fake), [discriminator_loss], rtol=1e-6)
    np.testing.assert_allclose(loss.generator(fake), [generator_loss], rtol=1e-6)


@pytest.mark.parametrize("name", tuple(GAN_LOSSES))
def test_each_loss_is_lower_for_the_logits_that_its_side_is_trained_for(name):
    loss = GAN_LOSSES.find(name).load()
    low, high = logits(-2.0), logits(2.0)
    assert float(loss.discriminator(high, low)[0]) < float(loss.discriminator(low, high)[0])
    assert float(loss.generator(high)[0]) < float(loss.generator(low)[0])


@pytest.mark.parametrize("name", tuple(GAN_LOSSES))
def test_constant_logits_have_at_least_the_chance_loss(name):
    loss = GAN_LOSSES.find(name).load()
    same = [float(loss.discriminator(logits(a), logits(a))[0]) for a in np.linspace(-2, 2, 41)]
    assert min(same) == pytest.approx(loss.chance_loss, rel=1e-5)
    at_threshold = logits(loss.real_threshold)
    assert float(loss.discriminator(at_threshold, at_threshold)[0]) == pytest.approx(
        loss.chance_loss, rel=1e-5
    )


@pytest.mark.parametrize("name", tuple(GAN_LOSSES))
def test_each_image_has_its_own_loss_and_large_logits_are_finite(name):
    loss = GAN_LOSSES.find(name).load()
    real, fake = np.float32([[200.0], [0.0]])[..., None, None], np.zeros((2, 1, 1, 1), np.float32)
    losses = ops.convert_to_numpy(loss.discriminator(real, fake))
    assert losses.shape == (2,)
    assert losses[1] == pytest.approx(loss.discriminator(fake[:1], fake[:1])[0])
    assert np.isfinite(losses).all()
