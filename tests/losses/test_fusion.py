"""Fusion losses have the values computed by hand."""

import cv2
import numpy as np
import pytest
from keras import ops

from lowlight_tf.checks import UsageError
from lowlight_tf.losses import fusion
from lowlight_tf.metrics.fusion_structure import qabf, vif


def value(loss):
    (number,) = ops.convert_to_numpy(loss)
    return float(number)


def flat(level, side=16):
    return np.full((1, side, side, 1), level, np.float32)


def ramp(step, side=8):
    """Return an image that increases by `step` per pixel to the right."""
    return np.float32(step * np.arange(side)).reshape(1, 1, side, 1).repeat(side, axis=1)


def test_the_target_intensity_is_the_maximum_of_both():
    visible, infrared = flat(0.2), flat(0.7)
    assert value(fusion.max_intensity(visible, infrared, infrared)) == 0
    assert value(fusion.max_intensity(visible, infrared, visible)) == pytest.approx(0.5)


def test_the_contrast_target_is_the_source_that_stands_out():
    visible, infrared = flat(0.5, side=32), flat(0.4, side=32)
    visible[:, :8, :8], infrared[:, 16:24, :8] = 0.9, 0.1  # in one of 16 blocks each
    one, other = np.s_[:, :8, :8], np.s_[:, 16:24, :8]
    fused = 0.5 * (visible + infrared)
    for block, target, source in ((one, visible, infrared), (other, infrared, visible)):
        chosen, missed = fused.copy(), fused.copy()
        chosen[block], missed[block] = target[block], source[block]
        gain = value(fusion.max_contrast(visible, infrared, missed)) - value(
            fusion.max_contrast(visible, infrared, chosen)
        )
        difference = abs(float(target[block].mean() - source[block].mean()))
        assert gain == pytest.approx(difference / 16, rel=0.01)


def test_of_equal_contrasts_the_brighter_one_is_the_target():
    visible, infrared = flat(0.5), flat(0.5)
    visible[:, :8], infrared[:, :8] = 0.7, 0.3
    brighter, darker = (
        value(fusion.max_contrast(visible, infrared, x)) for x in (visible, infrared)
    )
    assert brighter < 0.2 * darker


@pytest.mark.parametrize(("level", "center"), [(0.1, 0.03), (0.5, 0.5), (0.8, 0.95)])
def test_the_contrast_target_has_more_contrast_where_there_is_room(level, center):
    image = flat(level)
    image[:, :8] += 0.04
    image[:, 8:] -= 0.04
    mean = level**2 / (level**2 + (1 - level) ** 2)
    assert mean == pytest.approx(center, abs=0.02)
    target = mean + 1.2 * (image - mean)
    assert value(fusion.max_contrast(image, image, target)) == pytest.approx(0, abs=1e-6)


def test_sobel_of_a_ramp_is_its_step():
    across, down = fusion.sobel(ramp(0.1))
    np.testing.assert_allclose(across[0, :, 1:-1, 0], 0.1, rtol=1e-5)
    np.testing.assert_allclose(across[0, :, 0, 0], 0.05, rtol=1e-5)  # half of the window is padding
    np.testing.assert_allclose(down, 0, atol=1e-7)


def test_the_target_gradient_is_the_larger_magnitude_of_both():
    steep, gentle = ramp(0.1), ramp(0.04)
    assert value(fusion.max_gradient(steep, gentle, steep)) == 0
    # A difference of 0.06 in 6 columns, and of 0.03 in the 2 at the border.
    expected = (6 * 0.06 + 2 * 0.03) / 8
    assert value(fusion.max_gradient(gentle, steep, gentle)) == pytest.approx(expected, rel=1e-4)
    assert value(fusion.max_gradient(gentle, steep, -steep)) == pytest.approx(0, abs=1e-6)


def test_the_gradient_loss_depends_on_the_sign():
    # Horizontal: 0.2 in 6 columns and 0.1 in 2; vertical: 0; the mean of both.
    expected = 0.5 * (6 * 0.2 + 2 * 0.1) / 8
    assert value(fusion.gradient(ramp(0.1), ramp(-0.1))) == pytest.approx(expected, rel=1e-4)


def test_equal_images_have_no_loss(rng):
    image = rng.random((1, 16, 16, 1), dtype=np.float32)
    assert value(fusion.source_ssim(image, image, image)) == pytest.approx(0, abs=1e-5)
    assert value(fusion.reconstruction(image, image)) == pytest.approx(0, abs=1e-5)
    assert value(fusion.gradient(image, image)) == 0


def test_the_reconstruction_of_flat_images_is_as_computed_by_hand():
    # SSIM of flat images is its luminance term, (2ab + c) / (a^2 + b^2 + c), c = 0.0001.
    similarity = (2 * 0.05 * 0.07 + 1e-4) / (0.0025 + 0.0049 + 1e-4)
    expected = 0.0004 + 2.5 * (1 - similarity)
    assert value(fusion.reconstruction(flat(0.05), flat(0.07))) == pytest.approx(expected, rel=1e-3)


def test_bases_should_be_similar_and_details_dissimilar():
    one, other = flat(-0.3), flat(0.7)
    assert value(fusion.base_difference(one, one)) == 0
    assert value(fusion.base_difference(one, other)) == pytest.approx(np.tanh(1), rel=1e-5)
    assert value(fusion.detail_similarity(one, one)) == 1
    assert value(fusion.detail_similarity(one, other)) == pytest.approx(1 - np.tanh(1), rel=1e-5)


def test_lost_edges_are_those_that_qabf_measures(rng):
    visible, infrared, fused = (np.zeros((48, 48), np.uint8) for _ in range(3))
    for image in (visible, infrared, fused):  # on black, so that the border is no edge
        image[3:-3, 3:-3] = cv2.GaussianBlur(rng.integers(0, 256, (42, 42), np.uint8), (0, 0), 2)
    tensors = (np.float32(image[None, ..., None] / 255) for image in (visible, infrared, fused))
    expected = 1 - qabf(visible, infrared, fused)
    assert value(fusion.edge_preservation(*tensors)) == pytest.approx(expected, abs=2e-3)


def test_lost_information_is_that_which_vif_measures(rng):
    visible, infrared = (
        cv2.GaussianBlur(rng.integers(0, 256, (96, 80), np.uint8), (0, 0), 2) for _ in range(2)
    )
    fused = np.uint8((np.float32(visible) + infrared) / 2)
    tensors = [np.float32(image[None, ..., None] / 255) for image in (visible, infrared, fused)]
    expected = 1 - vif(visible, infrared, fused) / 2
    assert value(fusion.source_vif(*tensors)) == pytest.approx(expected, abs=1e-3)


def test_raised_contrast_is_no_information(rng):
    dim = np.float32(cv2.GaussianBlur(rng.random((1, 64, 64))[0], (0, 0), 2)[None, ..., None])
    raised = dim.mean() + 2 * (dim - dim.mean())
    assert vif(dim[0], dim[0], raised[0].clip(0, 1)) > 2.1
    for fused in (dim, raised):  # what is added to the variances counts 0.0016
        assert value(fusion.source_vif(dim, dim, fused)) == pytest.approx(0, abs=2e-3)
    assert value(fusion.source_vif(dim, dim, flat(0.5, 64))) == pytest.approx(1, abs=1e-3)


def test_images_without_a_window_at_each_scale_of_vif_are_rejected():
    assert np.isfinite(value(fusion.source_vif(*3 * [ramp(0.01, 41)])))
    with pytest.raises(UsageError, match=r"at least 41 pixels a side\. Received: 40"):
        fusion.source_vif(*3 * [ramp(0.01, 40)])
