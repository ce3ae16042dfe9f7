"""Every variant is built and compared with the first, or its row has the reason why not."""

import dataclasses
import shutil
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE, ENHANCE_WITH_THUMBNAIL
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.export import quantization_sweep
from lowlight_tf.export.variants import (
    VARIANTS,
    FineTuneConfig,
    VariantBuilder,
    match_mean_brightness,
)
from lowlight_tf.fileio import write_json
from lowlight_tf.imaging import image_io
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.training.data import read_split_pairs

SIZE = (16, 24)


class Curve(Engine):
    """An engine that maps each 8-bit value by a lookup table."""

    name, contract, size = "curve", ENHANCE, None

    def __init__(self, curve):
        self.table = np.array([min(curve(value), 255) for value in range(256)], np.uint8)

    def __call__(self, images):
        return {"enhanced": self.table[images["low"]]}


@pytest.mark.parametrize(
    ("curve", "levels", "run"),
    [
        (lambda value: value, 65, 2),  # 130 pixels, 65 levels
        (lambda value: 3 * value, 65, 2),
        (lambda value: 10 * (value // 10), 7, 20),
        (lambda value: 0, 1, 130),
        (lambda value: value % 2, 2, 2),
    ],
)
def test_banding_is_measured_on_a_dark_ramp(curve, levels, run):
    assert quantization_sweep.measure_banding(Curve(curve), (12, 130)) == (levels, run)


def test_the_largest_error_is_in_8_bit_steps(rng):
    probe = quantization_sweep.MaxDifferenceProbe(
        Curve(lambda value: value), Curve(lambda v: v - 7 if v == 200 else v)
    )
    low = np.full((1, 12, 130, 3), 100, np.uint8)
    probe({"low": low})
    assert probe.max_difference == 0
    low[0, 3, 4, 1] = 200
    output = probe({"low": low})
    assert probe.max_difference == 7
    np.testing.assert_array_equal(output["enhanced"], low)
    probe({"low": np.full_like(low, 100)})
    assert probe.max_difference == 7


def test_a_normalized_target_gets_the_mean_brightness_of_the_models_output():
    normalized = np.float32([0.2, 0.8]).reshape(1, 1, 2, 1)
    references = np.float32([0.25, 0.55]).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(
        np.ravel(match_mean_brightness(normalized, references / 2)), [0.08, 0.32], rtol=1e-5
    )
    np.testing.assert_allclose(
        np.ravel(match_mean_brightness(normalized, 4 * references)), [0.64, 1.0], rtol=1e-5
    )
    np.testing.assert_array_equal(match_mean_brightness(0 * normalized, references), 0 * normalized)


def variant_result(name="float32", **changed):
    fields = {
        "size_bytes": 12_345, "gzip_bytes": 6_000, "metrics": {"psnr": 20.126, "ssim": 0.8},
        "changes": {"psnr": 0.0, "ssim": 0.0}, "largest_error": 3, "grey_levels": 60,
        "longest_run": 12, "p50_ms": 1.26, "p90_ms": 2.0, "peak_mb": 80.4, "operations": 40,
        "delegated": "all 40, 90 dB from the CPU",
    }  # fmt: skip
    return dataclasses.replace(quantization_sweep.VariantResult(name), **{**fields, **changed})


def test_the_table_contains_the_measurements_and_why_a_variant_is_missing():
    less = {"psnr": -0.126, "ssim": -0.00123}
    missing = quantization_sweep.VariantResult("int8_qat", reason="needs tf_keras")
    table = quantization_sweep.markdown_table(
        [variant_result(), variant_result("int8", changes=less), missing], "plain"
    )
    head, rule, first, second, third = (line[2:-2].split(" | ") for line in table.splitlines())
    assert len({len(line) for line in (head, rule, first, second, third)}) == 1
    assert head[:7] == [
        "variant", "kB", "gzip kB", "PSNR dB (plain)", "change", "SSIM (plain)", "change",
    ]  # fmt: skip
    assert first[:7] == ["float32", "12.3", "6.0", "20.13", "+0.00", "0.8000", "+0.0000"]
    assert second[3:7] == ["20.13", "-0.13", "0.8000", "-0.0012"]
    assert second[7:] == ["3", "60", "12", "1.3", "2.0", "80", "all 40, 90 dB from the CPU"]
    assert third == ["int8_qat", *["-"] * 12, "not built: needs tf_keras"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with an untrained dashcam_net and pairs to train on."""
    import keras

    from lowlight_tf.models.dashcam_net import dashcam_net

    folder = tmp_path_factory.mktemp("dashcam_net")
    options = {"filters": 4, "blocks": 0, "deep_filters": 4, "deep_blocks": 0, "context": 4}
    keras.utils.set_random_seed(1)
    dashcam_net(**options).save(folder / "model.keras")
    ENHANCE_WITH_THUMBNAIL.save(folder / "contract.json")
    recipe = Recipe(model="dashcam_net", options=options).replace(
        ["pipeline.crop_size=16", "pipeline.batch_size=2"]
    )
    (folder / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    rng, pairs = np.random.default_rng(2), []
    for index in range(4):
        low = (0.2 * rng.random((5, 6, 3)).repeat(8, 0).repeat(8, 1)).astype(np.float32)
        paths = {}
        for side, image in (("low", low), ("high", np.sqrt(low))):
            (folder / side).mkdir(exist_ok=True)
            paths[side] = folder / side / f"{index}.png"
            image_io.write_float_rgb(paths[side], image)
        pairs.append(
            {
                "name": str(index),
                "inputs": {"low": str(paths["low"])},
                "target": str(paths["high"]),
            }
        )
    for name in ("training", "validation"):
        write_json(folder / f"pairs_{name}.json", {"pairs": pairs})
    return folder


def tensors(path):
    kinds = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(str(path), experimental_op_resolver_type=kinds).get_tensor_details()


def pairs_of(run):
    return [Pair(f"{i}", {"low": run / f"low/{i}.png"}, run / f"high/{i}.png") for i in range(2)]


def fine_tune_config(run, **options):
    def loss_fn(images):
        import tensorflow as tf

        return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))

    return FineTuneConfig(pairs_of(run), loss_fn, qat_steps=2, prune_steps=4, **options)


def sweep(builder, folder, variants, pairs, check_delegate=False):
    """Return results by name, on two images; by default without the slow software delegate."""
    metrics = ["psnr", "mae"]
    results = quantization_sweep.sweep(
        builder, variants, folder, pairs, metrics=metrics, runs=2, check_delegate=check_delegate
    )
    return {result.name: result for result in results}


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_every_variant_is_built_and_measured(run, tmp_path):
    results = sweep(
        VariantBuilder(run, size=SIZE, fine_tuning=fine_tune_config(run)),
        tmp_path,
        VARIANTS,
        pairs_of(run),
    )
    assert list(results) == list(VARIANTS)
    for name, result in results.items():
        assert result.reason == ""
        card = ModelCard.load(result.path.with_suffix(".json"))
        assert card.quantization == VARIANTS[name].quantization
        assert card.parity_db > 20
        assert (card.height, card.width) == SIZE
        load_model(result.path)  # checks the card against the file
        assert result.size_bytes == result.path.stat().st_size > result.gzip_bytes > 0
        assert result.changes["psnr"] == result.metrics["psnr"] - results["float32"].metrics["psnr"]
        assert 1 <= result.grey_levels <= SIZE[1]
        assert 1 <= result.longest_run <= SIZE[1]
        assert 0 < result.p50_ms <= result.p90_ms
        assert result.peak_mb > 10
        assert result.operations > 20
        assert result.delegated == ""
    assert results["float32"].largest_error == 0
    assert results["float32"].changes == {"psnr": 0, "mae": 0}
    assert results["float16"].largest_error <= 1 < results["int8"].largest_error
    assert results["float16"].size_bytes < results["float32"].size_bytes
    assert results["float16_pruned"].gzip_bytes < results["float16"].gzip_bytes
    training = {
        name: ModelCard.load(result.path.with_suffix(".json")).training
        for name, result in results.items()
    }
    assert training["float32"] == training["int8"] == {}
    assert training["int8_qat"]["quantization_aware"]["steps"] == 2
    assert training["int8_pruned"]["pruning"]["sparsity"] == 0.5


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_every_variant_of_a_fusion_model_is_built(fusing_run, tmp_path):
    pairs = read_split_pairs(fusing_run / "pairs_training.json")
    config = FineTuneConfig(pairs, None, qat_steps=2, prune_steps=4)  # only distillation
    builder = VariantBuilder(fusing_run, size=(48, 64), fine_tuning=config)
    results = quantization_sweep.sweep(
        builder, VARIANTS, tmp_path, pairs, metrics=["entropy"], runs=2, check_delegate=False
    )
    for result in results:
        assert result.reason == ""
        card = ModelCard.load(result.path.with_suffix(".json"))
        assert card.parity_db > 20
        assert card.weights == builder.model.count_params()
        record = card.training.get("quantization_aware", card.training.get("pruning"))
        is_fine_tuned = bool(VARIANTS[result.name].fine_tuning)
        assert (record["teacher"] == 1) if is_fine_tuned else (record is None)
        names = {t["name"] for t in tensors(result.path) if t["dtype"] == np.float32}
        assert not (result.name.startswith("int8") and names)


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_a_model_whose_losses_need_other_outputs_is_fine_tuned_by_self_distillation(run, tmp_path):
    """A file has no curves, so the losses of zero_dce cannot be computed for its clone."""
    import keras

    from lowlight_tf.models.zero_dce import zero_dce
    from lowlight_tf.training.composite_loss import CompositeLoss

    folder, options = tmp_path / "run", {"filters": 4, "iterations": 2}
    shutil.copytree(run, folder)
    keras.utils.set_random_seed(1)
    zero_dce(**options).save(folder / "model.keras")
    ENHANCE.save(folder / "contract.json")
    recipe = Recipe(model="zero_dce", options=options).replace(
        ["pipeline.crop_size=16", "pipeline.batch_size=2"]
    )
    (folder / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    loss = CompositeLoss({"exposure": 10.0, "curve_smoothness": 200.0})
    config = dataclasses.replace(
        fine_tune_config(folder), loss_fn=lambda images: loss.total(loss(images))
    )
    results = sweep(
        VariantBuilder(folder, size=SIZE, fine_tuning=config),
        tmp_path,
        ("int8_qat", "float16_pruned"),
        pairs_of(folder),
    )
    for name, kind in {"int8_qat": "quantization_aware", "float16_pruned": "pruning"}.items():
        assert results[name].reason == ""
        card = ModelCard.load(results[name].path.with_suffix(".json"))
        assert card.training[kind]["teacher"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_the_row_of_a_model_that_cannot_be_cloned_has_the_reason(untrained_run, run, tmp_path):
    builder = VariantBuilder(untrained_run, size=SIZE, fine_tuning=fine_tune_config(run))
    results = sweep(builder, tmp_path, ("int8_qat", "int8_pruned"), pairs_of(run))
    assert list(results) == ["float32", "int8_qat", "int8_pruned"]
    for name in ("int8_qat", "int8_pruned"):
        assert "is a GroupNormalization" in results[name].reason
        assert results[name].path is None
    assert len(list(tmp_path.glob("*.tflite"))) == 1


@pytest.mark.slow
def test_without_the_extra_the_variants_that_need_it_have_the_reason(run, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lowlight_tf.export.")]:
        if name.rpartition(".")[2] in ("qat", "prune", "tf_keras_clone"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    builder = VariantBuilder(run, size=SIZE, fine_tuning=fine_tune_config(run))
    results = sweep(builder, tmp_path, ("int8_qat", "float16"), pairs_of(run))
    assert results["int8_qat"].reason == "needs tf_keras: pip install 'lowlight_tf[qat]'"
    assert results["float16"].reason == ""


@pytest.mark.slow
def test_the_result_contains_what_the_delegate_supports(run, tmp_path):
    builder = VariantBuilder(run, size=SIZE, fine_tuning=fine_tune_config(run))
    results = sweep(builder, tmp_path, ("int16x8",), pairs_of(run), check_delegate=True)
    summary = results["float32"].delegated
    count = results["float32"].operations
    assert summary.startswith(f"all {count}, ") or "no Vulkan driver" in summary
    assert results["int16x8"].delegated == "none: it has no 16-bit integers"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, "`sparsity` must be from"),
        ({"sparsity": float("nan")}, "`sparsity` must be from"),
        ({"teacher": 1.5}, "`teacher` must be from 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(run, options, message):
    with pytest.raises(UsageError, match=message):
        fine_tune_config(run, **options)


def test_zero_steps_are_refused(run):
    with pytest.raises(UsageError, match="`qat_steps` must be at least 1"):
        FineTuneConfig(pairs_of(run), None, qat_steps=0)


@pytest.mark.slow
def test_a_raw_model_is_fine_tuned_on_raw_files(developing_run, tmp_path):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    run = shutil.copytree(developing_run, tmp_path / "run")
    pairs = read_split_pairs(run / "pairs_training.json")
    config = dataclasses.replace(fine_tune_config(run), pairs=pairs)
    builder = VariantBuilder(run, size=(16, 32), fine_tuning=config, calibration_folder=run)
    results = sweep(builder, tmp_path, ["float16_pruned"], pairs)["float16_pruned"]
    assert results.reason == ""
    assert results.metrics["psnr"] > 0
    assert list((run / "decoded").rglob("*.npy"))
