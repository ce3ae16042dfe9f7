"""A fusion model is trained without targets, and validated by the fusion metrics."""

import json

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.evaluation.tasks import FUSION_METRICS
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.training.data import read_split_pairs
from lowlight_tf.training.history import History
from lowlight_tf.training.trainer import train


@pytest.fixture(scope="module")
def recipe():
    return Recipe.load("did_fuse").replace(
        [
            "data=['embedded']",
            "options.filters=4",
            "options.patch=4",
            "preprocessing.output_stretch=0.5",
            "pipeline.crop_size=32",
            "pipeline.batch_size=2",
            "training.steps=2",
            "training.warmup=0",
            "training.jit_compile=false",
            "training.log_every=1",
            "training.validate_every=2",
        ]
    )


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    pytest.importorskip("skimage")
    return train(recipe, tmp_path_factory.mktemp("fusion") / "run")


@pytest.mark.slow
def test_it_is_validated_by_the_fusion_metrics(run, recipe):
    history = History.load(run / "history.csv")
    for metric in FUSION_METRICS:
        assert history.column(f"val_{metric}")[0] == [2]
    assert not history.column("psnr_batch")[0]
    assert set(recipe.losses) <= set(history.rows[-1])


@pytest.mark.slow
def test_the_folder_records_pairs_and_preprocessing(run):
    pairs = read_split_pairs(run / "pairs_validation.json")
    assert all(set(p.inputs) == {"visible", "infrared"} and p.target is None for p in pairs)
    engine = KerasEngine(run)
    assert engine.preprocessing.output_stretch == 0.5
    images = {name: np.zeros((1, 8, 8, 1), np.float32) for name in ("visible", "infrared")}
    assert set(engine.explanation_maps(images)) == {
        "visible_attention_map",
        "infrared_attention_map",
    }
    card = json.loads((run / "training.json").read_text())
    assert card["recipe"]["preprocessing"]["output_stretch"] == 0.5


@pytest.mark.slow
def test_the_card_names_the_run_that_it_began_with_and_no_folder(run, recipe, tmp_path):
    second = train(recipe.replace([f"training.initial_weights={str(run)!r}"]), tmp_path / "run")
    card = json.loads((second / "training.json").read_text())
    assert card["recipe"]["training"]["initial_weights"] == run.name


def test_data_and_monitor_must_be_those_of_two_cameras(recipe, tmp_path):
    with pytest.raises(UsageError, match="monitor"):
        train(recipe.replace(["training.monitor='psnr'"]), tmp_path / "run")
    with pytest.raises(UsageError, match="is trained on two cameras"):
        train(recipe.replace(["data=['lol_v1']"]), tmp_path / "run")
