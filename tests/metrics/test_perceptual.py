"""LPIPS has the published values of its authors' examples, and golden values of seeded images."""

from pathlib import Path

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.metrics import perceptual
from lowlight_tf.metrics.fidelity import PROTOCOLS, apply_protocol
from lowlight_tf.metrics.perceptual import WEIGHTS_PATH, lpips

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "weights" / "lpips_examples"
GOLDEN = {
    (31, 31): 0.08290,
    (40, 57): 0.08072,
    (64, 64): 0.12069,
}  # from scripts/make_lpips.py:build


@pytest.fixture
def pair(rng):
    """An image of 70x90 pixels, and the same with noise."""
    target = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    noise = rng.integers(-20, 21, target.shape)
    return target, (target + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("name", "distance"), [("ex_p0.png", 0.7219), ("ex_p1.png", 0.1376)])
def test_the_published_examples_have_their_published_distances(name, distance):
    if not EXAMPLES.is_dir():
        pytest.skip("needs LPIPS's example images in ../shared/weights, which are not available")
    target, other = (image_io.load_image(EXAMPLES / file).pixels for file in ("ex_ref.png", name))
    assert lpips(target, other) == pytest.approx(distance, abs=1e-4)


def test_seeded_images_have_the_distances_of_the_float32_model():
    rng = np.random.default_rng(5)
    for size, distance in GOLDEN.items():
        images = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
        assert lpips(*images) == pytest.approx(distance, abs=1e-4)


def test_equal_images_have_a_distance_of_0_even_if_black(pair):
    assert lpips(pair[0], pair[0]) == 0
    black = np.zeros((31, 40, 3), np.uint8)
    assert lpips(black, black) == 0
    assert 0 < lpips(black, black + 255) < 1


def test_more_noise_has_a_larger_distance(pair):
    target, noisy = pair
    noisier = (target + 2.0 * (noisy.astype(float) - target)).clip(0, 255).astype(np.uint8)
    assert 0 < lpips(target, noisy) < lpips(target, noisier)


def test_floats_are_rounded_to_8_bits(pair):
    target, noisy = pair
    assert lpips(target, noisy / 255 + 0.001) == lpips(target, noisy)


def test_gray_is_repeated_to_three_channels(pair):
    gray = [image[..., :1] for image in pair]
    assert lpips(*gray) == lpips(*(image.repeat(3, -1) for image in gray))


def test_large_images_are_written_in_bands_to_an_interpreter_that_is_not_cached(pair, monkeypatch):
    expected, cache_info = lpips(*pair), perceptual._cached_interpreter.cache_info()
    monkeypatch.setattr(perceptual, "ROWS_PER_BAND", 32)
    monkeypatch.setattr(perceptual, "MAX_CACHED_PIXELS", 0)
    assert lpips(*pair) == expected
    assert perceptual._cached_interpreter.cache_info() == cache_info


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_accepts_the_result_of_every_protocol(protocol, pair):
    assert 0 < lpips(*apply_protocol(protocol, *pair)) < 1


def test_incompatible_images_are_rejected(pair):
    small = np.zeros((30, 40, 3), np.uint8)
    with pytest.raises(UsageError, match=r"31x31 pixels\. Received: 30x40x3"):
        lpips(small, small)
    with pytest.raises(UsageError, match=r"70x90x3\. Received: 70x80x3"):
        lpips(pair[0], pair[1][:, :80])


def test_the_weights_file_is_below_5_mb():
    assert WEIGHTS_PATH.stat().st_size < 5e6
