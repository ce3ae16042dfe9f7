"""A run folder becomes files with cards, or nothing at all."""

import shutil

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE, Card, Contract, Port, sha256
from lowlight_tf.export.bundle import export_run, open_run
from lowlight_tf.export.parity import FAITHFUL_DB
from lowlight_tf.export.quantize import QUANTIZATIONS
from lowlight_tf.runtime.engine import open_engine

SIZE = (16, 24)


@pytest.mark.slow
def test_every_quantization_has_a_true_card_and_is_faithful(untrained_run, tmp_path):
    paths = export_run(untrained_run, size=SIZE, quantize=QUANTIZATIONS, output=tmp_path / "out")
    assert sorted(path.name for path in paths) == [
        "driving_unet_16x24_dynamic.tflite",
        "driving_unet_16x24_float16.tflite",
        "driving_unet_16x24_float32.tflite",
        "driving_unet_16x24_int16x8.tflite",
        "driving_unet_16x24_int8.tflite",
    ]
    for path in paths:
        card = Card.load(path.with_suffix(".json"))
        assert card.sha256 == sha256(path)
        assert card.size_bytes == path.stat().st_size
        assert (card.height, card.width, card.contract) == (*SIZE, ENHANCE)
        assert card.model == "driving_unet"
        assert card.name == path.stem
        assert card.options["filters"] == 8
        assert card.training == {"seed": 1, "steps": 0}
        assert card.parity_db >= FAITHFUL_DB[card.quantization]
        whole = card.quantization == "int8"
        assert (card.dtype, card.value_range) == (
            ("uint8", (0, 255)) if whole else ("float32", (0, 1))
        )
        assert open_engine(path).size == SIZE
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_name_stands_for_the_model(untrained_run, tmp_path):
    (path,) = export_run(
        untrained_run, size=SIZE, quantize=["none"], output=tmp_path, name="night", golden=True,
        calibration_folder=untrained_run / "pictures",
    )  # fmt: skip
    assert path.name == "night_16x24_float32.tflite"
    assert Card.load(path.with_suffix(".json")).name == "night"
    assert path.with_suffix(".npz").is_file()


def broken(run, folder, **replaced):
    """Copy a run with some of its files replaced by text, or left out."""
    for name in ("model.keras", "contract.json", "recipe.toml"):
        if name not in replaced:
            shutil.copy(run / name, folder / name)
    for name, text in replaced.items():
        if text:
            (folder / name).write_text(text)
    return folder


def test_refuses_a_checkpoint_of_another_model(untrained_run, tmp_path):
    recipe = Recipe(options={"filters": 4, "depth": 1, "groups": 2}).dump()
    run = broken(untrained_run, tmp_path, **{"recipe.toml": recipe})
    with pytest.raises(UsageError, match="is a checkpoint of another model"):
        open_run(run)


def test_refuses_a_contract_of_another_model(untrained_run, tmp_path):
    run = broken(untrained_run, tmp_path)
    Contract(ENHANCE.inputs, (Port("enhanced", 3, "linear"),)).save(run / "contract.json")
    with pytest.raises(UsageError, match="is not that of driving_unet"):
        open_run(run)


@pytest.mark.parametrize("missing", ["model.keras", "contract.json", "recipe.toml"])
def test_refuses_a_run_that_lacks_a_file_and_writes_nothing(untrained_run, tmp_path, missing):
    (tmp_path / "run").mkdir()
    run = broken(untrained_run, tmp_path / "run", **{missing: ""})
    with pytest.raises(UsageError, match=missing):
        export_run(run, size=SIZE, quantize=["none"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="nothing there"):
        open_run(tmp_path / "nowhere")
