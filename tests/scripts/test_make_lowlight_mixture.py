"""The training mixture of `dashcam_net_v2`, from tiny stand-ins of its sources."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_lowlight_mixture.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_lowlight_mixture", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("level", [40, 103, 180])
def test_exposure_is_evened_by_a_curve_that_keeps_black_and_white(script, rng, level):
    image = np.uint8(np.clip(rng.normal(level, 20, (40, 50, 3)), 0, 255))
    image[0, 0], image[0, 1] = 0, 255
    even = script.even_exposure(image)
    before, after = (abs(float(one.mean()) - script.TARGET_MEAN) for one in (image, even))
    assert after < max(before, 1)
    assert after < 0.5 or level != 103
    assert even[0, 0].tolist() == [0, 0, 0]
    assert even[0, 1].tolist() == [255, 255, 255]
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(np.int32(even.ravel()[order])) >= 0).all()


def test_a_black_image_stays_black(script):
    black = np.zeros((8, 8, 3), np.uint8)
    assert not script.even_exposure(black).any()


@pytest.fixture(scope="module")
def mixture(script, tmp_path_factory):
    """Write the mixture of stand-ins: each held-out rule has an image on either side."""
    root, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)

    def write(path, level=120):
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.uint8(np.clip(rng.normal(level, 25, (9, 12, 3)), 0, 255))
        cv2.imwrite(str(path), cv2.resize(blocks, (360, 270), interpolation=cv2.INTER_CUBIC))

    for half in ("train", "val"):
        write(root / "bsds500" / half / f"{half}_1.jpg")
    for number in range(script.HELD_OUT_BSDS):
        if number < 2:
            write(root / "bsds500" / "test" / f"test_{number:02}.jpg")
        else:  # too dark to simulate from: counted, not used
            write(root / "bsds500" / "test" / f"test_{number:02}.jpg", level=20)
    for sequence in (script.HELD_OUT_CAMVID, script.TWILIGHT_CAMVID, "0016E5"):
        write(root / "camvid" / "image" / f"{sequence}_f1.png")
    scenes = []
    for source, kind in (("kim9878", "frame"), ("sice", "frame"), ("pmef1", "mertens")):
        frames = []
        for number, ev in enumerate((-3.0, -1.0, 0.0)):
            file = f"{source}/1/{number}.jpg"
            write(root / "exposures" / file, level=120 * 2 ** (ev / 2))
            frames.append({"file": file, "ev": ev})
        scenes.append(
            {"source": source, "scene": "1", "frames": frames,
             "reference": frames[-1]["file"], "reference_kind": kind}
        )  # fmt: skip
    (root / "exposures" / "index.json").write_text(json.dumps(scenes))
    lists = {"scenes": [["1", "2"], ["3", "4"]], "test_twins": ["3"], "misaligned": ["6"]}
    (root / "lists").mkdir()
    (root / "lists" / "scenes.json").write_text(json.dumps(lists))
    (root / "lists" / "val.txt").write_text("1\n")
    for name in range(1, 8):
        write(root / "lol" / "low" / f"{name}.png", level=12)
        write(root / "lol" / "high" / f"{name}.png", level=150)
    write(root / "sice_pairs" / "low" / "1.png", level=30)
    write(root / "sice_pairs" / "high" / "1.png")
    command = [
        *(sys.executable, str(SCRIPT), "--bsds500", root / "bsds500", "--camvid", root / "camvid"),
        *("--exposures", root / "exposures", "--lol", root / "lol", "--lol-lists", root / "lists"),
        *("--sice", root / "sice_pairs", "--variants", "1"),
        *("--degenerate", "3", "--black", "6", "--gradients", "4", "--output"),
    ]
    subprocess.run([*map(str, command), str(root / "mixture")], check=True, capture_output=True)
    return root / "mixture"


def names(mixture, part):
    low, high = (
        {p.stem for p in (mixture / part / side).glob("*.png")} for side in ("low", "high")
    )
    assert low == high
    return low


def test_lol_leaves_out_scenes_of_validation_and_test_and_misaligned_pairs(mixture):
    assert names(mixture, "lol/val") == {"lol_1"}
    assert names(mixture, "lol/train") == {"lol_5", "lol_7"}


def test_all_images_of_a_held_out_source_are_held_out(mixture):
    assert {n.split("_")[0] for n in names(mixture, "stacks_single/val")} == {"kim9878"}
    assert {n.split("_")[0] for n in names(mixture, "stacks_single/train")} == {"sice"}
    assert {n.split("_")[0] for n in names(mixture, "stacks_fused/train")} == {"pmef1"}
    assert {n[:12] for n in names(mixture, "well_exposed/val")} == {"camvid_0006R", "kim9878_1"}
    assert not [n for n in names(mixture, "simulated/train") if "0001TP" in n or "0006R0" in n]


def test_targets_of_training_have_one_brightness_those_of_validation_their_own(script, mixture):
    def level(path):
        return cv2.imread(str(mixture / path)).mean()

    assert level("lol/train/high/lol_5.png") == pytest.approx(script.TARGET_MEAN, abs=1)
    assert level("lol/val/high/lol_1.png") == pytest.approx(150, abs=6)


def test_targets_of_noise_around_black_are_black_but_for_lamps(mixture):
    assert len(names(mixture, "black/train")) == 6
    for name in names(mixture, "black/train"):
        low, high = (
            cv2.imread(str(mixture / f"black/train/{side}/{name}.png")) for side in ("low", "high")
        )
        unlit = high.max(2) <= 4
        assert unlit.mean() > 0.8
        assert np.ptp(high[unlit]) == 0
        assert low[unlit].std() > 0


@pytest.mark.parametrize(
    ("part", "kind", "blend"),
    [
        ("night_drive/val", "night_drive", lambda target, result: target),
        ("lol/train", "copy", lambda target, result: target),
        ("black/train", "black", np.minimum),
        ("night_drive/train", "night_drive", lambda target, result: (target + result) / 2),
    ],
)
def test_a_teacher_is_blended_into_targets_of_night_drives_and_black(
    script, rng, part, kind, blend
):
    low, target = (np.uint8(rng.integers(0, level, (64, 96, 3))) for level in (60, 255))
    result = np.float32(enhance(load_model("clahe"), low))
    job = script.Job(part, "a", "a.png", kind=kind)
    blended = script.blend_teacher(job, (low, target), "clahe")
    assert blended.dtype == np.uint8
    np.testing.assert_allclose(blended, blend(np.float32(target), result), atol=0.5)


def test_pairs_have_equal_sizes_that_crops_fit_into(script, mixture):
    for low in sorted(mixture.glob("*/train/low/*.png")):
        shape = cv2.imread(str(low)).shape
        assert shape == cv2.imread(str(low.parents[1] / "high" / low.name)).shape
        assert min(shape[:2]) >= 256


def test_every_part_names_its_terms(script, mixture):
    assert {path.parent.name for path in mixture.glob("*/terms.txt")} == set(script.TERMS)


def test_what_is_brighter_in_a_gradient_is_brighter_in_its_input(mixture):
    for path in sorted((mixture / "gradients" / "train" / "high").glob("*.png")):
        low, high = (
            cv2.blur(cv2.imread(str(file)), (41, 41))[20:-20, 20:-20].mean(axis=2)
            for file in (path.parents[1] / "low" / path.name, path)
        )
        order = np.argsort(high, axis=None)
        ends = [low.ravel()[part].mean() for part in (order[:500], order[-500:])]
        assert ends[0] < ends[1]
