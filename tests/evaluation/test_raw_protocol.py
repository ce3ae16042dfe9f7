"""RAW files are evaluated under named protocols against long exposures."""

import json
import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW_TO_RGB, RAW_TO_RGB_HALF
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation import raw_protocol
from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet
from lowlight_tf.evaluation.evaluator import (
    IdentityEngine,
    check_evaluation,
    evaluate,
    evaluate_pairs,
)
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.formats import dng
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")


class GreenEngine(Engine):
    """An engine that repeats the first green of each cell for its four pixels."""

    name, contract, size = "greens", RAW_TO_RGB, None

    def __call__(self, images):
        gray = np.repeat(images["raw"][..., 1:2], 3, axis=3)
        scale = self.contract.scale
        return {"enhanced": gray.repeat(scale, axis=1).repeat(scale, axis=2)}


class HalfGreenEngine(GreenEngine):
    """The same engine at half the resolution."""

    contract = RAW_TO_RGB_HALF


@pytest.fixture
def pair(tmp_path):
    """Return a function that writes a flat gray pair of 24 x 32 pixels."""

    def make(ratio=100.0, light=0.001, levels=51, *, orientation=1, name="a"):
        for side in ("raw", "high"):
            (tmp_path / side).mkdir(exist_ok=True)
        raw_values = np.full((24, 32), round(light * 16000), np.uint16)
        path = tmp_path / "raw" / f"{name}.dng"
        dng.write(
            path,
            raw_values + 64,
            "RGGB",
            black_level=(64,),
            white_level=16064,
            orientation=orientation,
        )
        shape = (24, 32) if orientation < 5 else (32, 24)
        target = np.broadcast_to(np.float32(levels) / 255, (*shape, 3))
        image_io.write_float_rgb(tmp_path / "high" / f"{name}.png", target)
        known = tmp_path / "ratios.json"
        ratios = json.loads(known.read_text()) if known.exists() else {}
        known.write_text(json.dumps(ratios | {name: ratio}))
        return Pair(name, {"raw": path}, tmp_path / "high" / f"{name}.png")

    return make


def psnr_of_error(levels):
    return 20 * math.log10(255 / levels)


@pytest.mark.parametrize("orientation", [1, 6])
def test_raw_values_times_the_ratio_are_compared_with_the_target(pair, orientation):
    # 0.001 x 100 = 0.1: 25.5 levels, rounded to the even 26; the target is 27.
    (one,) = [pair(levels=27, orientation=orientation)]
    results = evaluate(GreenEngine(), [one], metrics=("psnr", "brightness"))
    assert results.protocol == "sid"
    assert results.means["psnr"] == pytest.approx(psnr_of_error(1))


def test_the_sid_protocol_caps_the_ratio_and_half_resolution_does_not(pair):
    one = pair(ratio=600, levels=100)  # 0.3 or 0.6: 76 or 153 levels
    sid, half = evaluate_pairs(
        GreenEngine(), [one], metrics=("psnr",), protocols=("sid", "half_resolution")
    )
    assert (sid.protocol, half.protocol) == ("sid", "half_resolution")
    assert sid.means["psnr"] == pytest.approx(psnr_of_error(24))
    assert half.means["psnr"] == pytest.approx(psnr_of_error(53))


def test_the_half_resolution_protocol_downscales_full_size_images(pair):
    one = pair(ratio=200)  # 0.2: 51 levels
    checkers = np.indices((24, 32)).sum(0) % 2 * np.float32(102 / 255)  # their mean is 51
    image_io.write_float_rgb(one.target, np.repeat(checkers[..., None], 3, axis=2))
    for engine in (GreenEngine(), HalfGreenEngine()):
        images = raw_protocol.protocol_images(engine, one, ["half_resolution"], target=True)[
            "half_resolution"
        ]
        assert images["target"].shape == images["enhanced"].shape == (12, 16, 3)
        results = evaluate(engine, [one], metrics=("psnr",), protocol="half_resolution")
        assert results.means["psnr"] == math.inf
    assert evaluate(GreenEngine(), [one], metrics=("psnr",)).means["psnr"] == pytest.approx(
        psnr_of_error(51)
    )


def test_a_half_resolution_model_is_measured_under_its_own_protocol_only(pair):
    assert raw_protocol.default_protocol(RAW_TO_RGB_HALF) == "half_resolution"
    with pytest.raises(UsageError, match=r"not measured under sid\. Pass half_resolution"):
        evaluate(HalfGreenEngine(), [pair()], protocol="sid")


def test_a_target_may_be_a_long_exposure(pair, tmp_path):
    one = pair(ratio=100, levels=0)
    raw_values = np.full((24, 32), 1600, np.uint16)
    dng.write(
        tmp_path / "high" / "a.dng", raw_values + 64, "RGGB", black_level=(64,), white_level=16064
    )
    long = Pair("a", one.inputs, tmp_path / "high" / "a.dng")
    images = raw_protocol.read_upright_target(long)
    assert images.dtype == np.uint16
    np.testing.assert_allclose(images[12, 16] / 65535, 1.099 * 0.1**0.45 - 0.099, atol=2e-3)


def test_the_libraw_baseline_is_measured_like_models(pair):
    light = color.to_srgb(np.float64(0.1))
    one = pair(levels=round(light * 255))
    results = evaluate(load_model("libraw"), [one], metrics=("psnr",))
    assert results.means["psnr"] > 40
    assert results.ms > 0


@pytest.mark.parametrize(
    ("metrics", "protocols", "words"),
    [
        (("psnr",), ("plain",), "under the protocol sid or half_resolution. Received: plain"),
        (("loe",), ("sid",), "RAW files have no image for low"),
    ],
)
def test_metrics_that_raw_files_cannot_have_are_refused_first(pair, metrics, protocols, words):
    with pytest.raises(UsageError, match=words):
        check_evaluation(GreenEngine(), [pair()], metrics=metrics, protocols=protocols)


def test_a_pair_without_a_ratio_is_refused_before_any_development(pair, tmp_path):
    one = pair()
    (tmp_path / "ratios.json").write_text('{"a": 0}')
    with pytest.raises(UsageError, match="must give a a ratio above zero"):
        check_evaluation(GreenEngine(), [one], metrics=("psnr",), protocols=("sid",))


def test_images_are_not_measured_under_raw_protocols(pair_of):
    with pytest.raises(UsageError, match="psnr is measured under the protocol plain"):
        evaluate(IdentityEngine(), [pair_of("a", 30, 31)], metrics=("psnr",), protocol="sid")


def test_a_contact_sheet_contains_the_unamplified_input_and_the_result(pair):
    one = pair(levels=26)
    sheet = contact_sheet([GreenEngine(), load_model("libraw")], [one], height=24)
    assert sheet.shape == (48, 4 * 32, 3)
    cells = [sheet[36, 32 * column + 16, 1] for column in range(4)]
    assert cells[0] < 0.02
    np.testing.assert_allclose(cells[1], 0.1, atol=0.01)
    np.testing.assert_allclose(cells[2], color.to_srgb(np.float64(0.1)), atol=0.01)
    np.testing.assert_allclose(cells[3], 26 / 255, atol=1e-3)
