"""LPIPS has the values that its authors' examples have, and those of pictures made here."""

from pathlib import Path

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.metrics import perceptual
from lowlight_tf.metrics.fidelity import PROTOCOLS, apply_protocol
from lowlight_tf.metrics.perceptual import FILE, lpips

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "weights" / "lpips_examples"
GOLDEN = {(31, 31): 0.08290, (40, 57): 0.08072, (64, 64): 0.12069}  # of scripts/make_lpips.py:build


@pytest.fixture
def pair(rng):
    """A picture of 70x90 pixels, and the same with noise."""
    target = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    noise = rng.integers(-20, 21, target.shape)
    return target, (target + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("name", "distance"), [("ex_p0.png", 0.7219), ("ex_p1.png", 0.1376)])
def test_the_published_examples_have_their_published_distances(name, distance):
    if not EXAMPLES.is_dir():
        pytest.skip("needs LPIPS's example pictures in ../shared/weights, which are not here")
    target, other = (image_io.load_image(EXAMPLES / file).pixels for file in ("ex_ref.png", name))
    assert lpips(target, other) == pytest.approx(distance, abs=1e-4)


def test_seeded_pictures_have_the_distances_of_the_float32_net():
    rng = np.random.default_rng(5)
    for size, distance in GOLDEN.items():
        pictures = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
        assert lpips(*pictures) == pytest.approx(distance, abs=1e-4)


def test_equal_pictures_have_no_distance_even_where_they_are_black(pair):
    assert lpips(pair[0], pair[0]) == 0
    black = np.zeros((31, 40, 3), np.uint8)
    assert lpips(black, black) == 0
    assert 0 < lpips(black, black + 255) < 1


def test_more_noise_is_farther(pair):
    target, noisy = pair
    noisier = (target + 2.0 * (noisy.astype(float) - target)).clip(0, 255).astype(np.uint8)
    assert 0 < lpips(target, noisy) < lpips(target, noisier)


def test_floats_are_rounded_to_8_bits(pair):
    target, noisy = pair
    assert lpips(target, noisy / 255 + 0.001) == lpips(target, noisy)


def test_gray_is_three_equal_channels(pair):
    gray = [picture[..., :1] for picture in pair]
    assert lpips(*gray) == lpips(*(picture.repeat(3, -1) for picture in gray))


def test_large_pictures_are_shown_by_bands_to_a_net_that_is_not_kept(pair, monkeypatch):
    expected, kept = lpips(*pair), perceptual._kept.cache_info()
    monkeypatch.setattr(perceptual, "ROWS_PER_BAND", 32)
    monkeypatch.setattr(perceptual, "MAX_CACHED_INTERPRETERS", 0)
    assert lpips(*pair) == expected
    assert perceptual._kept.cache_info() == kept


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_goes_by_every_protocol(protocol, pair):
    assert 0 < lpips(*apply_protocol(protocol, *pair)) < 1


def test_what_it_cannot_compare_is_refused(pair):
    small = np.zeros((30, 40, 3), np.uint8)
    with pytest.raises(UsageError, match=r"31x31 pixels\. Received: 30x40x3"):
        lpips(small, small)
    with pytest.raises(UsageError, match=r"70x90x3\. Received: 70x80x3"):
        lpips(pair[0], pair[1][:, :80])


def test_the_file_is_small_enough_to_ship():
    assert FILE.stat().st_size < 5e6
