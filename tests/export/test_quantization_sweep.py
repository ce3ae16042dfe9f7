"""Every rung of the ladder is made, measured against the first, or says why it was not."""

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
from lowlight_tf.training.data import read_pairs

SIZE = (16, 24)


class Curve(Engine):
    """An engine that gives each 8-bit value another one."""

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
def test_banding_is_counted_on_a_dark_ramp(curve, levels, run):
    assert quantization_sweep.measure_banding(Curve(curve), (12, 130)) == (levels, run)


def test_the_largest_error_is_in_steps_of_eight_bits(rng):
    beside = quantization_sweep.MaxDifferenceProbe(
        Curve(lambda value: value), Curve(lambda v: v - 7 if v == 200 else v)
    )
    low = np.full((1, 12, 130, 3), 100, np.uint8)
    beside({"low": low})
    assert beside.max_difference == 0
    low[0, 3, 4, 1] = 200
    answer = beside({"low": low})
    assert beside.max_difference == 7
    np.testing.assert_array_equal(answer["enhanced"], low)
    beside({"low": np.full_like(low, 100)})
    assert beside.max_difference == 7


def test_a_leveled_target_is_made_as_bright_as_the_net_makes_the_picture():
    leveled = np.float32([0.2, 0.8]).reshape(1, 1, 2, 1)
    others = np.float32([0.25, 0.55]).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(
        np.ravel(match_mean_brightness(leveled, others / 2)), [0.08, 0.32], rtol=1e-5
    )
    np.testing.assert_allclose(
        np.ravel(match_mean_brightness(leveled, 4 * others)), [0.64, 1.0], rtol=1e-5
    )
    np.testing.assert_array_equal(match_mean_brightness(0 * leveled, others), 0 * leveled)


def rung(name="float32", **changed):
    measured = {
        "size_bytes": 12_345, "gzip_bytes": 6_000, "metrics": {"psnr": 20.126, "ssim": 0.8},
        "changes": {"psnr": 0.0, "ssim": 0.0}, "largest_error": 3, "grey_levels": 60,
        "longest_run": 12, "p50_ms": 1.26, "p90_ms": 2.0, "peak_mb": 80.4, "operations": 40,
        "delegated": "all 40, 90 dB from the CPU",
    }  # fmt: skip
    return dataclasses.replace(quantization_sweep.VariantResult(name), **{**measured, **changed})


def test_the_table_says_what_was_measured_and_why_a_rung_is_missing():
    less = {"psnr": -0.126, "ssim": -0.00123}
    missing = quantization_sweep.VariantResult("int8_qat", reason="needs tf_keras")
    table = quantization_sweep.markdown_table([rung(), rung("int8", changes=less), missing], "plain")
    head, rule, first, second, third = (line[2:-2].split(" | ") for line in table.splitlines())
    assert len({len(line) for line in (head, rule, first, second, third)}) == 1
    assert head[:7] == [
        "rung", "kB", "gzip kB", "PSNR dB (plain)", "change", "SSIM (plain)", "change",
    ]  # fmt: skip
    assert first[:7] == ["float32", "12.3", "6.0", "20.13", "+0.00", "0.8000", "+0.0000"]
    assert second[3:7] == ["20.13", "-0.13", "0.8000", "-0.0012"]
    assert second[7:] == ["3", "60", "12", "1.3", "2.0", "80", "all 40, 90 dB from the CPU"]
    assert third == ["int8_qat", *["-"] * 12, "not made: needs tf_keras"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder around a dashcam_net that learned nothing, with pairs to learn from."""
    import keras

    from lowlight_tf.models.dashcam_net import dashcam_net

    folder = tmp_path_factory.mktemp("exposing")
    options = {"filters": 4, "blocks": 0, "deep_filters": 4, "deep_blocks": 0, "context": 4}
    keras.utils.set_random_seed(1)
    dashcam_net(**options).save(folder / "model.keras")
    ENHANCE_WITH_THUMBNAIL.save(folder / "contract.json")
    recipe = Recipe(model="dashcam_net", options=options).replace(
        ["pipeline.crop=16", "pipeline.batch=2"]
    )
    (folder / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    rng, listed = np.random.default_rng(2), []
    for index in range(4):
        low = (0.2 * rng.random((5, 6, 3)).repeat(8, 0).repeat(8, 1)).astype(np.float32)
        paths = {}
        for side, image in (("low", low), ("high", np.sqrt(low))):
            (folder / side).mkdir(exist_ok=True)
            paths[side] = folder / side / f"{index}.png"
            image_io.write_float_rgb(paths[side], image)
        listed.append(
            {
                "name": str(index),
                "inputs": {"low": str(paths["low"])},
                "target": str(paths["high"]),
            }
        )
    for name in ("training", "validation"):
        write_json(folder / f"pairs_{name}.json", {"pairs": listed})
    return folder


def tensors(path):
    kinds = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(str(path), experimental_op_resolver_type=kinds).get_tensor_details()


def pairs_of(run):
    return [Pair(f"{i}", {"low": run / f"low/{i}.png"}, run / f"high/{i}.png") for i in range(2)]


def lesson(run, **options):
    def judge(images):
        import tensorflow as tf

        return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))

    return FineTuneConfig(pairs_of(run), judge, qat_steps=2, prune_steps=4, **options)


def climb(maker, folder, rungs, pairs, prove=False):
    """Return rungs by name, measured on two pictures; the software delegate takes its time."""
    metrics = ["psnr", "mae"]
    made = quantization_sweep.sweep(
        maker, rungs, folder, pairs, metrics=metrics, runs=2, check_delegate=prove
    )
    return {rung.name: rung for rung in made}


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_every_rung_is_made_and_measured(run, tmp_path):
    made = climb(
        VariantBuilder(run, size=SIZE, fine_tuning=lesson(run)), tmp_path, VARIANTS, pairs_of(run)
    )
    assert list(made) == list(VARIANTS)
    for name, rung in made.items():
        assert rung.reason == ""
        card = ModelCard.load(rung.path.with_suffix(".json"))
        assert card.quantization == name.partition("_")[0]
        assert card.parity_db > 20
        assert (card.height, card.width) == SIZE
        load_model(rung.path)  # card and file belong together
        assert rung.size_bytes == rung.path.stat().st_size > rung.gzip_bytes > 0
        assert rung.changes["psnr"] == rung.metrics["psnr"] - made["float32"].metrics["psnr"]
        assert 1 <= rung.grey_levels <= SIZE[1]
        assert 1 <= rung.longest_run <= SIZE[1]
        assert 0 < rung.p50_ms <= rung.p90_ms
        assert rung.peak_mb > 10
        assert rung.operations > 20
        assert rung.delegated == ""
    assert made["float32"].largest_error == 0
    assert made["float32"].changes == {"psnr": 0, "mae": 0}
    assert made["float16"].largest_error <= 1 < made["int8"].largest_error
    assert made["float16"].size_bytes < made["float32"].size_bytes
    assert made["float16_pruned"].gzip_bytes < made["float16"].gzip_bytes
    told = {
        name: ModelCard.load(rung.path.with_suffix(".json")).training for name, rung in made.items()
    }
    assert told["float32"] == told["int8"] == {}
    assert told["int8_qat"]["quantization_aware"]["steps"] == 2
    assert told["int8_pruned"]["pruning"]["sparsity"] == 0.5


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_every_rung_of_a_net_that_fuses_is_made(fusing_run, tmp_path):
    pairs = read_pairs(fusing_run / "pairs_training.json")
    learned = FineTuneConfig(pairs, None, qat_steps=2, prune_steps=4)  # it has its teacher only
    maker = VariantBuilder(fusing_run, size=(48, 64), fine_tuning=learned)
    made = quantization_sweep.sweep(
        maker, VARIANTS, tmp_path, pairs, metrics=["entropy"], runs=2, check_delegate=False
    )
    for rung in made:
        assert rung.reason == ""
        card = ModelCard.load(rung.path.with_suffix(".json"))
        assert card.parity_db > 20
        assert card.weights == maker.model.count_params()
        told = card.training.get("quantization_aware", card.training.get("pruning"))
        assert (told["teacher"] == 1) if "_" in rung.name else (told is None)
        names = {t["name"] for t in tensors(rung.path) if t["dtype"] == np.float32}
        assert not (rung.name.startswith("int8") and names)


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_a_net_whose_losses_look_inside_learns_once_more_from_itself(run, tmp_path):
    """Curves are in no file: what zero_dce was judged by cannot judge its shadow."""
    import keras

    from lowlight_tf.models.zero_dce import zero_dce
    from lowlight_tf.training.composite_loss import CompositeLoss

    folder, options = tmp_path / "run", {"filters": 4, "iterations": 2}
    shutil.copytree(run, folder)
    keras.utils.set_random_seed(1)
    zero_dce(**options).save(folder / "model.keras")
    ENHANCE.save(folder / "contract.json")
    recipe = Recipe(model="zero_dce", options=options).replace(
        ["pipeline.crop=16", "pipeline.batch=2"]
    )
    (folder / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    objective = CompositeLoss({"exposure": 10.0, "curve_smoothness": 200.0})
    learned = dataclasses.replace(
        lesson(folder), judge=lambda images: objective.total(objective(images))
    )
    made = climb(
        VariantBuilder(folder, size=SIZE, fine_tuning=learned),
        tmp_path,
        ("int8_qat", "float16_pruned"),
        pairs_of(folder),
    )
    for name, kind in {"int8_qat": "quantization_aware", "float16_pruned": "pruning"}.items():
        assert made[name].reason == ""
        card = ModelCard.load(made[name].path.with_suffix(".json"))
        assert card.training[kind]["teacher"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("qat")
def test_a_net_that_cannot_be_reconstructed_says_so_in_its_row(untrained_run, run, tmp_path):
    maker = VariantBuilder(untrained_run, size=SIZE, fine_tuning=lesson(run))
    made = climb(maker, tmp_path, ("int8_qat", "int8_pruned"), pairs_of(run))
    assert list(made) == ["float32", "int8_qat", "int8_pruned"]
    for rung in ("int8_qat", "int8_pruned"):
        assert "is a GroupNormalization" in made[rung].reason
        assert made[rung].path is None
    assert len(list(tmp_path.glob("*.tflite"))) == 1


@pytest.mark.slow
def test_without_the_extra_the_rungs_that_need_it_say_so(run, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lowlight_tf.export.")]:
        if name.rpartition(".")[2] in ("qat", "prune", "shadow"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    maker = VariantBuilder(run, size=SIZE, fine_tuning=lesson(run))
    made = climb(maker, tmp_path, ("int8_qat", "float16"), pairs_of(run))
    assert made["int8_qat"].reason == "needs tf_keras: pip install 'lowlight_tf[qat]'"
    assert made["float16"].reason == ""


@pytest.mark.slow
def test_the_table_tells_what_the_delegate_takes(run, tmp_path):
    maker = VariantBuilder(run, size=SIZE, fine_tuning=lesson(run))
    made = climb(maker, tmp_path, ("int16x8",), pairs_of(run), prove=True)
    said = made["float32"].delegated
    assert said.startswith(f"all {made['none'].operations}, ") or "no Vulkan driver" in said
    assert made["int16x8"].delegated == "none: it has no 16-bit integers"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sparsity": 1.0}, "`sparsity` must be from"),
        ({"sparsity": float("nan")}, "`sparsity` must be from"),
        ({"teacher": 1.5}, "`teacher` must be from 0 to 1"),
    ],
)
def test_refuses_a_lesson_that_teaches_nothing(run, options, said):
    with pytest.raises(UsageError, match=said):
        lesson(run, **options)


def test_refuses_no_steps(run):
    with pytest.raises(UsageError, match="`qat_steps` must be at least 1"):
        FineTuneConfig(pairs_of(run), None, qat_steps=0)


@pytest.mark.slow
def test_a_net_of_raw_pictures_learns_once_more_from_raw_files(developing_run, tmp_path):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    run = shutil.copytree(developing_run, tmp_path / "run")
    pairs = read_pairs(run / "pairs_training.json")
    learned = dataclasses.replace(lesson(run), pairs=pairs)
    maker = VariantBuilder(run, size=(16, 32), fine_tuning=learned, calibration_folder=run)
    made = climb(maker, tmp_path, ["float16_pruned"], pairs)["float16_pruned"]
    assert made.reason == ""
    assert made.metrics["psnr"] > 0
    assert list((run / "decoded").rglob("*.npy"))
