"""A run folder becomes files with cards, or nothing is written."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from lowlight_tf import legacy_names
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE, FUSE, RAW_TO_RGB, Contract, Port
from lowlight_tf.export import gpu_delegate
from lowlight_tf.export.calibration_data import batch_as_float32, calibration_images, parity_samples
from lowlight_tf.export.exporter import export_run, load_run
from lowlight_tf.export.parity import MIN_PARITY_DB
from lowlight_tf.export.quantization.post_training import QUANTIZATIONS
from lowlight_tf.fileio import read_json, sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import benchmark, pretrained
from lowlight_tf.runtime.golden import MAX_PSNR_DB, golden_db
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.tflite_graph.resize_model import resize_model

SIZE = (16, 24)


@pytest.mark.slow
def test_every_quantization_has_a_correct_card_and_sufficient_parity(untrained_run, tmp_path):
    paths = export_run(untrained_run, size=SIZE, quantize=QUANTIZATIONS, output=tmp_path / "out")
    assert sorted(path.name for path in paths) == [
        "driving_unet_16x24_dynamic_range.tflite",
        "driving_unet_16x24_float16.tflite",
        "driving_unet_16x24_float32.tflite",
        "driving_unet_16x24_int16x8.tflite",
        "driving_unet_16x24_int8.tflite",
    ]
    for path in paths:
        card = ModelCard.load(path.with_suffix(".json"))
        assert card.sha256 == sha256(path)
        assert card.size_bytes == path.stat().st_size
        assert (card.height, card.width, card.contract) == (*SIZE, ENHANCE)
        assert card.model == "driving_unet"
        assert card.name == path.stem
        assert card.options["filters"] == 8
        assert card.training == {"seed": 1, "steps": 0}
        assert card.parity_db >= MIN_PARITY_DB[card.quantization]
        is_int8 = card.quantization == "int8"
        assert (card.dtype, card.value_range) == (
            ("uint8", (0, 255)) if is_int8 else ("float32", (0, 1))
        )
        assert load_model(path).size == SIZE
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_given_name_replaces_the_models(untrained_run, tmp_path):
    (path,) = export_run(
        untrained_run, size=SIZE, quantize=["float32"], output=tmp_path, name="night", golden=True,
        calibration_folder=untrained_run / "images",
    )  # fmt: skip
    assert path.name == "night_16x24_float32.tflite"
    assert ModelCard.load(path.with_suffix(".json")).name == "night"
    assert path.with_suffix(".npz").is_file()


@pytest.mark.slow
def test_a_card_is_written_with_the_field_names_of_today(fusing_run, tmp_path):
    (path,) = export_run(fusing_run, size=(48, 64), quantize=["none"], output=tmp_path)
    fields = read_json(path.with_suffix(".json"))
    assert fields.keys() == {field.name for field in dataclasses.fields(ModelCard)}
    assert "preprocessing" in fields
    assert fields["quantization"] == "float32"
    assert fields["options"] == {"filters": 4, "int8_friendly": True}
    ports = [*fields["contract"]["inputs"], *fields["contract"]["outputs"]]
    assert all({"color_space", "thumbnail_of"} <= port.keys() for port in ports)
    assert ModelCard.load(path.with_suffix(".json")).contract == FUSE


@pytest.mark.parametrize("name", ["dashcam_net_nano", "did_fuse", "attention_unet", "can24"])
def test_a_card_of_0_1_0_is_read(name, tmp_path):
    source = Path(__file__).parent / "card_0_1_0.json"  # of did_fuse_int8
    if name != "did_fuse":
        source = pretrained.find_pretrained(name).with_suffix(".json")
    former = read_json(source)
    assert "space" in former["contract"]["inputs"][0]  # shipped cards stay as 0.1.0 wrote them
    card = ModelCard.load(source)
    assert card.quantization == {"none": "float32"}.get(
        former["quantization"], former["quantization"]
    )
    assert card.contract == MODELS.find(card.model).contract
    assert not card.options.keys() & legacy_names.MODEL_OPTIONS.keys()
    assert not card.preprocessing.keys() & legacy_names.PREPROCESSING_KEYS.keys()
    card.save(tmp_path / "card.json")
    assert ModelCard.load(tmp_path / "card.json") == card
    assert "preprocessing" in read_json(tmp_path / "card.json")


def broken_run(run, folder, **replaced):
    """Copy a run with some of its files replaced by text, or left out."""
    for name in ("model.keras", "contract.json", "recipe.toml"):
        if name not in replaced:
            shutil.copy(run / name, folder / name)
    for name, text in replaced.items():
        if text:
            (folder / name).write_text(text)
    return folder


def test_a_checkpoint_of_another_model_is_refused(untrained_run, tmp_path):
    recipe = Recipe(options={"filters": 4, "depth": 1, "groups": 2}).dump()
    run = broken_run(untrained_run, tmp_path, **{"recipe.toml": recipe})
    with pytest.raises(UsageError, match="is a checkpoint of another model"):
        load_run(run)


def test_a_contract_of_another_model_is_refused(untrained_run, tmp_path):
    run = broken_run(untrained_run, tmp_path)
    Contract(ENHANCE.inputs, (Port("enhanced", 3, "linear"),)).save(run / "contract.json")
    with pytest.raises(UsageError, match="is not the contract of driving_unet"):
        load_run(run)


@pytest.mark.parametrize("missing", ["model.keras", "contract.json", "recipe.toml"])
def test_a_run_that_lacks_a_file_is_refused_and_nothing_is_written(
    untrained_run, tmp_path, missing
):
    (tmp_path / "run").mkdir()
    run = broken_run(untrained_run, tmp_path / "run", **{missing: ""})
    with pytest.raises(UsageError, match=missing):
        export_run(run, size=SIZE, quantize=["float32"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_option_keeps_the_trained_weights(untrained_run):
    _, trained = load_run(untrained_run)
    recipe, engine = load_run(untrained_run, ["options.groups=4"])
    assert recipe.options["groups"] == 4
    for one, other in zip(engine.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("setting", ["preprocessing.output_stretch=0.5", "preparation.finish=0.5"])
def test_preprocessing_may_be_changed_by_its_name_of_today_or_of_0_1_0(setting, fusing_run):
    recipe, engine = load_run(fusing_run, [setting])
    assert recipe.preprocessing.output_stretch == 0.5
    assert engine.preprocessing == recipe.preprocessing


@pytest.mark.parametrize("setting", ["options.filters=16", "training.steps=3"])
def test_a_setting_that_needs_training_is_refused(untrained_run, setting):
    with pytest.raises(UsageError, match=f"(Leave out|Received:) {setting}"):
        load_run(untrained_run, [setting])


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nothing there"):
        load_run(tmp_path / "nowhere")


@pytest.mark.slow
def test_a_raw_model_becomes_files_of_any_size(developing_run, tmp_path):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    paths = export_run(
        developing_run, size=(32, 48), quantize=["float16", "int8"], output=tmp_path, golden=True,
        calibration_folder=developing_run,
    )  # fmt: skip
    for path in paths:
        card = ModelCard.load(path.with_suffix(".json"))
        assert card.contract == RAW_TO_RGB
        assert card.resizable
        assert card.parity_db >= MIN_PARITY_DB[card.quantization]
        engine = load_model(path)
        assert golden_db(engine, path.with_suffix(".npz")) == MAX_PSNR_DB
        packed = np.zeros((1, 16, 64, 4), np.float32)
        assert engine({"raw": packed})["enhanced"].shape == (1, 32, 128, 3)
        assert engine.explanation_maps({"raw": packed})["attention_map"].shape == (1, 16, 64, 1)
        size = (64, 32)
        other = resize_model(path, size, tmp_path / "other")
        assert load_model(other)({"raw": np.zeros((1, *size, 4), np.float32)})
        timing = benchmark.measure_here(path, threads=1, runs=1)
        assert timing.p50_ms > 0
        try:
            (batch,) = parity_samples(
                calibration_images(RAW_TO_RGB, run=developing_run, max_images=1),
                RAW_TO_RGB,
                (32, 48),
            )
            report = gpu_delegate.check_gpu_delegate(
                path, batch if card.dtype == "uint8" else batch_as_float32(batch, RAW_TO_RGB)
            )
        except gpu_delegate.VulkanUnavailableError:
            continue
        assert report.unsupported_ops == ()


def test_a_model_without_a_packed_form_is_refused_and_leaves_nothing(untrained_run, tmp_path):
    with pytest.raises(UsageError, match="no packed form: it has DEPTH_TO_SPACE inside"):
        export_run(
            untrained_run, size=SIZE, quantize=["float32"], output=tmp_path / "out", packed=True
        )
    assert not list((tmp_path / "out").iterdir())
