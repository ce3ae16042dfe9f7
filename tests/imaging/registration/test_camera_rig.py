"""A rig is saved and loaded, and scales to other image sizes of the same cameras."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from lowlight_tf.imaging.registration.homography import transform_points

MATRIX = np.array([[2.1, 0.01, 5.0], [-0.02, 1.9, -3.0], [1e-5, 2e-5, 1.0]])


@pytest.fixture
def rig():
    """A rig whose infrared camera has half of the pixels of the visible one."""
    return CameraRig(MATRIX, (480, 640), (240, 320), 0.4, 0.3, "ecc", 7)


def test_a_saved_rig_is_loaded(rig, tmp_path):
    rig.save(tmp_path / "rig.json")
    loaded = CameraRig.load(tmp_path / "rig.json")
    np.testing.assert_array_equal(loaded.matrix, MATRIX)
    assert (loaded.visible_size, loaded.infrared_size) == ((480, 640), (240, 320))
    assert (loaded.residual_px, loaded.score, loaded.method, loaded.pairs) == (0.4, 0.3, "ecc", 7)
    assert [path.name for path in tmp_path.iterdir()] == ["rig.json"]


def test_the_homography_scales_to_other_image_sizes(rig):
    np.testing.assert_allclose(rig.homography_for((480, 640), (240, 320)), MATRIX)
    points = np.array([[10.0, 20.0], [200.0, 100.0]])
    # Both images twice as large: the center of a pixel becomes the border between two.
    large = transform_points(2 * points + 0.5, rig.homography_for((960, 1280), (480, 640)))
    np.testing.assert_allclose(large, 2 * transform_points(points, MATRIX) + 0.5)


def test_another_aspect_ratio_is_refused(rig):
    with pytest.raises(UsageError, match=r"infrared images of 240x320 .*Received: 256x320"):
        rig.homography_for((480, 640), (256, 320))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"matrix": [1, 2]}', '{"matrix": "x"}'])
def test_a_file_without_a_rig_is_refused(text, tmp_path):
    path = tmp_path / "rig.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"rig\.json is not the calibration of a rig"):
        CameraRig.load(path)
    with pytest.raises(UsageError, match=r"gone\.json cannot be read: No such file"):
        CameraRig.load(tmp_path / "gone.json")


def test_a_singular_matrix_is_refused(rig, tmp_path):
    path = tmp_path / "rig.json"
    CameraRig(np.ones((3, 3)), (4, 4), (4, 4), 0.1, 0.2, "ecc", 1).save(path)
    with pytest.raises(UsageError, match="the matrix is singular"):
        CameraRig.load(path)
