"""Files of every precision answer alike, in the kind that they are asked in."""

import dataclasses

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Card, sha256
from lowlight_tf.runtime.engine import open_engine
from lowlight_tf.runtime.litert import LiteRTEngine

SIZE = (8, 12)


def brighten(x):
    """Return what the net of these files does: a curve from [0, 1] to [0, 1]."""
    return 1 - (1 - x) ** 2


@pytest.mark.parametrize("name", ["float", "bytes"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_answer_is_of_the_kind_of_the_question(folder, rng, name, dtype):
    engine = open_engine(folder / f"{name}.tflite")
    assert engine.size == SIZE
    pixels = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    images = pixels if dtype == np.uint8 else pixels / np.float32(255)
    result = engine({"low": images})["enhanced"]
    assert result.dtype == dtype
    steps = 255 if dtype == np.uint8 else 1
    tolerance = (0.51 if dtype == np.uint8 else 1e-5) if name == "float" else 4 / 255 * steps
    expected = brighten(pixels / 255) * steps
    np.testing.assert_allclose(result.astype(np.float64), expected, atol=tolerance)


def test_a_quantized_file_is_served_by_its_own_scales(folder, rng):
    engine = LiteRTEngine(folder / "bytes.tflite")
    pixels = rng.integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)
    as_bytes = engine({"low": pixels})["enhanced"]
    as_floats = engine({"low": pixels / np.float32(255)})["enhanced"]
    np.testing.assert_array_equal(as_bytes, np.rint(as_floats * 255).astype(np.uint8))


def test_what_goes_in_is_not_changed(folder, rng):
    engine = LiteRTEngine(folder / "float.tflite")
    image = rng.random((1, *SIZE, 3), dtype=np.float32)
    before = image.copy()
    first = engine({"low": image})["enhanced"]
    kept = first.copy()
    engine({"low": 1 - image})
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ({}, "needs an image called 'low'"),
        ({"low": np.zeros((1, 9, 12, 3), np.float32)}, "takes 'low' as"),
        ({"low": np.zeros((8, 12, 3), np.float32)}, "takes 'low' as"),
        ({"low": np.zeros((1, 8, 12, 3), np.float64)}, "float64"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(folder, images, reason):
    with pytest.raises(UsageError, match=reason):
        LiteRTEngine(folder / "float.tflite")(images)


def test_a_file_without_its_card_is_refused(folder, tmp_path):
    (tmp_path / "x.tflite").write_bytes((folder / "float.tflite").read_bytes())
    with pytest.raises(UsageError, match="No card"):
        LiteRTEngine(tmp_path / "x.tflite")


def test_a_card_of_another_file_is_refused(folder, tmp_path):
    (tmp_path / "x.tflite").write_bytes((folder / "float.tflite").read_bytes())
    (tmp_path / "x.json").write_bytes((folder / "bytes.json").read_bytes())
    with pytest.raises(UsageError, match="checksums differ"):
        LiteRTEngine(tmp_path / "x.tflite")


def test_a_file_that_is_no_net_is_refused(folder, tmp_path):
    path = tmp_path / "x.tflite"
    path.write_bytes(b"not a net at all")
    card = Card.load(folder / "float.json")
    dataclasses.replace(card, sha256=sha256(path)).save(tmp_path / "x.json")
    with pytest.raises(UsageError, match="cannot be run"):
        LiteRTEngine(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No file"):
        open_engine(tmp_path / "none.tflite")


def test_an_unknown_name_offers_the_known_ones():
    with pytest.raises(UsageError, match="No shipped net is called 'drivin_unet'"):
        open_engine("drivin_unet")


def test_no_threads_are_refused(folder):
    with pytest.raises(UsageError, match="threads"):
        LiteRTEngine(folder / "float.tflite", threads=0)
