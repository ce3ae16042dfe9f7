"""Overlapping tiles of a normalizing model are matched in exposure."""

import cv2
import numpy as np
import pytest

from lowlight_tf.runtime.tile_exposure_compensation import TileExposureCompensator


@pytest.mark.slow
def test_overlapping_tiles_of_the_driving_unet_agree(rng):
    keras = pytest.importorskip("keras")
    from lowlight_tf.models.driving_unet import driving_unet

    keras.utils.set_random_seed(3)
    model = driving_unet(filters=4, depth=2, groups=2, output_normalized=False)

    def run(image):
        return np.asarray(model({"low": image[None]})["enhanced"])[0]

    street = cv2.resize(rng.random((12, 18, 3)), (180, 120)).astype(np.float32) * 0.2
    street[:, 96:] += 0.7
    compensator = TileExposureCompensator(
        run, lambda rows, columns: street[np.ix_(rows, columns)], shape=(120, 180), size=(64, 96)
    )
    dark, bright = run(street[:64, :96]), run(street[:64, 64:160])

    def difference(one, other):
        """Return how much two neighbors differ in their overlap, without its borders."""
        return np.abs((one[8:-8, 72:88] - other[8:-8, 8:24]).mean((0, 1))).max()

    before = difference(dark, bright)
    after = difference(compensator.apply(dark, 0, 0), compensator.apply(bright, 0, 64))
    assert before > 0.08
    assert after < before / 4


def test_a_tile_that_already_agrees_is_unchanged(rng):
    image = rng.random((100, 130, 3), dtype=np.float32)
    compensator = TileExposureCompensator(
        np.sqrt, lambda rows, columns: image[np.ix_(rows, columns)], shape=(100, 130), size=(9, 7)
    )
    tile = np.sqrt(image[30:39, 50:57])
    np.testing.assert_array_equal(compensator.apply(tile, 30, 50), tile)


def test_a_tile_too_small_for_the_thumbnail_is_unchanged():
    compensator = TileExposureCompensator(
        np.ones_like,
        lambda rows, columns: np.zeros((2, 2, 3), np.float32),
        shape=(90, 90),
        size=(2, 2),
    )
    tile = np.full((3, 3, 3), 0.5, np.float32)
    np.testing.assert_array_equal(compensator.apply(tile, 0, 0), tile)
