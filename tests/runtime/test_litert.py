"""Files of every precision answer alike, in the kind that they are asked in."""

import dataclasses
import warnings

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Card, sha256
from lowlight_tf.runtime.engine import open_engine
from lowlight_tf.runtime.litert import LiteRTEngine

SIZE = (8, 12)


def brighten(x):
    """Return what the net of these files does: a curve from [0, 1] to [0, 1]."""
    return 1 - (1 - x) ** 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write one small net as float32 and as uint8, each with its card."""
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("nets")
    image = tf.TensorSpec((1, *SIZE, 3), tf.float32, name="low")
    net = tf.function(lambda low: {"enhanced": low + low - low * low}, [image])
    rng = np.random.default_rng(0)
    for name in ("float", "bytes"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [net.get_concrete_function()], net
        )
        if name == "bytes":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [rng.random((1, *SIZE, 3), dtype=np.float32)] for _ in range(4)
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        path = folder / f"{name}.tflite"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converter's own
            path.write_bytes(converter.convert())
        Card(
            name=name,
            model="curve",
            contract=ENHANCE,
            height=SIZE[0],
            width=SIZE[1],
            quantization="none" if name == "float" else "int8",
            dtype="float32" if name == "float" else "uint8",
            value_range=(0, 1) if name == "float" else (0, 255),
            sha256=sha256(path),
            size_bytes=path.stat().st_size,
            weights=0,
        ).save(path.with_suffix(".json"))
    return folder


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
