"""Known homographies are recovered, and failures are reported."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import fusion_folder
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.registration.alignment import (
    measure_shift,
    register_pair,
    register_pairs,
    warp,
)
from lowlight_tf.imaging.registration.homography import (
    describe_flip,
    sampling_grid,
    scale_matrix,
    transform_points,
)
from lowlight_tf.imaging.registration.infrared import read_thermal
from lowlight_tf.imaging.registration.patch_matching import edge_map

SIZE = 192, 256
MARGIN = 48  # pixels; field of view of a camera beyond the other's


def similarity(degrees, scale, shift=(0.0, 0.0)):
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, scale)
    matrix[:2, 2] += shift
    return matrix


def random_homography(shape, rng, by=6.0):
    corners = np.float32(sampling_grid(shape, points=2))
    new = corners + np.float32(rng.uniform(-by, by, corners.shape))
    return cv2.getPerspectiveTransform(corners, new).astype(np.float64)


def warp_infrared(infrared, matrix):
    """Return the infrared image warped by a matrix, and the inverse of the matrix."""
    size = infrared.shape[:2]
    flags = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    image = cv2.warpPerspective(infrared, matrix, size[::-1], **flags)
    return image.clip(0, 1).reshape(*size, 1), np.linalg.inv(matrix)


def render_views(cameras, matrix):
    """Return a visible and a warped infrared image of one scene, and the true alignment."""
    visible, infrared = cameras(tuple(side + 2 * MARGIN for side in SIZE))
    inner = np.array([[1, 0, MARGIN], [0, 1, MARGIN], [0, 0, 1]])
    infrared, _ = warp_infrared(infrared, inner @ matrix @ np.linalg.inv(inner))
    at = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    return visible[at], infrared[at], np.linalg.inv(matrix)


def mean_distance(one, other, size):
    """Return the mean distance (pixels) between points mapped by two matrices, inside the image."""
    targets = transform_points(sampling_grid(size), other)
    inside = ((targets >= 0) & (targets < size[::-1])).all(axis=1)
    return np.linalg.norm(transform_points(sampling_grid(size), one) - targets, axis=1)[
        inside
    ].mean()


@pytest.mark.parametrize("method", ["phase", "features", "ecc"])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (7.3, -4.6), (-41.5, 28.25)])
def test_a_translation_is_recovered(cameras, method, shift):
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    visible, infrared, true = render_views(cameras, matrix)
    found = register_pair(visible, infrared, method=method)
    assert mean_distance(found.matrix, true, SIZE) < 0.5
    assert found.residual_px < 1


@pytest.mark.parametrize("method", ["features", "ecc"])
def test_a_rotation_with_scaling_is_recovered(cameras, method):
    visible, infrared, true = render_views(cameras, similarity(3, 1.04, (5.5, -3.0)))
    assert mean_distance(register_pair(visible, infrared, method=method).matrix, true, SIZE) < 0.5


@pytest.mark.parametrize("method", ["features", "ecc"])
def test_a_homography_is_recovered(cameras, rng, method):
    visible, infrared, true = render_views(cameras, random_homography(SIZE, rng))
    assert mean_distance(register_pair(visible, infrared, method=method).matrix, true, SIZE) < 0.5


def test_large_rotations_of_similar_images_are_recovered(cameras):
    visible, _ = cameras(SIZE)
    image, true = warp_infrared(visible[..., :1], similarity(35, 0.9, (9.0, 4.0)))
    assert mean_distance(register_pair(visible, image, method="ecc").matrix, true, SIZE) < 0.5


@pytest.mark.parametrize(
    ("axes", "name"), [((0, 1), "upside down"), (1, "mirrored"), (0, "mirrored vertically")]
)
def test_a_camera_that_is_upside_down_or_mirrored_is_recovered(cameras, axes, name):
    visible, infrared, true = render_views(cameras, similarity(1, 1.02, (3.5, -2.0)))
    found = register_pair(visible, np.ascontiguousarray(np.flip(infrared, axes)))
    assert describe_flip(found.matrix) == name
    turned = warp(np.flip(infrared, axes), found.matrix, SIZE)
    aligned = warp(infrared, true, SIZE)
    assert np.abs(turned - aligned)[16:-16, 16:-16].mean() < 0.02


def test_a_camera_that_is_the_right_side_up_has_no_flip():
    assert describe_flip(similarity(10, 1.2, (3, 4))) == ""


def test_an_infrared_image_of_another_size_is_stretched_first(cameras):
    visible, infrared = cameras(SIZE)
    small = cv2.resize(infrared, (128, 96), interpolation=cv2.INTER_AREA)[..., None]
    found = register_pair(visible, small, method="ecc")
    assert (
        mean_distance(scale_matrix(SIZE, (96, 128)) @ found.matrix, np.eye(3), (96, 128)) < 0.5 / 2
    )
    over = warp(small, found.matrix, SIZE)
    assert over.shape == (*SIZE, 1)
    assert np.abs(over - infrared)[8:-8, 8:-8].mean() < 0.03


def test_large_images_are_registered_at_working_size(cameras):
    size = 480, 800
    visible, infrared = cameras(size)
    infrared, true = warp_infrared(infrared, np.array([[1, 0, 13.0], [0, 1, -21.5], [0, 0, 1]]))
    assert mean_distance(register_pair(visible, infrared, method="phase").matrix, true, size) < 0.5


def test_pairs_with_structure_in_different_parts_are_combined(cameras):
    matrix = np.array([[1, 0, 6.5], [0, 1, -3.25], [0, 0, 1]])
    halves = []
    for side in (slice(0, 128), slice(128, 256)):
        visible, infrared = cameras(SIZE)
        infrared, true = warp_infrared(infrared, matrix)
        for image in (visible, infrared):
            image[:, side] = 0.3  # this half has no structure
        halves.append((visible, infrared))
    assert mean_distance(register_pairs(halves, method="features").matrix, true, SIZE) < 0.5


@pytest.mark.parametrize("shift", [(0, 0), (6, -3), (-4, 8)])
def test_the_shift_of_an_aligned_pair_is_measured(cameras, shift):
    visible, infrared = cameras(SIZE)
    moved = np.roll(infrared, shift, axis=(1, 0))
    measured, correlation = measure_shift(visible, moved)
    np.testing.assert_allclose(measured, np.negative(shift), atol=0.3)
    assert correlation == pytest.approx(measure_shift(visible, infrared)[1], abs=0.1)


def test_the_shift_of_large_images_is_in_their_pixels(cameras):
    visible, infrared = cameras((720, 1280))
    measured, _ = measure_shift(visible, np.roll(infrared, 10, axis=1))
    np.testing.assert_allclose(measured, (-10, 0), atol=0.7)


def test_without_structure_no_shift_is_measured(rng):
    flat = np.full((96, 128, 1), 0.5, np.float32)
    with pytest.raises(UsageError, match="patches with structure"):
        measure_shift(flat, flat)


def test_pixels_outside_of_the_infrared_image_are_black():
    over = warp(
        np.ones((4, 6, 1), np.float32), np.array([[1, 0, 2], [0, 1, 0], [0, 0, 1.0]]), (4, 6)
    )
    np.testing.assert_array_equal(over[0, :, 0], [0, 0, 1, 1, 1, 1])


def test_scaling_keeps_the_borders():
    # The outer border of the first pixel is at -0.5 before and after, that of the last at W - 0.5.
    points = np.array([[-0.5, -0.5], [9.5, 3.5]])
    np.testing.assert_allclose(
        transform_points(points, scale_matrix((4, 10), (8, 30))), [[-0.5, -0.5], [29.5, 7.5]]
    )


def test_edge_maps_do_not_depend_on_polarity():
    step = np.zeros((32, 32), np.float32) + 0.3
    step[:, 16:] = 0.6
    one, other = edge_map(step), edge_map(step[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert one[16, 16, 0] > 0.5  # vertical edge
    assert edge_map(step.T)[16, 16, 0] < -0.5  # horizontal edge


@pytest.mark.parametrize("method", ["phase", "features", "ecc"])
def test_images_without_structure_are_refused(method, rng):
    visible = np.float32(0.3 + 0.0002 * rng.normal(size=(*SIZE, 3)))
    infrared = np.full((*SIZE, 1), 0.5, np.float32)
    with pytest.raises(UsageError, match=r"only \d+ patches with structure"):
        register_pair(visible, infrared, method=method)


@pytest.mark.parametrize("method", ["phase", "features", "ecc"])
def test_images_of_two_scenes_are_refused(cameras, method):
    visible, _ = cameras(SIZE)
    _, infrared = cameras(SIZE)
    with pytest.raises(UsageError, match=r"did not converge|cannot be aligned"):
        register_pair(visible, infrared, method=method)


def test_pairs_of_different_sizes_and_unknown_methods_are_refused(cameras):
    with pytest.raises(UsageError, match=r"must have one size.*64x64 with.*; 64x80"):
        register_pairs([cameras((64, 64)), cameras((64, 80))])
    with pytest.raises(UsageError, match=r"`method` must be one of: ecc, features, phase"):
        register_pair(*cameras((64, 64)), method="orb")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "names"),
    [("llvip", ("010013", "010017")), ("roadscene", ("FLIR_06953",))],
)
def test_known_warps_of_real_pairs_are_recovered(shared, rng, dataset, names):
    # The datasets' own alignment is not accurate to half a pixel. So the reference is the result
    # for the original pair; with a known warp, the result must agree with it.
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
    matrix = shift @ random_homography(size, rng)
    true = np.linalg.inv(matrix)
    warped = [(visible, warp_infrared(infrared, matrix)[0]) for visible, infrared in pairs]
    before, after = register_pairs(pairs), register_pairs(warped)
    assert mean_distance(after.matrix, before.matrix @ true, size) < 0.5
