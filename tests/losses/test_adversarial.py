"""The losses of the game between critic and net have the values worked out by hand."""

import numpy as np
import pytest
from keras import ops

from lowlight_tf.catalog import GAN_LOSSES

LOG_3 = np.log(3.0)
"""sigmoid(log 3) = 3/4, softplus(-log 3) = log(4/3), softplus(log 3) = log 4."""


def logits(*patches):
    """One picture of a row of patches."""
    return np.float32(patches)[None, None, :, None]


@pytest.mark.parametrize(
    ("name", "critic", "net"),
    [
        # Real patches at log 3 and 0, the net's at -log 3 and 0.
        ("bce", ((np.log(4 / 3) + np.log(2)) / 2 * 2) / 2, (np.log(4) + np.log(2)) / 2),
        (
            "least_squares",
            (((LOG_3 - 1) ** 2 + 1) / 2 + LOG_3**2 / 2) / 2,
            ((LOG_3 + 1) ** 2 + 1) / 2,
        ),
        ("hinge", ((0 + 1) / 2 + (0 + 1) / 2) / 2, LOG_3 / 2),
    ],
)
def test_values_by_hand(name, critic, net):
    game = GAN_LOSSES.find(name).load()
    real, fake = logits(LOG_3, 0), logits(-LOG_3, 0)
    np.testing.assert_allclose(game.critic(real, fake), [critic], rtol=1e-6)
    np.testing.assert_allclose(game.net(fake), [net], rtol=1e-6)


@pytest.mark.parametrize("name", tuple(GAN_LOSSES))
def test_each_side_pays_less_when_the_critic_answers_as_it_wants(name):
    game = GAN_LOSSES.find(name).load()
    low, high = logits(-2.0), logits(2.0)
    assert float(game.critic(high, low)[0]) < float(game.critic(low, high)[0])
    assert float(game.net(high)[0]) < float(game.net(low)[0])


@pytest.mark.parametrize("name", tuple(GAN_LOSSES))
def test_nobody_guesses_better_than_the_guess(name):
    game = GAN_LOSSES.find(name).load()
    same = [float(game.critic(logits(a), logits(a))[0]) for a in np.linspace(-2, 2, 41)]
    assert min(same) == pytest.approx(game.guess, rel=1e-5)
    at_border = logits(game.border)
    assert float(game.critic(at_border, at_border)[0]) == pytest.approx(game.guess, rel=1e-5)


@pytest.mark.parametrize("name", tuple(GAN_LOSSES))
def test_pictures_are_kept_apart_and_no_logit_is_too_large(name):
    game = GAN_LOSSES.find(name).load()
    real, fake = np.float32([[200.0], [0.0]])[..., None, None], np.zeros((2, 1, 1, 1), np.float32)
    both = ops.convert_to_numpy(game.critic(real, fake))
    assert both.shape == (2,)
    assert both[1] == pytest.approx(game.critic(fake[:1], fake[:1])[0])
    assert np.isfinite(both).all()
