"""A RAW model is trained on RAW files synthesized from photographs, by recipe alone."""

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.fileio import read_json
from lowlight_tf.training.data import load_training_data, read_split_pairs

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")


@pytest.fixture
def recipe():
    return Recipe.load("attention_unet_slim").replace(
        [
            "data=['embedded']",
            "options.filters=4",
            "options.depth=1",
            "pipeline.crop_size=16",
            "pipeline.batch_size=2",
            "training.steps=2",
            "training.warmup=0",
            "training.log_every=1",
            "training.validate_every=2",
            "discriminator.options={filters=4, depth=1}",
        ]
    )


def test_photographs_become_raw_pairs_with_their_ratios(recipe, tmp_path):
    pytest.importorskip("skimage")
    data = load_training_data(recipe, tmp_path)
    assert {pair.inputs["raw"].suffix for pair in data.train} == {".dng"}
    assert all(100 <= exposure_pairs.exposure_ratio(pair) <= 300 for pair in data.val)
    data.save(tmp_path)
    loaded = read_split_pairs(tmp_path / "pairs_validation.json")
    assert [pair.name for pair in loaded] == [pair.name for pair in data.val]


@pytest.mark.slow
def test_a_raw_model_is_trained_and_validated_at_full_size(recipe, tmp_path):
    pytest.importorskip("skimage")
    from lowlight_tf.training.history import History
    from lowlight_tf.training.trainer import train

    train(recipe, tmp_path / "run")
    history = History.load(tmp_path / "run" / "history.csv")
    _, psnr = history.column("val_psnr")
    assert len(psnr) == 1
    assert np.isfinite(psnr).all()
    assert read_json(tmp_path / "run" / "training.json")["protocol"].startswith("sid, ")
    assert (tmp_path / "run" / "model.keras").is_file()
    assert list((tmp_path / "run" / "decoded").rglob("*.npy"))
