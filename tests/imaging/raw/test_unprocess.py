"""Camera processing is inverted by the formulas, and the round trip restores the image."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.classical.raw import libraw
from lowlight_tf.imaging import color
from lowlight_tf.imaging.noise import add_sensor_noise
from lowlight_tf.imaging.raw import cfa, unprocess
from lowlight_tf.imaging.raw.unprocess import NoiseModel, SimulatedCamera

IDENTITY = tuple(map(tuple, np.linalg.inv(unprocess.compute_color_matrix(np.eye(3))).tolist()))
PLAIN = SimulatedCamera(xyz_to_camera=IDENTITY, camera_wb=(2.0, 1.0, 1.5))


@pytest.fixture
def image_without_highlights(rng):
    """A smooth image of 48x64 without highlights."""
    coarse = rng.random((6, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    return np.float32(0.1 + 0.6 * coarse)


def test_the_tone_curve_and_its_inverse_are_as_published(rng):
    # 3 x^2 - 2 x^3 at 0, 1/4, 1/2, 1 is 0, 5/32, 1/2, 1.
    np.testing.assert_allclose(
        unprocess.smoothstep(np.array([0, 0.25, 0.5, 1])), [0, 5 / 32, 0.5, 1], atol=1e-12
    )
    image = rng.random(100)
    np.testing.assert_allclose(
        unprocess.inverse_smoothstep(unprocess.smoothstep(image)), image, atol=1e-9
    )


def test_color_matrix_and_white_balance_are_inverted():
    camera = SimulatedCamera(
        xyz_to_camera=tuple(map(tuple, np.eye(3).tolist())), camera_wb=(2.0, 1.0, 4.0)
    )
    light = np.array([[[0.2, 0.4, 0.1]]])
    unprocessed = unprocess.unprocess(color.to_srgb(light), camera)
    np.testing.assert_allclose(
        camera.color_matrix @ (unprocessed[0, 0] * camera.camera_wb), light[0, 0], atol=1e-6
    )


def test_gray_is_divided_by_the_gains_and_white_stays_white():
    # Balanced gray g is g in all channels whatever the matrix, whose rows add up to 1. At
    # g = 0.95, a = 0.25: red is multiplied by 0.25 + 0.75 / 2, blue by 0.25 + 0.75 / 1.5.
    for gray, factors in ((0.4, (0.5, 1, 1 / 1.5)), (0.95, (0.625, 1, 0.75)), (1.0, (1, 1, 1))):
        image = color.to_srgb(np.full((1, 1, 3), gray))
        unprocessed = unprocess.unprocess(image, PLAIN)[0, 0]
        np.testing.assert_allclose(unprocessed, gray * np.array(factors), atol=1e-6)


@pytest.mark.parametrize("tone_curve", [False, True])
def test_process_restores_an_unprocessed_image(image_without_highlights, rng, tone_curve):
    for _ in range(5):
        camera = unprocess.random_camera(rng, tone_curve=tone_curve)
        again = unprocess.process(unprocess.unprocess(image_without_highlights, camera), camera)
        assert again.dtype == np.float32
        np.testing.assert_allclose(again, image_without_highlights, atol=2e-3)


def test_highlights_are_restored_as_white():
    white = np.ones((2, 2, 3), np.float32)
    np.testing.assert_allclose(
        unprocess.process(unprocess.unprocess(white, PLAIN), PLAIN), 1, atol=1e-6
    )


@pytest.mark.parametrize("name", unprocess.CAMERAS)
def test_every_camera_keeps_gray_gray(name):
    xyz_to_camera = np.array(unprocess.CAMERAS[name]).reshape(3, 3) / 1e4
    matrix = unprocess.compute_color_matrix(xyz_to_camera)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-9)
    assert (np.diag(matrix) > 1).all()  # filters are broader than sRGB's colors
    again = np.linalg.inv(matrix)
    assert (again > 0).all()  # light is never negative


def test_random_cameras_and_noise_are_within_their_ranges(rng):
    for _ in range(50):
        camera, noise = unprocess.random_camera(rng), unprocess.random_noise(rng)
        assert unprocess.RED_GAIN_RANGE[0] <= camera.camera_wb[0] <= unprocess.RED_GAIN_RANGE[1]
        assert unprocess.BLUE_GAIN_RANGE[0] <= camera.camera_wb[2] <= unprocess.BLUE_GAIN_RANGE[1]
        assert unprocess.SHOT_NOISE_RANGE[0] <= noise.shot <= unprocess.SHOT_NOISE_RANGE[1]
        assert 0 <= noise.row <= 0.3 * noise.read
    assert unprocess.random_camera(rng, bit_depth=12).bit_depth == 12


def test_read_noise_follows_the_fit_of_the_paper(rng):
    noises = [unprocess.random_noise(rng) for _ in range(2000)]
    logs = np.log([(noise.shot, noise.read**2) for noise in noises])
    rest = logs[:, 1] - 2.18 * logs[:, 0] - 1.20
    assert abs(rest.mean()) < 0.03
    assert rest.std() == pytest.approx(0.26, rel=0.1)


@pytest.mark.parametrize(
    ("shot", "read", "row"),
    [(1e-3, 0, 0), (0, 4e-3, 0), (0, 0, 5e-3), (1e-3, 4e-3, 5e-3)],
)
def test_the_variance_of_the_noise_follows_the_formula(rng, shot, read, row):
    light = np.full((1500, 300), 0.25)
    noisy = add_sensor_noise(light, rng=rng, shot=shot, read=read, row=row)
    # Within a row, and of the means of rows: row noise is what a row has in common.
    own = shot * 0.25 + read**2
    within = noisy.var(axis=1, ddof=1).mean()
    between = noisy.mean(axis=1).var(ddof=1)
    np.testing.assert_allclose(within, own, rtol=0.02, atol=1e-30)
    np.testing.assert_allclose(between, row**2 + own / 300, rtol=0.12)
    np.testing.assert_allclose(noisy.mean(), 0.25, rtol=2e-3)


@pytest.mark.parametrize("pattern", [*cfa.BAYER_PATTERNS, cfa.XTRANS])
def test_a_simulated_capture_has_the_mean_and_variance_of_the_formula(rng, pattern):
    camera = SimulatedCamera(
        IDENTITY, (2.0, 1.0, 1.5), cfa_pattern=pattern, bit_depth=12, black_level=256.0
    )
    light = np.empty((240, 240, 3))
    light[:] = [0.2, 0.5, 0.8]
    noise = NoiseModel(shot=2e-3, read=3e-3, row=1e-3)
    capture = unprocess.simulate_capture(light, camera=camera, noise=noise, ratio=4.0, rng=rng)
    assert capture.raw_values.dtype == np.uint16
    unprocessed = (capture.raw_values - 256.0) / (4095 - 256)
    for channel, name in enumerate(cfa.CHANNEL_COLORS[unprocessed.shape[-1]]):
        mean = light[0, 0, "RGB".index(name)] / 4
        values = unprocessed[1:-1, 1:-1, channel]
        variance = 2e-3 * mean + 3e-3**2 + 1e-3**2 + (4095 - 256) ** -2 / 12
        assert values.mean() == pytest.approx(mean, rel=0.01)
        assert values.var() == pytest.approx(variance, rel=0.1)


def test_raw_values_are_rounded_and_clipped_at_white(rng):
    camera = SimulatedCamera(IDENTITY, (1.0, 1.0, 1.0), bit_depth=12, black_level=64.0)
    light = np.ones((8, 8, 3))
    noise = NoiseModel(0, 0)
    bright = unprocess.simulate_capture(light, camera=camera, noise=noise, ratio=1.0, rng=rng)
    assert (bright.raw_values == 4095).all()
    half = unprocess.simulate_capture(light, camera=camera, noise=noise, ratio=2.0, rng=rng)
    assert (half.raw_values == round(64 + (4095 - 64) / 2)).all()
    loud = unprocess.simulate_capture(
        light, camera=camera, noise=NoiseModel(0, 1.0), ratio=1.0, rng=rng
    )
    assert (loud.raw_values.min(), loud.raw_values.max()) == (0, 4095)
    with pytest.raises(UsageError, match="`ratio` must be a positive number"):
        unprocess.simulate_capture(light, camera=camera, noise=noise, ratio=0, rng=rng)


def test_a_sample_is_dark_and_aligned_with_its_target(image_without_highlights, rng):
    noise = NoiseModel(1e-9, 0)
    sample = unprocess.sample_pair(
        image_without_highlights[:47, :63], rng, ratio=(50.0, 100.0), noise=noise
    )
    assert (sample.packed.shape, sample.packed.dtype) == ((23, 31, 4), np.float32)
    assert (sample.target.shape, sample.target.dtype) == ((46, 62, 3), np.float32)
    np.testing.assert_array_equal(sample.target, image_without_highlights[:46, :62])
    assert 50 <= sample.ratio <= 100
    assert 0 < sample.packed.max() < 1 / 50
    assert sample.metadata.size == (46, 62)


def test_the_same_seed_gives_the_same_sample(image_without_highlights):
    first, second = (
        unprocess.sample_pair(image_without_highlights, np.random.default_rng(3), ratio=100)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.packed, second.packed)
    assert (first.ratio, first.metadata) == (second.ratio, second.metadata)
    assert first.ratio == 100


def test_a_sample_of_another_pattern_is_refused(image_without_highlights, rng):
    with pytest.raises(UsageError, match=r"must be RGGB. Received: BGGR"):
        unprocess.sample_pair(
            image_without_highlights, rng, camera=unprocess.random_camera(rng, cfa_pattern="BGGR")
        )


def test_libraw_develops_a_sample_without_noise_into_its_target(image_without_highlights, rng):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    soft = np.float32(0.2 + 0.5 * np.mgrid[0:1:64j, 0:1:80j].transpose(1, 2, 0))
    soft = np.dstack([soft, soft[..., :1][::-1]])
    for ratio in (1.0, 20.0):
        sample = unprocess.sample_pair(soft, rng, ratio=ratio, noise=NoiseModel(0, 0))
        developed = libraw(sample.packed, sample.metadata, ratio=sample.ratio)
        assert (developed.shape, developed.dtype) == (sample.target.shape, np.float32)
        inner = np.s_[4:-4, 4:-4]
        np.testing.assert_allclose(developed[inner], sample.target[inner], atol=0.02)
