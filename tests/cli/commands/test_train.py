"""`lowlight-tf train` turns flags into a recipe, and reports errors in one line."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lowlight_tf.cli.commands import train
from lowlight_tf.cli.main import build_parser, main
from lowlight_tf.config import Recipe
from lowlight_tf.fileio import write_text
from lowlight_tf.imaging.formats import dng

ROOT = Path(__file__).parents[3]

ORIGINAL_FLAGS = (
    *("--batch_size=10", "--learning_rate=1e-3"),
    *("--f_log_step=20", "--f_summary_step=20", "--f_save_step=2000"),
)


def recipe(*words):
    return train.build_recipe(build_parser().parse_args(["train", *words]))


def test_the_flags_of_a_protocol_reach_the_recipe():
    built = recipe(
        "--data=some/pairs.zip", "--validation-split=0.3", "--epochs=50", "--learning-rate=1e-4"
    )
    assert built.data == ("some/pairs.zip",)
    assert built.training.validation_split == 0.3
    assert (built.training.epochs, built.training.learning_rate) == (50, 1e-4)


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ("--crop=64", "--crop-size=64"),
        ("--augmenter=imgaug", "--augmentation=imgaug"),
        ("--night", "--synthesize-night"),
        ("--f-log-step=7", "--log-every=7"),
        ("--f-summary-step=7", "--summary-every=7"),
        ("--f-save-step=7", "--save-every=7"),
        ("--f-validate-step=7", "--validate-every=7"),
        ("--split=0.7", "--validation-split=0.3"),
        ("--split=other/split.json", "--split-file=other/split.json"),
    ],
)
def test_former_flags_are_accepted_and_not_documented(former, today, capsys):
    assert recipe(former) == recipe(today) != recipe()
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    documented = capsys.readouterr().out.replace("\n", " ").split()
    assert former.split("=")[0] not in documented
    assert f"[{former.split('=')[0]}" not in documented
    assert today.split("=")[0] in documented


@pytest.mark.parametrize("name", ["l\udce4rm", 'it\'s "x"', "back\\slash", "a b%d[1]"])
def test_data_of_any_name_reach_the_recipe_and_its_file(name, tmp_path):
    built = recipe(f"--data={name}")
    assert built.data == (name,)
    write_text(tmp_path / "recipe.toml", built.dump())
    assert Recipe.load(tmp_path / "recipe.toml").data == (name,)


def test_an_output_that_tensorflow_cannot_write_is_refused(tmp_path, capsys):
    assert main(["train", f"--output={tmp_path}/l\udce4rm", "--steps=1"]) == 2
    assert "must have a name in UTF-8" in capsys.readouterr().err


def test_flags_bound_the_later_steps_of_progressive_learning(capsys):
    nano = "--recipe=dashcam_net_nano"
    built = recipe(nano, "--crop=64", "--batch-size=2").pipeline
    assert (built.crop_size, built.progressive_crop_size) == (64, 64)
    assert (built.batch_size, built.progressive_batch_size) == (2, 2)
    assert "--crop-size bounds the recipe's 256 too" in capsys.readouterr().out
    built = recipe(nano, "--crop-size=512", "--batch-size=8").pipeline
    assert (built.progressive_crop_size, built.progressive_batch_size) == (256, 4)
    assert recipe(nano, "--crop-size=0").pipeline.progressive_crop_size == 0
    wanted = recipe(nano, "--crop-size=64", "--set", "pipeline.progressive_crop_size=96").pipeline
    assert wanted.progressive_crop_size == 96


@pytest.mark.parametrize("flag", ["--split=0.7", "--validation-split=0.3"])
def test_a_fraction_takes_the_place_of_the_split_file_of_a_recipe(flag, tmp_path):
    path = tmp_path / "split.toml"
    path.write_text("[training]\nsplit_file = 'split.json'\n")
    training = recipe(f"--recipe={path}", flag).training
    assert (training.validation_split, training.split_file) == (0.3, "")


def test_only_one_way_to_split_is_accepted(capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["train", "--validation-split=0.3", "--split-file=split.json"])
    assert "not allowed with argument --validation-split" in capsys.readouterr().err


def test_the_script_accepts_the_original_flags(monkeypatch):
    recipes = []
    monkeypatch.setattr(train, "run", lambda args: recipes.append(train.build_recipe(args)) or 0)
    script = str(ROOT / "scripts" / "train.py")
    monkeypatch.setattr(sys, "argv", [script, *ORIGINAL_FLAGS])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(script, run_name="__main__")
    (built,) = recipes
    training = built.training
    assert (built.pipeline.batch_size, training.learning_rate) == (10, 1e-3)
    assert (training.log_every, training.summary_every, training.save_every) == (20, 20, 2000)


@pytest.mark.slow
def test_the_script_trains_with_the_original_flags(tmp_path):
    small = ["--steps=2", "--set", "options.filters=4", "options.depth=1", "pipeline.crop_size=16"]
    small += ["pipeline.progressive_start=1.0"]
    command = [sys.executable, ROOT / "scripts" / "train.py", *ORIGINAL_FLAGS, *small]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, f"--output={tmp_path / 'run'}"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model.keras").is_file()


def test_steps_take_the_place_of_the_epochs_of_a_recipe(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("[training]\nepochs = 50\n")
    assert recipe(f"--recipe={path}").training.epochs == 50
    short = recipe(f"--recipe={path}", "--steps=3").training
    assert (short.steps, short.epochs) == (3, 0)


def test_steps_and_epochs_exclude_each_other(capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["train", "--steps=3", "--epochs=1"])
    assert "not allowed with argument --steps" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split=1.7"], "`split` must be the fraction of the pairs to train on, between 0"),
        (["--validation-split=1.7"], "`validation_split` must be a fraction between 0 and 1"),
        (["--split=no/split.json", "--data={folder}"], "no/split.json (no such file)"),
        (["--split=0.7"], "`validation_split` is for data without validation pairs"),
        (["--data=no/pairs.zip"], "a .zip of one, or a dataset's name"),
        (["--data={broken}"], "broken.zip is neither a zip nor a tar file"),
        (["--data={empty}"], "must have the subfolders low, high"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_run(words, message, tmp_path, capsys):
    paths = {name: tmp_path / name for name in ("folder", "empty")}
    for side in ("low", "high"):
        (paths["folder"] / side).mkdir(parents=True)
        for name in "ab":
            path = paths["folder"] / side / f"{name}.png"
            assert cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    paths["empty"].mkdir()
    paths["broken"] = tmp_path / "broken.zip"
    paths["broken"].write_bytes(b"PK")
    words = [word.format(**paths) for word in words]
    assert main(["train", *words, f"--output={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run" / "recipe.toml").exists()


@pytest.mark.slow
def test_damaged_images_are_named_and_the_others_are_trained_on(tmp_path, rng, capsys):
    for number in range(4):
        small = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        bright = cv2.resize(small, (96, 64), interpolation=cv2.INTER_CUBIC)
        for side, image in (("low", bright // 6), ("high", bright)):
            (tmp_path / "pairs" / side).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(tmp_path / "pairs" / side / f"{number}.jpg"), image)
    path = tmp_path / "pairs" / "low" / "1.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    unpaired = tmp_path / "pairs" / "low" / "4.jpg"
    assert cv2.imwrite(str(unpaired), image)
    words = ["train", f"--data={tmp_path / 'pairs'}", f"--output={tmp_path / 'run'}"]
    words += ["--steps=1", "--batch-size=1", "--crop-size=32"]
    assert main([*words, "--set", "options.filters=4", "options.depth=1"]) == 1
    output = capsys.readouterr()
    assert "2 training pairs, 1 validation pairs" in output.out
    lines = [line for line in output.err.splitlines() if line.startswith("lowlight-tf train")]
    assert lines == [
        f"lowlight-tf train: {unpaired} has no partner in high/ and is left out",
        f"lowlight-tf train: 1 of 5 pairs in {tmp_path / 'pairs'} are incomplete",
        f"lowlight-tf train: {path} is truncated. Copy it again.",
        "lowlight-tf train: 1 of 4 pairs cannot be read and are left out",
    ]
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert sorted(split["training"] + split["validation"]) == ["0", "2", "3"]
    words[2] = f"--output={tmp_path / 'again'}"
    split_file = tmp_path / "split.json"
    split["training"].append("1")
    split_file.write_text(json.dumps(split))
    words += ["--set", "options.filters=4", "options.depth=1"]
    assert main([*words, f"--split-file={split_file}"]) == 1
    assert "2 training pairs, 1 validation pairs" in capsys.readouterr().out


@pytest.mark.slow
def test_a_raw_file_that_cannot_be_decoded_is_named_with_status_1(tmp_path, capsys):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    for folder, value, seconds in (("short", 530, "0.1"), ("long", 2312, "10")):
        for scene in range(6):
            path = tmp_path / "data" / folder / f"{scene:05}_00_{seconds}s.dng"
            path.parent.mkdir(parents=True, exist_ok=True)
            raw_values = np.full((48, 64), value + scene, np.uint16)
            dng.write(path, raw_values, "RGGB", bit_depth=14, black_level=(512,))
    path = tmp_path / "data" / "short" / "00003_00_0.1s.dng"
    path.write_bytes(path.read_bytes()[:4000])
    words = ["train", "--recipe=attention_unet_slim", f"--data={tmp_path / 'data'}"]
    words += [f"--output={tmp_path / 'run'}", "--steps=4", "--batch-size=1", "--crop-size=8"]
    settings = ["options.filters=4", "options.depth=1", "pipeline.progressive_start=0.5"]
    settings += ["pipeline.progressive_crop_size=8", "pipeline.progressive_batch_size=2"]
    assert main([*words, "--set", *settings]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "00003" in line]
    assert "truncated or damaged" in line
