"""`lowlight-tf evaluate` on RAW files, and on photographs from which RAW files are synthesized."""

import argparse
import json
import shutil

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.cli.selection import read_named_pairs
from lowlight_tf.contract import RAW_TO_RGB
from lowlight_tf.datasets.pairing import target_only_folder
from lowlight_tf.datasets.synthetic_raw import synthesize_raw_pairs
from lowlight_tf.evaluation import results
from lowlight_tf.evaluation.tasks import evaluation_of
from lowlight_tf.imaging import image_io

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")

CARD = """\
title = "Two images"
home = "https://example.org"
paper = ""
terms = "CC0"
inputs = ["low"]
target = "high"
[splits.train]
exclude = ["b"]
[splits.val]
only = ["b"]
"""


@pytest.fixture
def photographs(tmp_path, rng):
    """A folder of two smooth images."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in "ab":
        ramp = np.linspace(0.1, 0.8, 40)[:, None, None] * rng.uniform(0.6, 1, 3)
        image_io.write_float_rgb(folder / f"{name}.png", np.float32(ramp).repeat(48, axis=1))
    return folder


def test_raw_files_are_synthesized_from_photographs_and_the_protocol_is_named(
    photographs, tmp_path, capsys
):
    words = ["evaluate", "--model", "libraw", "--data", str(photographs)]
    assert main([*words, "--json", str(tmp_path / "one.json")]) == 0
    output = capsys.readouterr().out
    assert "PSNR dB (sid)" in output
    assert "photographs as RAW" in output
    saved = json.loads((tmp_path / "one.json").read_text())
    assert "--protocol sid" in saved["command"]
    pairs = synthesize_raw_pairs(target_only_folder(photographs), tmp_path / "pairs")
    assert main([*words[:4], str(tmp_path / "pairs"), "--json", str(tmp_path / "two.json")]) == 0
    numbers = [results.load(tmp_path / name)[0].scores for name in ("one.json", "two.json")]
    numbers = [[score.values for score in scores] for scores in numbers]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == len(pairs)


def test_the_shipped_model_develops_unseen_photographs_6_db_better_than_libraw(tmp_path):
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    for name in ("chelsea", "coffee"):
        photograph = np.float32(getattr(data, name)()[20:276, 100:356]) / 255
        image_io.write_float_rgb(tmp_path / "day" / f"{name}.png", photograph)
    models = ["attention_unet", "attention_unet_int8"]
    words = ["evaluate", "--model", "libraw", *models, "--data", str(tmp_path / "day")]
    assert main([*words, "--metrics", "psnr,ssim", "--json", str(tmp_path / "table.json")]) == 0
    libraw, *ours = (result.means for result in results.load(tmp_path / "table.json"))
    for means in ours:
        assert means["psnr"] > libraw["psnr"] + 6
        assert means["ssim"] > libraw["ssim"] + 0.2


def test_unpaired_files_are_named_and_the_rest_is_measured(photographs, tmp_path, capsys):
    pairs = synthesize_raw_pairs(target_only_folder(photographs), tmp_path / "pairs")
    pairs[0].target.unlink()
    assert main(["evaluate", "--model", "libraw", "--data", str(tmp_path / "pairs")]) == 1
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert "a.dng has no partner" in output.err
    assert "| libraw |" in output.out


def test_unpaired_files_are_reported_to_the_calling_verb(photographs, tmp_path):
    pairs = synthesize_raw_pairs(target_only_folder(photographs), tmp_path / "pairs")
    pairs[0].target.unlink()
    args, lines = argparse.Namespace(split=None), []
    read_named_pairs(
        str(tmp_path / "pairs"),
        args,
        evaluation_of(RAW_TO_RGB),
        with_targets=True,
        workdir=tmp_path,
        report=lines.append,
    )
    (line,) = lines
    assert "a.dng has no partner" in line


def test_a_pair_without_a_ratio_is_named_and_the_rest_is_measured(photographs, tmp_path, capsys):
    synthesize_raw_pairs(target_only_folder(photographs), tmp_path / "pairs")
    results_path = tmp_path / "results.json"
    words = [
        "evaluate",
        "--model",
        "libraw",
        "--data",
        str(tmp_path / "pairs"),
        "--json",
        str(results_path),
    ]
    listed = tmp_path / "pairs" / "ratios.json"
    listed.write_text(json.dumps({"a": 0, "b": 150}))
    assert main(words) == 1
    assert capsys.readouterr().err.count("must give a a ratio above zero. Received: 0.") == 1
    assert [score.name for score in results.load(results_path)[0].scores] == ["b"]
    listed.write_text("{}")
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_raw_models_are_in_no_table_with_others(photographs, capsys):
    assert main(["evaluate", "--model", "libraw", "input", "--data", str(photographs)]) == 2
    assert "Evaluate them apart" in capsys.readouterr().err


def test_the_other_target_size_is_a_separate_protocol(photographs, capsys):
    words = ["evaluate", "--model", "libraw", "--data", str(photographs)]
    assert main([*words, "--protocol", "sid,half_resolution", "--metrics", "psnr"]) == 0
    output = capsys.readouterr().out
    assert "PSNR dB (sid)" in output
    assert "PSNR dB (half_resolution)" in output
    assert main([*words, "--protocol", "plain"]) == 2
    assert "measured under the protocol sid or half_resolution" in capsys.readouterr().err


def test_raw_files_of_a_photograph_dataset_are_synthesized_as_in_training(
    photographs, tmp_path, capsys
):
    """They equal those of `lowlight-tf train` of seed 1, so that runs and LibRaw share a table."""
    (tmp_path / "pets").mkdir()
    for side in ("low", "high"):
        shutil.copytree(photographs, tmp_path / "pets" / side)
    card = tmp_path / "pets.toml"
    card.write_text(CARD)
    words = ["evaluate", "--model", "libraw", "--data-root", str(tmp_path)]
    numbers = []
    pairs = synthesize_raw_pairs(target_only_folder(photographs), tmp_path / "pairs", seed=1)
    for data, name in (
        (str(card), "of_card.json"),
        (str(tmp_path / "pairs"), "of_files.json"),
    ):
        assert main([*words, "--data", data, "--json", str(tmp_path / name)]) == 0
        numbers.append([score.values for score in results.load(tmp_path / name)[0].scores])
    assert f"{card} val as RAW" in capsys.readouterr().out
    assert numbers[0] == [numbers[1][[pair.name for pair in pairs].index("b")]]
