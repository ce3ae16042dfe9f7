"""`lowlight-tf catalog` lists all names."""

import json

import pytest

from lowlight_tf.catalog import BASELINES, LOSSES, METRICS, MODELS
from lowlight_tf.cli.main import main
from lowlight_tf.config import RECIPE_DIR
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets import dataset_card
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import pretrained

NAMES = {
    "models": set(MODELS),
    "baselines": set(BASELINES),
    "losses": set(LOSSES),
    "metrics": set(METRICS),
    "datasets": {"embedded", *dataset_card.list_datasets()},
    "pretrained": set(pretrained.list_pretrained()),
    "recipes": {path.stem for path in RECIPE_DIR.glob("*.toml")},
}


@pytest.mark.parametrize("kind", NAMES)
def test_every_name_is_listed(kind, capsys):
    assert main(["catalog", kind, "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in tables[kind]} == NAMES[kind]
    assert list(tables) == [kind]


def test_the_tables_contain_the_main_properties(capsys):
    assert main(["catalog"]) == 0
    output = capsys.readouterr().out
    assert [line.split(":")[0] for line in output.splitlines() if line[0] != " "] == list(NAMES)
    assert "low (3, srgb)" in output
    assert "train 401, val 30, test 15" in output
    assert "CC BY-NC 4.0" in output
    assert "target, enhanced" in output
    assert "low, enhanced" in output


def test_an_unknown_kind_is_refused(capsys):
    assert main(["catalog", "cats"]) == 2
    assert "models" in capsys.readouterr().err


def test_a_model_is_listed_with_its_size_and_its_metrics(tmp_path, capsys, monkeypatch):
    (tmp_path / "tiny.tflite").write_bytes(b"")
    ModelCard(
        name="tiny",
        model="driving_unet",
        contract=ENHANCE,
        height=40,
        width=60,
        quantization="int8",
        dtype="uint8",
        value_range=(0, 255),
        sha256="",
        size_bytes=123_456,
        weights=1000,
        training={"validation": {"psnr": 20.54321, "ssim": 0.80123}},
    ).save(tmp_path / "tiny.json")
    monkeypatch.setattr(pretrained, "MODEL_DIR", tmp_path)
    assert main(["catalog", "nets"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[:6] == ["tiny", "driving_unet", "40x60", "uint8", "int8", "1000"]
    assert row[6:] == ["123", "psnr", "20.54,", "ssim", "0.8012"]
