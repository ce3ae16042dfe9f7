"""The command line: spelling of flags, one-line errors, quick help."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lowlight_tf.cli.commands.train import build_recipe
from lowlight_tf.cli.main import COMMANDS, build_parser, main


def settings(words):
    return build_recipe(build_parser().parse_args(words))


@pytest.mark.parametrize("word", COMMANDS)
def test_every_verb_has_help(word, capsys):
    with pytest.raises(SystemExit) as left:
        main([word, "--help"])
    assert left.value.code == 0
    assert "usage: lowlight-tf " + word in capsys.readouterr().out


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom lowlight_tf.cli.main import build_parser\nbuild_parser().format_help()\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'numpy', 'ai_edge_litert', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_closed_output_pipe_is_not_reported_as_error():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        command = [sys.executable, "-m", "lowlight_tf", "catalog"]
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(
    "words",
    [
        ["--batch_size=7", "--learning_rate=1e-3"],
        ["--batch-size", "7", "--learning-rate", "1e-3"],
        ["--batch-size=7", "--learning_rate", "0.001"],
    ],
)
def test_flags_may_have_hyphens_or_underscores_and_equals_or_space(words, monkeypatch):
    recipes = []
    monkeypatch.setattr(
        "lowlight_tf.cli.commands.train.run", lambda args: recipes.append(build_recipe(args)) or 0
    )
    assert main(["train", *words]) == 0
    assert recipes[0].pipeline.batch_size == 7
    assert recipes[0].training.learning_rate == 1e-3


def test_a_list_flag_that_is_written_twice_takes_the_values_of_both():
    words = ["train", "--recipe", "did_fuse", "--data-root", "d", "--output", "o"]
    recipe = settings([*words, "--set", "training.steps=5", "--set", "seed=7", "training.warmup=2"])
    assert (recipe.training.steps, recipe.seed, recipe.training.warmup) == (5, 7, 2)
    files = ["dark.png", "--input", "a.png", "--input", "b.png"]
    inputs = build_parser().parse_args(["enhance", *files]).input
    assert [str(name) for name in inputs] == files[2::2]


def test_the_original_training_command_is_parsed(monkeypatch):
    recipes = []
    monkeypatch.setattr(
        "lowlight_tf.cli.commands.train.run", lambda args: recipes.append(build_recipe(args)) or 0
    )
    line = "--batch_size=10 --learning_rate=1e-3 --f_log_step=20 --f_summary_step=20"
    assert main(["train", *line.split(), "--f_save_step=2000"]) == 0
    assert recipes[0].data == ("embedded",)
    assert (recipes[0].training.log_every, recipes[0].training.save_every) == (20, 2000)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "no verb is called 'trian'. Known: train"),
        (["train", "--batch_size=0"], "`batch_size` must be at least 1. Received: batch_size=0"),
        (["train", "--batch_size=ten"], "argument --batch-size: invalid int value: 'ten'"),
        (["train", "--model", "driving_unt"], "No model is called 'driving_unt'. Known: driving_u"),
        (["train", "--recipe", "driving"], "No recipe is called 'driving'. Known: driving_unet"),
        (["train", "--data", "no/such/folder"], "Received: no/such/folder"),
        (["train", "--set", "training.stops=3"], "no key is called 'stops'. Known: steps"),
        (["train", "--f_log_stop=3"], "unrecognized arguments: --f-log-stop=3"),
        (["evaluate", "--model", "driving_unet", "--data", "nowhere"], "nowhere"),
        (["enhance", "x.png", "--model", "driving_unt", "--output", "y"], "driving_unt"),
        (["export", "nowhere", "--size", "64x64", "--output", "y"], "nowhere"),
        (["verify", "nowhere.tflite"], "nowhere.tflite"),
        (["download", "lol_v2"], "lol_v1"),
    ],
)
def test_errors_are_reported_in_one_line_with_status_2(words, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lowlight_tf", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(__import__("lowlight_tf").__path__[0].rsplit("/", 1)[0])},
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("lowlight-tf")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []  # nothing was written


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no such device")
def test_a_full_disk_is_reported_in_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lowlight_tf", "catalog"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "lowlight-tf catalog: No space left on device.\n"


def test_a_command_whose_output_is_closed_runs():
    command = [sys.executable, "-m", "lowlight_tf", "catalog"]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
