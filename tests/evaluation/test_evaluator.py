"""Metrics of engines on pairs equal hand-computed values and are saved as strict JSON."""

import json
import math
import time

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation.evaluator import (
    IdentityEngine,
    evaluate,
    evaluate_pairs,
)
from lowlight_tf.evaluation.results import Results, Score, load, save
from lowlight_tf.evaluation.tasks import FUSION_METRICS
from lowlight_tf.imaging import color, image_io
from lowlight_tf.metrics import fusion
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.runtime.loading import load_model

ONE, TWO = 20 * math.log10(255), 20 * math.log10(255 / 2)  # dB, of errors of one and two levels


class LevelShiftEngine(Engine):
    """An engine of one size that adds ten levels; its first image takes 50 ms."""

    name = "lift"
    contract = ENHANCE
    size = (16, 16)
    card = ModelCard("lift", "lift", ENHANCE, 16, 16, "float32", "uint8", (0, 255), "abc", 1, 0)

    def __init__(self):
        self.calls = 0

    def __call__(self, images):
        """Add ten levels to each image of the batch."""
        self.calls += 1
        time.sleep(0.05 if self.calls == 1 else 0)
        ten = 10 if images["low"].dtype == np.uint8 else 10 / 255
        return {"enhanced": (images["low"] + ten).astype(images["low"].dtype)}


def read_strict_json(path):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_mean_is_taken_over_the_images(pair_of):
    results = evaluate(
        IdentityEngine(), [pair_of("a", 30, 31), pair_of("b", 50, 48)], metrics=("psnr", "mae")
    )
    assert [score.name for score in results.scores] == ["a", "b"]
    assert [score.values["psnr"] for score in results.scores] == pytest.approx([ONE, TWO])
    assert results.means == pytest.approx({"psnr": (ONE + TWO) / 2, "mae": 1.5 / 255})
    assert results.standard_deviations["psnr"] == pytest.approx((ONE - TWO) / 2)
    assert (results.model, results.protocol) == ("input", "plain")


def test_psnr_and_ssim_are_the_default_metrics(pair_of):
    assert evaluate(IdentityEngine(), [pair_of("a", 30, 31)]).metrics == ("psnr", "ssim")


@pytest.mark.parametrize("size", [(12, 15), (16, 16), (23, 41)])
def test_images_of_any_size_are_evaluated(size, pair_of):
    results = evaluate(LevelShiftEngine(), [pair_of("a", 20, 31, size=size)], metrics=("psnr",))
    assert results.means["psnr"] == pytest.approx(ONE)
    assert results.sha256 == "abc"


def test_the_time_is_the_median_inside_the_engine(pair_of):
    results = evaluate(LevelShiftEngine(), [pair_of("a", 20, 31), pair_of("b", 20, 31)])
    assert results.scores[1].ms < 50 <= results.scores[0].ms
    scores = tuple(Score("a", {"psnr": 1.0}, ms) for ms in (900.0, 2.0, 3.0))
    assert Results("m", "plain", scores).ms == 3


def test_the_multiply_adds_of_an_image_are_summed_over_its_tiles(pair_of, tmp_path):
    class CountingEngine(LevelShiftEngine):
        weights = 7

        def count_macs(self, size):
            return 3 * size[0] * size[1]

    engine = CountingEngine()
    results = evaluate(engine, [pair_of("a", 20, 31, size=(23, 41))])
    assert results.multiply_adds == engine.calls * 3 * 16 * 16
    assert engine.calls > 1
    save(tmp_path / "results.json", [results])
    (again,) = load(tmp_path / "results.json")
    assert (again.weights, again.multiply_adds) == (7, results.multiply_adds)
    assert evaluate(LevelShiftEngine(), [pair_of("b", 20, 31)]).multiply_adds is None


def test_one_run_of_the_engine_is_used_by_all_protocols(pair_of):
    pairs, engine = [pair_of("a", 20, 60), pair_of("b", 20, 31)], LevelShiftEngine()
    protocols = ("plain", "gt_mean", "luma")
    together = evaluate_pairs(engine, pairs, metrics=("psnr",), protocols=protocols)
    assert engine.calls == 2
    for protocol, results in zip(protocols, together, strict=True):
        alone = evaluate(LevelShiftEngine(), pairs, metrics=("psnr",), protocol=protocol)
        assert (results.protocol, results.means) == (protocol, alone.means)
    assert together[1].means["psnr"] == math.inf  # a flat image differs in exposure only


def test_16_bit_images_are_measured_at_8_bits(pair_of):
    pair = pair_of("deep", 30 * 257 + 100, 31 * 257 - 100, dtype=np.uint16)
    assert evaluate(IdentityEngine(), [pair]).means["psnr"] == pytest.approx(ONE)


def test_no_reference_metrics_have_no_protocol(pair_of):
    pair = pair_of("a", 51, 60)
    plain, luma = evaluate_pairs(
        LevelShiftEngine(), [pair], metrics=("brightness", "psnr"), protocols=("plain", "luma")
    )
    assert plain.means == pytest.approx({"brightness": 61 / 255, "psnr": ONE})
    assert luma.metrics == ("psnr",)
    (alone,) = evaluate_pairs(
        LevelShiftEngine(), [pair], metrics=("brightness",), protocols=("gt_mean", "luma")
    )
    assert alone.means == pytest.approx({"brightness": 61 / 255})


def test_a_metric_is_called_with_its_declared_inputs(pair_of, tmp_path):
    ramp = np.arange(20, 80, dtype=np.uint8).reshape(5, 12, 1).repeat(3, -1)
    image_io.save_image(tmp_path / "ramp.png", image_io.LoadedImage(ramp))

    class NegativeEngine(LevelShiftEngine):
        def __call__(self, images):
            return {"enhanced": 255 - images["low"]}

    pair = Pair("ramp", {"low": tmp_path / "ramp.png"}, None)
    assert evaluate(LevelShiftEngine(), [pair], metrics=("loe",)).means["loe"] == 0
    assert evaluate(NegativeEngine(), [pair], metrics=("loe",)).means["loe"] == 59


def test_an_enhancement_model_gets_the_visible_image(pair_of):
    dark, other = pair_of("a", 51, 0), pair_of("b", 0, 0, size=(3, 4))
    pair = Pair("a", {"visible": dark.inputs["low"], "infrared": other.inputs["low"]}, None)
    means = evaluate(IdentityEngine(), [pair], metrics=("brightness",)).means
    assert means == pytest.approx({"brightness": 0.2})


def random_image(rng, *shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def test_a_fusion_model_gets_both_cameras_and_is_compared_with_both(scene_of, rng):
    pair = scene_of("a", random_image(rng, 44, 55, 3), random_image(rng, 44, 55))
    visible, infrared = (image_io.load_image(path).pixels for path in pair.inputs.values())
    metrics = ("entropy", "mutual_information", "source_mse", "brightness", "loe")
    engine = load_model("average")
    (values,) = [score.values for score in evaluate(engine, [pair], metrics=metrics).scores]
    fused = fuse(engine, visible, infrared)
    assert values["entropy"] == fusion.entropy(fused)
    assert values["mutual_information"] == fusion.mutual_information(visible, infrared, fused)
    assert values["source_mse"] == fusion.source_mse(visible, infrared, fused)
    assert values["brightness"] == pytest.approx(color.luma(fused).mean() / 255)
    assert values["loe"] > 0
    assert tuple(evaluate(engine, [pair], metrics=FUSION_METRICS).metrics) == FUSION_METRICS


def test_an_enhancement_model_is_measured_by_fusion_metrics(scene_of, rng):
    pair = scene_of("a", random_image(rng, 20, 30, 3), random_image(rng, 20, 30))
    metrics = ("entropy", "scd", "source_psnr")
    unchanged, shifted = (
        evaluate(e, [pair], metrics=metrics) for e in (IdentityEngine(), LevelShiftEngine())
    )
    same = evaluate(load_model("visible"), [pair], metrics=metrics)
    assert unchanged.means == same.means
    assert shifted.means != same.means


def test_a_metric_with_its_own_protocols_is_measured_under_the_requested_ones(scene_of, rng):
    pair = scene_of("a", random_image(rng, 20, 30, 3), random_image(rng, 20, 30))
    names = ("source_psnr", "entropy")
    engine = load_model("average")
    unit_range, plain = evaluate_pairs(
        engine, [pair], metrics=names, protocols=("unit_range", "plain")
    )
    assert (unit_range.protocol, unit_range.metrics) == ("unit_range", names)
    assert (plain.protocol, plain.metrics) == ("plain", ("source_psnr",))
    difference = unit_range.means["source_psnr"] - plain.means["source_psnr"]
    assert difference == pytest.approx(20 * math.log10(255))
    with pytest.raises(
        UsageError, match="source_psnr is measured under the protocol plain or unit_range"
    ):
        evaluate(engine, [pair], metrics=names, protocol="luma")


def test_both_camera_images_must_exist_and_have_the_same_size(scene_of, rng):
    pair = scene_of("a", random_image(rng, 20, 30, 3), random_image(rng, 20, 31))
    with pytest.raises(UsageError, match="pair a must have one size"):
        evaluate(load_model("average"), [pair], metrics=("entropy",))
    alone = Pair("a", {"visible": pair.inputs["visible"]}, None)
    with pytest.raises(UsageError, match="Pair a has no image for 'infrared'"):
        evaluate(IdentityEngine(), [alone], metrics=("scd",))


def test_a_mean_is_taken_over_the_images_with_a_value(tmp_path):
    values = (math.nan, 2.0, 4.0)
    scores = tuple(
        Score("a", {"highlight_growth": value, "niqe": math.nan}, 1.0) for value in values
    )
    results = Results("m", "plain", scores)
    assert results.means["highlight_growth"] == 3
    assert results.standard_deviations["highlight_growth"] == 1
    assert math.isnan(results.means["niqe"])
    assert math.isnan(results.standard_deviations["niqe"])
    save(tmp_path / "results.json", [results])
    fields = read_strict_json(tmp_path / "results.json")["results"][0]
    assert [each["highlight_growth"] for each in fields["each"]] == [None, 2, 4]
    assert load(tmp_path / "results.json")[0].means["highlight_growth"] == 3


def test_progress_ends_at_one(pair_of):
    fractions = []
    evaluate(IdentityEngine(), [pair_of("a", 1, 2), pair_of("b", 1, 2)], progress=fractions.append)
    assert fractions == [0.5, 1.0]


def test_an_infinite_psnr_is_kept_in_strict_json(pair_of, tmp_path):
    results = evaluate(IdentityEngine(), [pair_of("a", 30, 30), pair_of("b", 30, 31)])
    save(tmp_path / "results.json", [results])
    (fields,) = read_strict_json(tmp_path / "results.json")["results"]
    assert fields["metrics"]["psnr"] == {"unit": "dB", "mean": "inf", "std": None}
    assert [each["psnr"] for each in fields["each"]] == ["inf", pytest.approx(ONE)]
    (again,) = load(tmp_path / "results.json")
    assert again.means == results.means


def test_saved_results_are_loaded_unchanged(pair_of, tmp_path):
    path = tmp_path / "results.json"
    path.write_text("older")
    results = evaluate_pairs(
        LevelShiftEngine(),
        [pair_of("a", 20, 31), pair_of("b", 20, 40)],
        metrics=("psnr", "ssim"),
        protocols=("plain", "luma"),
        data="flats",
    )
    save(path, results, command="lowlight-tf evaluate")
    fields = read_strict_json(path)
    assert fields["command"] == "lowlight-tf evaluate"
    assert fields["versions"]["numpy"] == np.__version__
    assert [one["images"] for one in fields["results"]] == [2, 2]
    assert fields["results"][0]["metrics"]["psnr"]["mean"] == results[0].means["psnr"]
    again = load(path)
    assert [(r.model, r.protocol, r.data, r.sha256) for r in again] == [
        ("lift", "plain", "flats", "abc"),
        ("lift", "luma", "flats", "abc"),
    ]
    assert [r.means for r in again] == [r.means for r in results]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["high", "low", "results.json"]


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"results": [{"model": "m"}]}'])
def test_files_without_results_are_refused(text, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"results\.json"):
        load(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ("psnrr",)}, "No metric is called 'psnrr'. Known: psnr"),
        ({"protocol": "plane"}, "No protocol is called 'plane'. Known: plain"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest_match(options, message, pair_of):
    with pytest.raises(UsageError, match=message):
        evaluate(IdentityEngine(), [pair_of("a", 1, 2)], **options)


def test_pairs_that_cannot_be_evaluated_are_refused(pair_of):
    pair = pair_of("a", 1, 2)
    with pytest.raises(UsageError, match="at least one pair"):
        evaluate(IdentityEngine(), [])
    with pytest.raises(UsageError, match=r"Pair a has no target, which psnr must .*: niqe, loe"):
        evaluate(IdentityEngine(), [Pair("a", pair.inputs, None)], metrics=("psnr", "loe"))
    with pytest.raises(UsageError, match="Pair a has no image for 'low'"):
        evaluate(IdentityEngine(), [Pair("a", {}, pair.target)])


def test_a_target_of_another_size_is_refused_before_the_engine_runs(pair_of):
    engine = LevelShiftEngine()
    wrong = pair_of("b", 1, 2, size=(12, 15), target_size=(15, 12))
    with pytest.raises(UsageError, match=r"pair b .*12x15.*15x12"):
        evaluate(engine, [pair_of("a", 1, 2), wrong])
    assert engine.calls == 0


def test_an_image_too_small_for_a_metric_is_named(pair_of):
    with pytest.raises(UsageError, match=r"Pair tiny: SSIM .*Received: 9x9"):
        evaluate(IdentityEngine(), [pair_of("tiny", 1, 2, size=(9, 9))])
