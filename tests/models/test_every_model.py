"""Tests of every model of the catalog; a new entry is tested here without further code."""

import keras
import numpy as np
import pytest

from lowlight_tf.catalog import MODELS
from lowlight_tf.export.convert import convert
from lowlight_tf.export.parity import max_difference
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard

SMALL = {"driving_unet": {"filters": 4, "depth": 2, "groups": 2}}


@pytest.fixture(params=MODELS)
def case(request, rng):
    """A small model of each name, its contract, and one batch at an uneven size."""
    entry = MODELS.find(request.param)
    height, width = 11 * entry.contract.multiple_of, 13 * entry.contract.multiple_of
    batch = {
        port.name: rng.random((2, *port.shape((height, width))), dtype=np.float32)
        for port in entry.contract.inputs
    }
    keras.utils.set_random_seed(1)
    return entry.load()(**SMALL.get(request.param, {"filters": 4})), entry.contract, batch


def test_the_model_has_the_name_of_its_entry(case):
    assert case[0].name in MODELS


def test_the_outputs_match_the_contract(case):
    model, contract, batch = case
    outputs = model(batch)
    _, height, width, _ = next(iter(batch.values())).shape
    for port in contract.outputs:
        image = np.asarray(outputs[port.name])
        assert image.shape == (2, height * contract.scale, width * contract.scale, port.channels)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()


def test_a_saved_model_gives_the_same_output(case, tmp_path):
    model, contract, batch = case
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for port in contract.outputs:
        np.testing.assert_array_equal(model(batch)[port.name], loaded(batch)[port.name])


@pytest.mark.slow
def test_the_tflite_model_gives_the_same_output(case, tmp_path):
    model, contract, batch = case
    _, height, width, _ = next(iter(batch.values())).shape
    path = convert(model, contract, tmp_path / "m.tflite", size=(height, width))
    card = ModelCard(
        name="m", model=model.name, contract=contract, height=height, width=width,
        quantization="float32", dtype="float32", value_range=(0, 1), sha256=sha256(path),
        size_bytes=path.stat().st_size, weights=model.count_params(),
    )  # fmt: skip
    card.save(path.with_suffix(".json"))
    assert max_difference(model, contract, path) < 1e-5
