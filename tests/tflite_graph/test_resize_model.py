"""Files for another input size: only tensor shapes change."""

import dataclasses

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="the models of these tests are built with TensorFlow")

import keras  # noqa: E402

from lowlight_tf.checks import UsageError  # noqa: E402
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL  # noqa: E402
from lowlight_tf.export.convert import convert  # noqa: E402
from lowlight_tf.fileio import sha256  # noqa: E402
from lowlight_tf.model_card import ModelCard  # noqa: E402
from lowlight_tf.models.dashcam_net import dashcam_net  # noqa: E402
from lowlight_tf.runtime import pretrained  # noqa: E402
from lowlight_tf.runtime.benchmark import measure  # noqa: E402
from lowlight_tf.runtime.enhance import enhance  # noqa: E402
from lowlight_tf.runtime.litert_engine import LiteRTEngine  # noqa: E402
from lowlight_tf.tflite_graph.resize_model import is_resizable, resize_model  # noqa: E402


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    return dashcam_net(filters=8, blocks=1, deep_filters=8, context=4)


@pytest.fixture(scope="module", params=["float32", "int8"])
def path(request, model, tmp_path_factory):
    """Return a file for 32 x 48; its card is next to it."""
    rng = np.random.default_rng(0)
    samples = [
        {
            port.name: rng.random((1, *port.shape((32, 48))), np.float32)
            for port in ENHANCE_WITH_THUMBNAIL.inputs
        }
    ]
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    convert(
        model,
        ENHANCE_WITH_THUMBNAIL,
        path,
        size=(32, 48),
        quantization=request.param,
        samples=samples,
    )
    ModelCard(
        name="model", model="dashcam_net", contract=ENHANCE_WITH_THUMBNAIL, height=32, width=48,
        quantization=request.param, dtype="uint8" if request.param == "int8" else "float32",
        value_range=(0, 1), sha256=sha256(path), size_bytes=1, weights=1,
        resizable=is_resizable(path, ENHANCE_WITH_THUMBNAIL),
    ).save(path.with_suffix(".json"))  # fmt: skip
    return path


def make_image(rng, *size):
    return rng.integers(0, 60, (*size, 3), np.uint8)


def test_a_resizable_file_runs_at_any_size_like_one_resized_to_it(path, tmp_path, rng):
    assert LiteRTEngine(path).size is None
    wide = resize_model(path, (40, 64), tmp_path)
    assert wide.name == "model_40x64.tflite"
    assert (ModelCard.load(wide.with_suffix(".json")).height, LiteRTEngine(wide).size) == (40, None)
    frame = make_image(rng, 40, 64)
    engine = LiteRTEngine(path)
    first = enhance(engine, frame)
    enhance(engine, make_image(rng, 16, 24))
    np.testing.assert_array_equal(enhance(engine, frame), first)
    np.testing.assert_array_equal(enhance(LiteRTEngine(wide), frame), first)


def test_a_resizable_file_counts_the_macs_of_the_file_resized_to_that_size(path, tmp_path):
    engine, wide = LiteRTEngine(path), LiteRTEngine(resize_model(path, (40, 64), tmp_path))
    assert engine.count_macs((40, 64)) == wide.count_macs((40, 64))
    assert engine.count_macs((40, 64)) > engine.count_macs((32, 48))


def test_a_file_can_be_timed_at_another_size(path):
    assert measure(path, threads=1, runs=2, size=(64, 64)).runs == 2


def test_a_size_that_is_not_a_multiple_is_refused(path, tmp_path, rng):
    with pytest.raises(UsageError, match="multiples of 8"):
        resize_model(path, (30, 48), tmp_path)
    frame = make_image(rng, 30, 48)[None]
    with pytest.raises(UsageError, match="multiples of 8"):
        LiteRTEngine(path)({"low": frame, "thumbnail": frame})
    assert not list(tmp_path.iterdir())


def test_a_model_of_a_fixed_size_is_not_resized(tmp_path):
    path = pretrained.find_pretrained("driving_unet")
    assert not is_resizable(path, LiteRTEngine(path).contract)
    with pytest.raises(UsageError, match="one size only"):
        resize_model(path, (400, 608), tmp_path)
    copy = tmp_path / "claims.tflite"
    copy.write_bytes(path.read_bytes())
    card = ModelCard.load(path.with_suffix(".json"))
    dataclasses.replace(card, resizable=True).save(copy.with_suffix(".json"))
    with pytest.raises(UsageError, match="one size only"):
        resize_model(copy, (403, 601), tmp_path / "out")
