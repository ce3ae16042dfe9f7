"""A warp that is known is found and undone, and what cannot be is said."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import fusion_folder
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.registration.alignment import (
    register_pair,
    register_pairs,
    sampling_grid,
    scale_matrix,
    transform_points,
    warp,
)
from lowlight_tf.imaging.registration.infrared import read_thermal
from lowlight_tf.imaging.registration.patch_matching import edge_map

SIZE = 192, 256
MARGIN = 48  # pixels that a camera sees beyond the other's picture


def turned(degrees, scale, shift=(0.0, 0.0)):
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, scale)
    matrix[:2, 2] += shift
    return matrix


def tilted(shape, rng, by=6.0):
    corners = np.float32(sampling_grid(shape, points=2))
    new = corners + np.float32(rng.uniform(-by, by, corners.shape))
    return cv2.getPerspectiveTransform(corners, new).astype(np.float64)


def displaced(infrared, matrix):
    """Return what an infrared camera sees that looks elsewhere, and what undoes that."""
    size = infrared.shape[:2]
    flags = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    image = cv2.warpPerspective(infrared, matrix, size[::-1], **flags)
    return image.clip(0, 1).reshape(*size, 1), np.linalg.inv(matrix)


def views(cameras, matrix):
    """Return what two cameras see of one scene, of which the other looks elsewhere, as above."""
    visible, infrared = cameras(tuple(side + 2 * MARGIN for side in SIZE))
    inner = np.array([[1, 0, MARGIN], [0, 1, MARGIN], [0, 0, 1]])
    infrared, _ = displaced(infrared, inner @ matrix @ np.linalg.inv(inner))
    at = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    return visible[at], infrared[at], np.linalg.inv(matrix)


def apart(one, other, size):
    """Return the mean distance (pixels) between where two matrices take what both cameras see."""
    goals = transform_points(sampling_grid(size), other)
    seen = ((goals >= 0) & (goals < size[::-1])).all(axis=1)
    return np.linalg.norm(transform_points(sampling_grid(size), one) - goals, axis=1)[seen].mean()


@pytest.mark.parametrize("method", ["phase", "features", "ecc"])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (7.3, -4.6), (-41.5, 28.25)])
def test_a_shift_is_undone(cameras, method, shift):
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    visible, infrared, true = views(cameras, matrix)
    found = register_pair(visible, infrared, method=method)
    assert apart(found.matrix, true, SIZE) < 0.5
    assert found.residual_px < 1


@pytest.mark.parametrize("method", ["features", "ecc"])
def test_a_turn_and_a_zoom_are_undone(cameras, method):
    visible, infrared, true = views(cameras, turned(3, 1.04, (5.5, -3.0)))
    assert apart(register_pair(visible, infrared, method=method).matrix, true, SIZE) < 0.5


@pytest.mark.parametrize("method", ["features", "ecc"])
def test_a_tilt_is_undone(cameras, rng, method):
    visible, infrared, true = views(cameras, tilted(SIZE, rng))
    assert apart(register_pair(visible, infrared, method=method).matrix, true, SIZE) < 0.5


def test_pictures_that_are_alike_may_be_turned_far(cameras):
    visible, _ = cameras(SIZE)
    image, true = displaced(visible[..., :1], turned(35, 0.9, (9.0, 4.0)))
    assert apart(register_pair(visible, image, method="ecc").matrix, true, SIZE) < 0.5


def test_the_smaller_picture_is_stretched_over_the_larger(cameras):
    visible, infrared = cameras(SIZE)
    small = cv2.resize(infrared, (128, 96), interpolation=cv2.INTER_AREA)[..., None]
    found = register_pair(visible, small, method="ecc")
    assert apart(scale_matrix(SIZE, (96, 128)) @ found.matrix, np.eye(3), (96, 128)) < 0.5 / 2
    over = warp(small, found.matrix, SIZE)
    assert over.shape == (*SIZE, 1)
    assert np.abs(over - infrared)[8:-8, 8:-8].mean() < 0.03


def test_a_large_picture_is_looked_at_small_and_moved_as_it_is(cameras):
    size = 480, 800
    visible, infrared = cameras(size)
    infrared, true = displaced(infrared, np.array([[1, 0, 13.0], [0, 1, -21.5], [0, 0, 1]]))
    assert apart(register_pair(visible, infrared, method="phase").matrix, true, size) < 0.5


def test_what_one_pair_shows_too_little_of_another_one_says(cameras):
    matrix = np.array([[1, 0, 6.5], [0, 1, -3.25], [0, 0, 1]])
    halves = []
    for side in (slice(0, 128), slice(128, 256)):
        visible, infrared = cameras(SIZE)
        infrared, true = displaced(infrared, matrix)
        for image in (visible, infrared):
            image[:, side] = 0.3  # this half is fog
        halves.append((visible, infrared))
    assert apart(register_pairs(halves, method="features").matrix, true, SIZE) < 0.5


def test_where_the_infrared_camera_saw_nothing_it_is_black():
    over = warp(
        np.ones((4, 6, 1), np.float32), np.array([[1, 0, 2], [0, 1, 0], [0, 0, 1.0]]), (4, 6)
    )
    np.testing.assert_array_equal(over[0, :, 0], [0, 0, 1, 1, 1, 1])


def test_stretching_keeps_the_borders():
    # The outer border of the first pixel is at -0.5 before and after, that of the last at W - 0.5.
    places = np.array([[-0.5, -0.5], [9.5, 3.5]])
    np.testing.assert_allclose(
        transform_points(places, scale_matrix((4, 10), (8, 30))), [[-0.5, -0.5], [29.5, 7.5]]
    )


def test_an_edge_is_the_same_from_dark_to_bright_as_from_bright_to_dark():
    step = np.zeros((32, 32), np.float32) + 0.3
    step[:, 16:] = 0.6
    one, other = edge_map(step), edge_map(step[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert one[16, 16, 0] > 0.5  # upright
    assert edge_map(step.T)[16, 16, 0] < -0.5  # level


@pytest.mark.parametrize("method", ["phase", "features", "ecc"])
def test_without_structure_no_alignment_is_claimed(method, rng):
    visible = np.float32(0.3 + 0.0002 * rng.normal(size=(*SIZE, 3)))
    infrared = np.full((*SIZE, 1), 0.5, np.float32)
    with pytest.raises(UsageError, match=r"only \d+ patches with structure"):
        register_pair(visible, infrared, method=method)


@pytest.mark.parametrize("method", ["phase", "features", "ecc"])
def test_two_scenes_are_not_aligned(cameras, method):
    visible, _ = cameras(SIZE)
    _, infrared = cameras(SIZE)
    with pytest.raises(UsageError, match=r"did not converge|cannot be aligned"):
        register_pair(visible, infrared, method=method)


def test_pictures_of_several_sizes_are_no_rig(cameras):
    with pytest.raises(UsageError, match=r"must have one size.*64x64 with.*; 64x80"):
        register_pairs([cameras((64, 64)), cameras((64, 80))])
    with pytest.raises(UsageError, match=r"`method` must be one of: ecc, features, phase"):
        register_pair(*cameras((64, 64)), method="orb")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "names"),
    [("llvip", ("010013", "010017")), ("roadscene", ("FLIR_06953",))],
)
def test_real_cameras_are_laid_over_each_other_wherever_one_looks(shared, rng, dataset, names):
    # The pairs were aligned by their makers, but not to half a pixel. So the alignment of the pair
    # as it is says where the pictures belong; with the known warp it must say the same.
    pairs = []
    for pair in fusion_folder(shared / dataset):
        if pair.name in names:
            infrared = read_thermal(pair.inputs["infrared"])
            size = tuple(side // (2 if dataset == "llvip" else 1) for side in infrared.shape[:2])
            shrunk = [
                cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)[..., None]
                for image in (color.luma(image_io.read_float_rgb(pair.inputs["visible"])), infrared)
            ]
            pairs.append(tuple(shrunk))
    shift = np.array([[1, 0, 12.5], [0, 1, -7.25], [0, 0, 1]])
    matrix = shift @ tilted(size, rng)
    true = np.linalg.inv(matrix)
    warped = [(visible, displaced(infrared, matrix)[0]) for visible, infrared in pairs]
    before, after = register_pairs(pairs), register_pairs(warped)
    assert apart(after.matrix, before.matrix @ true, size) < 0.5
