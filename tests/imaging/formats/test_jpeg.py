"""JPEG files of every coding are read or named; what surrounds the image does not matter."""

import cv2
import numpy as np
import pytest
from PIL import Image

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io


@pytest.fixture
def scene(rng):
    """Return a smooth (20, 30, 3) uint8 image."""
    return cv2.resize(rng.integers(0, 120, (4, 6, 3), dtype=np.uint8), (30, 20))


def test_a_jpeg_truncated_after_its_thumbnail_is_refused(tmp_path, scene):
    path = tmp_path / "cut.jpg"
    Image.fromarray(scene).save(tmp_path / "thumbnail.jpg")
    thumbnail = (tmp_path / "thumbnail.jpg").read_bytes()  # has an end of its own
    Image.fromarray(scene).save(path, comment=thumbnail)
    image_io.load_image(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match="truncated"):
        image_io.load_image(path)


def test_a_progressive_jpeg_with_bytes_after_its_end_is_read(tmp_path, scene):
    Image.fromarray(scene).save(tmp_path / "p.jpg", progressive=True)
    with (tmp_path / "p.jpg").open("ab") as file:
        file.write(b"a video, as telephones append")
    assert image_io.load_image(tmp_path / "p.jpg").pixels.shape == scene.shape


def test_jfif_is_another_suffix_of_jpeg(scene, tmp_path):
    image_io.save_image(tmp_path / "a.jfif", scene)
    image_io.save_image(tmp_path / "a.jpg", scene)
    assert (tmp_path / "a.jfif").read_bytes() == (tmp_path / "a.jpg").read_bytes()


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (4, 12, "is a JPEG of 12 bits per channel, which is not read"),
        (1, 0xC3, "is a lossless JPEG, which is not read"),
        (1, 0xC6, "is a hierarchical JPEG, which is not read"),
        (1, 0xCA, "is a JPEG of arithmetic coding, which is not read"),
    ],
)
def test_jpegs_that_are_not_read_are_named(tmp_path, scene, place, value, reason):
    """The frame of an ordinary file is given another header, which its decoder refuses."""
    content = bytearray(cv2.imencode(".jpg", scene)[1].tobytes())
    content[content.index(b"\xff\xc0") + place] = value
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        image_io.load_image(tmp_path / "x.jpg")


def test_bytes_between_the_segments_of_a_jpeg_are_skipped(tmp_path, scene):
    content = cv2.imencode(".jpg", scene)[1].tobytes()
    (tmp_path / "x.jpg").write_bytes(content[:20] + b"junk" + content[20:])
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), 1), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(image_io.load_image(tmp_path / "x.jpg").pixels, expected)


@pytest.mark.parametrize("options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_read(tmp_path, scene, options, missing):
    content = cv2.imencode(".jpg", scene, options)[1].tobytes()
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), 1), cv2.COLOR_BGR2RGB)
    (tmp_path / "x.jpg").write_bytes(content[:-missing])
    np.testing.assert_array_equal(image_io.load_image(tmp_path / "x.jpg").pixels, expected)


@pytest.mark.parametrize("missing", [8, 20, 60, 200])
def test_a_jpeg_without_its_last_pixels_is_refused(tmp_path, rng, missing):
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "x.jpg").write_bytes(content[:-missing])
    with pytest.raises(UsageError, match="truncated"):
        image_io.load_image(tmp_path / "x.jpg")
