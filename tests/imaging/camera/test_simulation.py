"""Each step of the simulated camera does what its formula says."""

import dataclasses

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color
from lowlight_tf.imaging.camera import simulation
from lowlight_tf.imaging.camera.simulation import (
    DEMOSAIC_SIGMA_SQUARED,
    Capture,
    develop,
    fade_unseen,
    process,
    sample_capture,
    sensor_noise,
    simulate_capture,
    visibility_floor,
)


@pytest.fixture
def day(rng):
    """A smooth photograph in color with a white patch and a black one, 64 x 80 pixels."""
    rows, columns = np.mgrid[0:64, 0:80]
    image = np.stack([80 + columns, 60 + 2 * rows, 200 - columns], axis=-1)
    image[4:20, 4:20], image[40:60, 50:70] = 255, 0
    return np.uint8(np.clip(image, 0, 255))


def test_noise_has_the_variance_of_its_formula(rng):
    light = np.full((400, 400, 3), 0.25, np.float32)
    noise = sensor_noise(light, shot=1e-3, read=0.02, rng=rng)
    expected = 1e-3 * 0.25 + 0.02**2
    red, green, blue = noise[8:-8, 8:-8].reshape(-1, 3).var(axis=0) / expected
    assert green == pytest.approx(DEMOSAIC_SIGMA_SQUARED["green"], rel=0.03)
    assert red == pytest.approx(DEMOSAIC_SIGMA_SQUARED["red_blue"], rel=0.03)
    assert blue == pytest.approx(DEMOSAIC_SIGMA_SQUARED["red_blue"], rel=0.03)
    assert abs(noise.mean()) < 1e-3


def test_shot_noise_grows_with_light_and_read_noise_does_not(rng):
    light = np.repeat(np.float32([0.1, 0.9]), 200)[None, :, None] * np.ones((200, 1, 3), "f4")

    def ratio(**settings):
        noise = sensor_noise(light, rng=rng, **settings)
        return noise[:, 220:380].var() / noise[:, 20:180].var()

    assert ratio(shot=1e-3, read=0.0) == pytest.approx(9, rel=0.1)
    assert ratio(shot=0.0, read=0.02) == pytest.approx(1, rel=0.1)


def test_demosaicing_correlates_neighbours(rng):
    noise = sensor_noise(np.full((300, 300, 3), 0.5, "f4"), shot=0.0, read=0.1, rng=rng)[..., 0]
    # Red: a site and the mean of two sites share one of them at half weight: 0.5 of the variance
    # of a site; the mean over positions of the product is 0.375, of the square 0.5625.
    neighbours = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert neighbours == pytest.approx(0.375 / 0.5625, abs=0.03)


def test_developing_keeps_black_white_and_the_order_of_tones():
    light = np.linspace(0, 1, 1000, dtype=np.float32)[:, None, None] * np.ones((1, 1, 3), "f4")
    for settings in ({}, {"black_level": 0.004}, {"contrast": 0.35}):
        image = develop(light, Capture(**settings))
        assert image[0].max() == 0
        assert image[-1].min() == pytest.approx(1, abs=1e-6)
        assert (np.diff(image[:, 0, 0]) >= 0).all()


def test_developing_without_settings_is_the_srgb_curve():
    assert develop(np.full((1, 1, 3), 0.5, "f4"), Capture())[0, 0, 0] == pytest.approx(
        0.7354, abs=1e-4
    )


def test_one_stop_is_half_the_light(day, rng):
    low, _ = simulate_capture(day, Capture(exposure_ev=-1.0, visibility_floor=0.0), rng)
    expected = color.to_srgb(color.to_linear(np.float32(day) / 255) / 2)
    assert np.abs(low / 255 - expected).max() < 0.5 / 255 + 1e-6


def test_an_unchanged_capture_is_the_image_itself(day, rng):
    low, target = simulate_capture(day, Capture(visibility_floor=0.0), rng)
    np.testing.assert_array_equal(low, day)
    np.testing.assert_array_equal(target, day)


def test_the_target_keeps_white_and_brightness_under_less_light(day, rng):
    _, target = simulate_capture(day, Capture(exposure_ev=-2.0, visibility_floor=0.0), rng)
    np.testing.assert_array_equal(target, day)


def test_most_unevenness_is_taken_out_of_the_target(rng):
    gray = np.full((64, 96, 3), 140, np.uint8)
    capture = Capture(uneven_ev=4.0, kept_unevenness=0.1, visibility_floor=0.0)
    low, target = simulate_capture(gray, capture, rng)

    def stops(image):
        light = color.to_linear(np.float32(image[..., 1]) / 255)
        return np.log2(light.max() / light.min())

    assert stops(low) == pytest.approx(4, abs=0.4)  # 8 bits: the darkest code is 12
    assert stops(target) == pytest.approx(0.4, abs=0.1)


def test_a_lamp_is_white_in_the_camera_image_and_in_the_target(day, rng):
    capture = dataclasses.replace(sample_capture(np.random.default_rng(0)), codec="none")
    from lowlight_tf.imaging.camera.illumination import Lamp

    lamp = Lamp((0.5, 0.25), 0.08, 0.1, (1.0, 0.9, 0.8))
    capture = dataclasses.replace(capture, exposure_ev=-5.0, lamps=(lamp,), denoise=0.0)
    low, target = simulate_capture(day, capture, rng)
    assert low[32, 20].min() >= 253
    assert target[32, 20].min() >= 253


def test_targets_are_black_where_nothing_was_visible():
    target = np.full((32, 32, 3), 0.5, np.float32)

    def level(code):
        clean = np.full((32, 32, 3), code / 255, np.float32)
        return fade_unseen(target, clean, floor=6.0).mean()

    assert level(0) == 0
    assert level(6) == pytest.approx(0.25, abs=1e-3)  # half, by definition of the floor
    assert level(3) == pytest.approx(0.5 / 17, abs=1e-3)  # 1 / (1 + 2^4)
    assert level(60) == pytest.approx(0.5, abs=1e-3)


def test_black_that_a_camera_stores_as_a_few_codes_is_no_signal(day, rng):
    capture = Capture(exposure_ev=-16.0, black_level=-0.001, visibility_floor=1.5)
    low, target = simulate_capture(day, capture, rng)
    assert low.min() >= 3  # 0.001 is 3.3 codes
    assert target.max() <= 1


def test_targets_lack_what_compression_removed(day, rng, monkeypatch):
    capture = Capture(exposure_ev=-3.0, visibility_floor=1.5, codec="jpeg")
    _, expected = simulate_capture(day, capture, rng)
    assert np.median(expected) > 60

    def keep_left_half(image, quality):
        return np.where(np.arange(image.shape[1])[:, None] < 40, image, np.uint8(0))

    monkeypatch.setattr(simulation, "jpeg", keep_left_half)
    _, target = simulate_capture(day, capture, rng)
    np.testing.assert_allclose(target[:, :30], expected[:, :30], atol=12)
    assert target[:, 60:].max() <= 1


def test_stray_light_is_stored_and_removed_from_targets(day, rng):
    capture = Capture(exposure_ev=-16.0, veil=0.0016, visibility_floor=1.5)
    low, target = simulate_capture(day, capture, rng)
    assert 2 <= low.max() <= 12  # 0.0016 is 5.3 codes, times its color
    assert low.min() <= low.max() / 3
    assert target.max() <= 1


def test_color_fades_before_brightness():
    target = np.broadcast_to(np.float32([0.6, 0.4, 0.2]), (32, 32, 3))
    faded = fade_unseen(target, np.full((32, 32, 3), 6 / 255, "f4"), floor=6.0)[16, 16]
    chroma = (faded[0] - faded[2]) / (0.6 - 0.2)
    assert chroma == pytest.approx(0.5 / (1 + 1.5**4), abs=1e-3)


def test_the_floor_of_visibility_rises_with_noise_and_compression():
    assert visibility_floor(Capture()) == 1.5
    assert visibility_floor(Capture(codec="h264", quality=28)) == 4.5
    assert visibility_floor(Capture(codec="h264", quality=36)) == 5.0
    assert visibility_floor(Capture(codec="jpeg", quality=42)) == 3.5
    assert visibility_floor(Capture(codec="jpeg", quality=90)) == 1.5
    noisy = Capture(read=1e-3)  # 12.92 * 255 * 0.001 * sqrt(0.625) = 2.605
    assert visibility_floor(noisy) == pytest.approx(4.105, abs=1e-3)
    denoised = dataclasses.replace(noisy, denoise=0.05)
    assert visibility_floor(denoised) == pytest.approx(2.802, abs=1e-3)


def test_the_same_seed_makes_the_same_pair(day):
    def made(seed):
        rng = np.random.default_rng(seed)
        return simulate_capture(day, dataclasses.replace(sample_capture(rng), codec="h264"), rng)

    for first, second in zip(made(3), made(3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert any(
        (a != b).any() if a.shape == b.shape else True
        for a, b in zip(made(3), made(4), strict=True)
    )


def test_motion_cuts_input_and_target_alike(rng):
    # A scene without noise and compression losses worth naming: the pair must lie over each other.
    rows, columns = np.mgrid[0:64, 0:96]
    image = np.repeat(np.uint8(80 + 60 * np.sin(rows / 5) * np.sin(columns / 7))[..., None], 3, -1)
    for motion in ((2, -1), (-2, 2), (0, 0)):
        capture = Capture(codec="h264", quality=4, motion=motion, frames=4, visibility_floor=0.0)
        low, target = simulate_capture(image, capture, rng)
        assert low.shape == target.shape
        assert np.abs(low.astype(int) - target).mean() < 2


def test_noise_is_added_where_there_is_light(rng):
    clean = process(np.full((64, 64, 3), 0.2, "f4"), Capture(), rng)
    noisy = process(np.full((64, 64, 3), 0.2, "f4"), Capture(shot=1e-3), rng)
    assert clean.std() == 0
    assert noisy.std() > 1


def test_drawn_captures_are_what_the_docstring_says():
    captures = [sample_capture(np.random.default_rng(seed)) for seed in range(600)]
    well_exposed = [
        c for c in captures if c.exposure_ev > -0.15 and not c.lamps and c.contrast == 0
    ]
    assert 0.1 < len(well_exposed) / len(captures) < 0.25
    assert min(c.exposure_ev for c in captures) > -7
    assert {c.codec for c in captures} == {"none", "jpeg", "h264"}
    for capture in captures:
        assert np.array(capture.cast) @ np.array(color.LUMA_WEIGHTS) == pytest.approx(1)


@pytest.mark.parametrize(
    "settings", [{"uneven_ev": -1.0}, {"shot": -1e-3}, {"frames": 0}, {"codec": "gif"}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UsageError, match="Received"):
        Capture(**settings)
