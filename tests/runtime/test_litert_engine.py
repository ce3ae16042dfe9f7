"""Files of every precision give the same results, in the dtype of their input."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.runtime.pretrained import find_pretrained
from lowlight_tf.tflite_graph.flatbuffer import read_model, write_model

SIZE = (8, 12)


def brighten(x):
    """Return the curve that these models compute, from [0, 1] to [0, 1]."""
    return 1 - (1 - x) ** 2


@pytest.mark.parametrize("name", ["float", "bytes"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_output_has_the_dtype_of_the_input(tiny_models, rng, name, dtype):
    engine = load_model(tiny_models / f"{name}.tflite")
    assert engine.size == SIZE
    pixels = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    images = pixels if dtype == np.uint8 else pixels / np.float32(255)
    result = engine({"low": images})["enhanced"]
    assert result.dtype == dtype
    steps = 255 if dtype == np.uint8 else 1
    tolerance = (0.51 if dtype == np.uint8 else 1e-5) if name == "float" else 4 / 255 * steps
    expected = brighten(pixels / 255) * steps
    np.testing.assert_allclose(result.astype(np.float64), expected, atol=tolerance)


def test_a_quantized_file_uses_its_own_scales(tiny_models, rng):
    engine = LiteRTEngine(tiny_models / "bytes.tflite")
    pixels = rng.integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)
    as_bytes = engine({"low": pixels})["enhanced"]
    as_floats = engine({"low": pixels / np.float32(255)})["enhanced"]
    np.testing.assert_array_equal(as_bytes, np.rint(as_floats * 255).astype(np.uint8))


def test_inputs_and_earlier_outputs_are_not_modified(tiny_models, rng):
    engine = LiteRTEngine(tiny_models / "float.tflite")
    image = rng.random((1, *SIZE, 3), dtype=np.float32)
    before = image.copy()
    first = engine({"low": image})["enhanced"]
    kept = first.copy()
    engine({"low": 1 - image})
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(first, kept)


@pytest.fixture
def thumbnail_example(rng):
    """Return an image and a thumbnail, uint8, and the expected result of the thumbnail models."""
    low = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    thumbnail = rng.integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    thumbnail[0] //= 4  # the first gets darker, the second brighter, both beyond [0, 1]
    thumbnail[1] |= 192
    enhanced = low / 255 + thumbnail.mean((1, 2, 3), keepdims=True) / 255 - 0.5
    return {"low": low, "thumbnail": thumbnail}, enhanced


@pytest.mark.parametrize(("name", "tolerance"), [("exposed", 0.51), ("exposed_bytes", 3)])
def test_a_thumbnail_is_fed_to_its_port_and_results_are_clipped_to_uint8(
    tiny_models, thumbnail_example, name, tolerance
):
    images, expected = thumbnail_example
    assert expected.min() < -0.2
    assert expected.max() > 1.2
    result = LiteRTEngine(tiny_models / f"{name}.tflite")(images)["enhanced"]
    assert result.dtype == np.uint8
    np.testing.assert_allclose(result, 255 * expected.clip(0, 1), atol=tolerance)


@pytest.mark.parametrize("name", ["exposed", "exposed_bytes"])
def test_a_thumbnail_may_be_float32_while_the_image_is_uint8(tiny_models, thumbnail_example, name):
    images, _ = thumbnail_example
    engine = LiteRTEngine(tiny_models / f"{name}.tflite")
    expected = engine(images)["enhanced"]
    fine = images["thumbnail"] / np.float32(255)
    result = engine({"low": images["low"], "thumbnail": fine})["enhanced"]
    np.testing.assert_array_equal(result, expected)


def test_uint8_inputs_of_scale_one_255th_are_passed_unchanged(tiny_models, thumbnail_example):
    images, _ = thumbnail_example
    engine = LiteRTEngine(tiny_models / "exposed_bytes.tflite")
    scale, zero = engine._interpreter.get_input_details()[0]["quantization"]
    assert (scale, zero) == (pytest.approx(1 / 255, rel=1e-4), -128)
    engine(images)
    fed = engine._interpreter.get_tensor(engine._interpreter.get_input_details()[0]["index"])
    np.testing.assert_array_equal(fed, np.int16(images["low"][-1:]) - 128)


def test_each_image_of_a_batch_needs_its_thumbnail(tiny_models, thumbnail_example):
    images, _ = thumbnail_example
    with pytest.raises(UsageError, match=r"as many 'thumbnail' as 'low'\. Received: 1 and 2"):
        LiteRTEngine(tiny_models / "exposed.tflite")(
            {**images, "thumbnail": images["thumbnail"][:1]}
        )


@pytest.mark.parametrize("name", ["float", "bytes"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_output_is_written_to_the_out_argument(tiny_models, rng, name, dtype):
    engine = LiteRTEngine(tiny_models / f"{name}.tflite")
    low = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    low = low if dtype == np.uint8 else low / np.float32(255)
    out = {"enhanced": np.empty((2, *SIZE, 3), dtype)}
    assert engine({"low": low}, out=out)["enhanced"] is out["enhanced"]
    np.testing.assert_array_equal(out["enhanced"], engine({"low": low})["enhanced"])


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ({}, "must hold 'enhanced', uint8"),
        ({"enhanced": np.empty((1, *SIZE, 3), np.float32)}, "Received: float32"),
        ({"enhanced": np.empty((2, *SIZE, 3), np.uint8)}, "Received: uint8"),
        ({"enhanced": np.empty((1, *SIZE, 6), np.uint8)[..., ::2]}, "contiguous"),
    ],
)
def test_an_out_argument_that_does_not_fit_is_refused(tiny_models, out, reason):
    low = np.zeros((1, *SIZE, 3), np.uint8)
    with pytest.raises(UsageError, match=reason):
        LiteRTEngine(tiny_models / "float.tflite")({"low": low}, out=out)


@pytest.mark.parametrize("name", ["float", "bytes"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("size", [(8, 12), (7, 12), (8, 9), (5, 7)])
def test_a_smaller_image_is_run_into_a_smaller_array(tiny_models, rng, name, dtype, size):
    engine = LiteRTEngine(tiny_models / f"{name}.tflite")
    low = rng.integers(0, 256, (1, *size, 3), dtype=np.uint8)
    low = low if dtype == np.uint8 else low / np.float32(255)
    row = np.zeros((1, size[0], 20, 3), dtype)
    out = row[:, :, 3 : 3 + size[1]]  # as rows of a frame that are longer than it is wide
    engine.run_into({"low": low}, {"enhanced": out})
    expected = np.empty_like(low)
    Engine.run_into(engine, {"low": low}, {"enhanced": expected})
    np.testing.assert_array_equal(out, expected)
    assert not row[:, :, :3].any()
    assert not row[:, :, 3 + size[1] :].any()


@pytest.mark.parametrize("name", ["yuv_nano", "yuv_nano_int8"])
def test_borders_of_planes_are_repeated_up_to_the_size_of_the_model(name, rng):
    engine = LiteRTEngine(find_pretrained(name))
    images = {
        port.name: rng.integers(16, 236, (1, *port.shape(port.size or (38, 52))), dtype=np.uint8)
        for port in engine.contract.inputs
    }
    for _ in range(2):  # the second time without a reallocation
        direct, padded = (
            {port.name: np.empty((1, *port.shape((38, 52))), np.uint8) for port in ports}
            for ports in 2 * [engine.contract.outputs]
        )
        engine.run_into(images, direct)
        Engine.run_into(engine, images, padded)
        for name, array in direct.items():
            np.testing.assert_array_equal(array, padded[name])


@pytest.mark.parametrize("name", ["driving_unet", "driving_unet_int8"])
def test_a_loop_over_frames_allocates_no_frame(name):
    engine = load_model(name)
    low = np.zeros((1, *engine.size, 3), np.uint8)
    out = {"enhanced": np.empty_like(low)}
    engine({"low": low}, out=out)
    tracemalloc.start()
    engine({"low": low}, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < low.nbytes / 10


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ({}, "needs an image called 'low'"),
        ({"low": np.zeros((1, 9, 12, 3), np.float32)}, "takes 'low' as"),
        ({"low": np.zeros((8, 12, 3), np.float32)}, "takes 'low' as"),
        ({"low": np.zeros((1, 8, 12, 3), np.float64)}, "float64"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(tiny_models, images, reason):
    with pytest.raises(UsageError, match=reason):
        LiteRTEngine(tiny_models / "float.tflite")(images)


def test_a_file_without_its_card_is_refused(tiny_models, tmp_path):
    (tmp_path / "x.tflite").write_bytes((tiny_models / "float.tflite").read_bytes())
    with pytest.raises(UsageError, match="No card"):
        LiteRTEngine(tmp_path / "x.tflite")


def test_a_card_of_another_file_is_refused(tiny_models, tmp_path):
    (tmp_path / "x.tflite").write_bytes((tiny_models / "float.tflite").read_bytes())
    (tmp_path / "x.json").write_bytes((tiny_models / "bytes.json").read_bytes())
    with pytest.raises(UsageError, match="checksums differ"):
        LiteRTEngine(tmp_path / "x.tflite")


def copy_model(tiny_models, tmp_path, content=None, **changes):
    """Copy a model with other content or a changed card of the right checksum."""
    path = tmp_path / "x.tflite"
    path.write_bytes((tiny_models / "float.tflite").read_bytes() if content is None else content)
    card = ModelCard.load(tiny_models / "float.json")
    dataclasses.replace(card, sha256=sha256(path), **changes).save(tmp_path / "x.json")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"not a model at all",
        lambda content: bytes(4) + b"TFL3",
        lambda content: content[:4] + b"TFL3" + bytes(len(content) - 8),
        lambda content: content[: len(content) // 2],
        lambda content: content[:-100],
    ],
)
def test_a_damaged_file_is_refused_even_if_its_card_matches(tiny_models, tmp_path, damage):
    path = copy_model(tiny_models, tmp_path, damage((tiny_models / "float.tflite").read_bytes()))
    with pytest.raises(UsageError, match="cannot be run") as refused:
        LiteRTEngine(path)
    assert "\n" not in str(refused.value)


def test_a_file_with_unnamed_tensors_is_refused_before_it_crashes_the_process(
    tiny_models, tmp_path
):
    from ai_edge_litert.schema_py_generated import TensorT

    model = read_model((tiny_models / "float.tflite").read_bytes())
    model.subgraphs[0].tensors[-1] = TensorT()
    with pytest.raises(UsageError, match="cannot be run: tensors have no names"):
        LiteRTEngine(copy_model(tiny_models, tmp_path, write_model(model)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "uint8"}, r"'low' is float32 \(1, 8, 12, 3\), its card specifies uint8"),
        ({"dtype": "int8"}, "`dtype of the card` must be one of"),
        ({"height": 32}, r"its card specifies float32 \(1, 32, 12, 3\)"),
        ({"contract": Contract(ENHANCE.inputs, ENHANCE.outputs, scale=2)}, "'enhanced' is float32"),
        (
            {"contract": Contract((*ENHANCE.inputs, Port("dark", 3)), ENHANCE.outputs)},
            "its card names the inputs dark; the file has low",
        ),
    ],
)
def test_a_card_that_contradicts_its_file_is_refused(tiny_models, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        LiteRTEngine(copy_model(tiny_models, tmp_path, **changes))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No file"):
        load_model(tmp_path / "none.tflite")


def test_an_unknown_name_is_refused_with_the_available_ones():
    with pytest.raises(UsageError, match="No shipped model is called 'drivin_unet'"):
        load_model("drivin_unet")


def test_zero_threads_are_refused(tiny_models):
    with pytest.raises(UsageError, match="threads"):
        LiteRTEngine(tiny_models / "float.tflite", threads=0)
