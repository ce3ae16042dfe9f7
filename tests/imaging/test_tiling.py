"""Tiles cover the image, overlap and are blended."""

import numpy as np
import pytest

from lowlight_tf.imaging import tiling


@pytest.mark.parametrize("length", [5, 32, 33, 60, 61, 100, 1000])
def test_tiles_cover_the_side_and_overlap_enough(length):
    starts = tiling.tile_starts(length, 32, 6)
    assert starts[0] == 0
    if length <= 32:
        assert starts == [0]
    else:
        assert starts[-1] == length - 32
        assert np.diff(starts).max() <= 32 - 6
        assert len(starts) == 1 + -(-(length - 32) // 26)  # no tile too many


def test_blend_weights_rise_smoothly_from_0_to_1():
    weights = tiling.blend_weights(20)
    assert 0 < weights[0] < 0.01
    np.testing.assert_allclose(weights + weights[::-1], 1, atol=1e-6)
    assert (np.diff(weights) > 0).all()


@pytest.mark.parametrize("shape", [(90, 70, 3), (70, 90, 3), (20, 200, 3), (32, 48, 3), (9, 7, 3)])
def test_tiles_cut_from_an_image_restore_it_bit_by_bit(rng, shape):
    image = rng.random(shape, dtype=np.float32)
    result = np.full_like(image, np.nan)
    tiling.process_tiles(
        result,
        lambda top, left: image[top : top + 32, left : left + 48].copy(),
        lambda view, values: np.copyto(view, values),
        tile_size=(32, 48),
        overlap=(6, 8),
    )
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("shape", [(200, 60), (60, 200)])
def test_no_pixel_is_written_before_its_last_read(rng, shape):
    image = rng.random((*shape, 1), dtype=np.float32)
    work = image.copy()

    def render(top, left):
        at = np.s_[top : top + 32, left : left + 48]
        np.testing.assert_array_equal(work[at], image[at])
        return work[at] + 1

    tiling.process_tiles(
        work,
        render,
        lambda view, values: np.copyto(view, values),
        tile_size=(32, 48),
        overlap=(6, 8),
    )
    np.testing.assert_array_equal(work, image + 1)


def test_a_difference_between_tiles_is_blended_over_the_overlap():
    result = np.zeros((32, 80, 1), np.float32)
    tiling.process_tiles(
        result,
        lambda top, left: np.full((32, 48, 1), np.float32(left > 0)),
        lambda view, values: np.copyto(view, values),
        tile_size=(32, 48),
        overlap=(6, 16),
    )
    assert result[0, 0, 0] == 0
    assert result[0, -1, 0] == 1
    assert np.abs(np.diff(result, axis=1)).max() < 1.6 / 16
