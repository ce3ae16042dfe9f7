"""Files of version 0.1.0 load and give the outputs that 0.1.0 computed."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.layers.legacy_classes import LEGACY_CLASSES, Limit
from lowlight_tf.layers.reparameterization import reparameterize_model

SAVED = Path(__file__).parent / "saved_0_1_0"
FILES = {path.stem: path for path in SAVED.glob("*.keras")}


def output(model, name):
    rng = np.random.default_rng(1)
    batch = {
        port: rng.random((1, *(side or 16 for side in x.shape[1:])), dtype=np.float32)
        for port, x in model.input.items()
    }
    return np.asarray(model(batch)[name])


def random_images(count):
    rng = np.random.default_rng(1)
    return [rng.random((1, 16, 16, 1), dtype=np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def expected():
    with np.load(SAVED / "outputs.npz") as file:
        return dict(file)


def test_the_saved_files_contain_every_former_class_name():
    text = ""
    for path in (*FILES.values(), SAVED / "run" / "model.keras"):
        with zipfile.ZipFile(path) as file:
            text += file.read("config.json").decode()
    for name in LEGACY_CLASSES:
        assert f'"lowlight_tf>{name}"' in text


@pytest.mark.parametrize("name", FILES)
def test_a_saved_model_gives_the_same_output(name, expected):
    model = keras.saving.load_model(FILES[name], compile=False)
    port = "fused" if name == "am_fusion" else "enhanced"
    np.testing.assert_allclose(output(model, port), expected[name], atol=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_a_saved_model_is_folded_as_a_model_of_today(name, expected):
    model = reparameterize_model(keras.saving.load_model(FILES[name], compile=False))
    port = "fused" if name == "am_fusion" else "enhanced"
    np.testing.assert_allclose(output(model, port), expected[name], atol=1e-4)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not kinds & {"CollapsibleConv2D", "FoldedTranspose", "PassableNormalization"}


def test_a_saved_model_loads_again_after_it_is_saved_again(tmp_path, expected):
    keras.saving.load_model(FILES["mirnet"], compile=False).save(tmp_path / "again.keras")
    model = keras.saving.load_model(tmp_path / "again.keras", compile=False)
    np.testing.assert_allclose(output(model, "enhanced"), expected["mirnet"], atol=1e-6)


def test_a_run_folder_of_0_1_0_gives_the_same_output(expected):
    engine = KerasEngine(SAVED / "run")
    images = {
        port.name: x for port, x in zip(engine.contract.inputs, random_images(2), strict=True)
    }
    np.testing.assert_allclose(engine(images)["fused"], expected["run"], atol=1e-6)


def test_the_model_of_a_run_folder_of_0_1_0_is_folded(expected):
    model = keras.saving.load_model(SAVED / "run" / "model.keras", compile=False)
    folded = reparameterize_model(model)
    np.testing.assert_allclose(output(folded, "fused"), expected["run"], atol=1e-5)
    assert "PassableNormalization" not in {type(layer).__name__ for layer in folded.layers}


def test_the_recipe_of_a_run_folder_of_0_1_0_is_read():
    text = (SAVED / "run" / "recipe.toml").read_text(encoding="utf-8")
    assert "[objective]" in text
    assert "detail_likeness" in text
    recipe = Recipe.load(SAVED / "run" / "recipe.toml")
    assert recipe.losses["detail_similarity"] == 0.25
    assert recipe.pipeline.crop_size == 32
    assert recipe.preprocessing.output_stretch == 1.0


@pytest.mark.parametrize("strict", [True, False])
def test_a_strict_limit_has_no_straight_through_gradient(strict):
    layer = Limit.from_config({"name": "limit", "strict": strict})
    assert layer.straight_through is not strict
    rebuilt = Limit.from_config(layer.get_config())
    assert rebuilt.straight_through is layer.straight_through
