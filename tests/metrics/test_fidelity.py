"""Fidelity metrics equal those of scikit-image on 8-bit images; protocols as documented."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics.fidelity import PROTOCOLS, apply_protocol, mae, psnr, ssim


def image(*pixels):
    return np.array([pixels], np.uint8)


def flat(level, *, size=(12, 13)):
    return np.full((*size, 3), level, np.uint8)


def real_pair(height, width, rng):
    """Return a crop of a photograph and a darker, noisier version of it."""
    data = pytest.importorskip("skimage.data")
    target = data.chelsea()[40 : 40 + height, 60 : 60 + width]
    dark = (target / 255) ** 1.7 * 255 + rng.normal(0, 6, target.shape)
    return target, np.clip(np.rint(dark), 0, 255).astype(np.uint8)


def random_pair(height, width, rng):
    return tuple(rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("pair", [random_pair, real_pair])
@pytest.mark.parametrize("size", [(11, 11), (11, 40), (37, 53), (128, 97), (300, 20)])
def test_psnr_and_ssim_are_those_of_scikit_image(pair, size, rng):
    metrics = pytest.importorskip("skimage.metrics")
    target, enhanced = pair(*size, rng)
    similarity = metrics.structural_similarity(
        target,
        enhanced,
        channel_axis=-1,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    ratio = metrics.peak_signal_noise_ratio(target, enhanced, data_range=255)
    assert ssim(target, enhanced) == pytest.approx(similarity, abs=1e-6)
    assert psnr(target, enhanced) == pytest.approx(ratio, abs=1e-6)


def test_one_level_everywhere_is_48_db():
    assert psnr(flat(7), flat(8)) == pytest.approx(20 * math.log10(255))
    assert mae(flat(7), flat(8)) == pytest.approx(1 / 255)


def test_black_against_white_is_0_db():
    assert psnr(flat(255), flat(0)) == pytest.approx(0)
    assert mae(flat(255), flat(0)) == 1


def test_psnr_pools_the_channels_before_the_logarithm():
    target, enhanced = image((50, 50, 50)), image((60, 50, 50))
    assert psnr(target, enhanced) == pytest.approx(10 * math.log10(255**2 / (100 / 3)))


def test_ssim_of_flat_images_is_its_luminance_term():
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 50 + c1) / (100**2 + 50**2 + c1)
    assert ssim(flat(100), flat(50)) == pytest.approx(expected, abs=1e-9)


def test_equal_images_have_an_infinite_psnr(rng):
    target, _ = random_pair(20, 30, rng)
    assert psnr(target, target) == math.inf
    assert ssim(target, target) == pytest.approx(1, abs=1e-12)
    assert mae(target, target) == 0


@pytest.mark.parametrize(
    ("value", "level"), [(0.4 / 255, 0), (0.6 / 255, 1), (-0.5, 0), (1.5, 255), (99.6 / 255, 100)]
)
def test_floats_are_clipped_and_rounded_to_8_bits(value, level):
    floats = np.full((12, 13, 3), value, np.float32)
    assert psnr(flat(level), floats) == math.inf


@pytest.mark.parametrize("metric", [psnr, mae, ssim])
@pytest.mark.parametrize(
    ("enhanced", "message"),
    [
        (flat(0, size=(13, 12)), r"12x13x3\. Received: 13x12x3"),
        (flat(0).astype(np.uint16), "uint16"),
        (np.full((12, 13, 3), np.nan, np.float32), "NaN"),
    ],
)
def test_incompatible_images_are_rejected(metric, enhanced, message):
    with pytest.raises(UsageError, match=message):
        metric(flat(0), enhanced)


def test_ssim_of_images_smaller_than_the_window_is_rejected():
    with pytest.raises(UsageError, match="11x11"):
        ssim(flat(0, size=(10, 40)), flat(0, size=(10, 40)))


def test_the_plain_protocol_only_rounds():
    target, enhanced = apply_protocol(
        "plain", image((1, 2, 3)), np.full((1, 1, 3), 0.5, np.float32)
    )
    assert target.tolist() == [[[1, 2, 3]]]
    assert enhanced.dtype == np.uint8
    assert enhanced.tolist() == [[[128, 128, 128]]]


def test_gt_mean_scales_by_the_ratio_of_mean_lumas():
    # Lumas of the enhanced: 2.99 and 5.87, mean 4.43; 60 / 4.43 = 13.54.
    target = image((60, 60, 60), (60, 60, 60))
    unchanged, scaled = apply_protocol("gt_mean", target, image((10, 0, 0), (0, 10, 0)))
    assert unchanged.tolist() == target.tolist()
    assert scaled.tolist() == [[[135, 0, 0], [0, 135, 0]]]


def test_gt_mean_rounds_before_scaling():
    # 0.4 levels are 0 in an 8-bit file: no factor restores it.
    faint = np.full((1, 2, 3), 0.4 / 255, np.float32)
    _, scaled = apply_protocol("gt_mean", image((60, 60, 60), (60, 60, 60)), faint)
    assert not scaled.any()


def test_gt_mean_clips_at_255():
    _, scaled = apply_protocol(
        "gt_mean", image((90, 90, 90), (90, 90, 90)), image((90, 90, 90), (0,) * 3)
    )
    assert scaled.tolist() == [[[180] * 3, [0] * 3]]
    _, scaled = apply_protocol(
        "gt_mean", image((200,) * 3, (200,) * 3), image((90, 90, 90), (0,) * 3)
    )
    assert scaled.tolist() == [[[255] * 3, [0] * 3]]


def test_gt_mean_corrects_a_wrong_exposure(rng):
    target = 2 * rng.integers(0, 128, (20, 30, 3), dtype=np.uint8)
    assert psnr(*apply_protocol("plain", target, target // 2)) < 20
    assert psnr(*apply_protocol("gt_mean", target, target // 2)) == math.inf


def test_luma_compares_rounded_full_range_grays():
    target, enhanced = apply_protocol("luma", image((255, 0, 0)), image((0, 255, 0)))
    assert (target.tolist(), enhanced.tolist()) == ([[[76]]], [[[150]]])
    assert psnr(target, enhanced) == pytest.approx(20 * math.log10(255 / 74))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_metric_accepts_the_result_of_every_protocol(protocol, rng):
    target, enhanced = apply_protocol(protocol, *real_pair(30, 20, rng))
    assert 0 < psnr(target, enhanced) < 100
    assert 0 < ssim(target, enhanced) < 1
    assert 0 < mae(target, enhanced) < 1


def test_an_unknown_protocol_is_rejected_with_the_closest_name():
    with pytest.raises(UsageError, match=r"'gtmean'\. Known: gt_mean\."):
        apply_protocol("gtmean", flat(0), flat(0))
