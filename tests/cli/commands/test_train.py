"""`lowlight-tf train` turns flags into a recipe, and reports errors in one line."""

import pytest

from lowlight_tf.cli.commands import train
from lowlight_tf.cli.main import build_parser, main

ROOT = Path(__file__).parents[3]

ORIGINAL_FLAGS = (
    *("--batch_size=10", "--learning_rate=1e-3"),
    *("--f_log_step=20", "--f_summary_step=20", "--f_save_step=2000"),
)


def parse_recipe(*words):
    return train.recipe_of(build_parser().parse_args(["train", *words]))


def test_the_flags_of_a_protocol_are_set_in_the_recipe():
    result = parse_recipe(
        "--data=some/pairs.zip", "--split=0.7", "--epochs=50", "--learning-rate=1e-4"
    )
    assert result.data == ("some/pairs.zip",)
    assert result.training.validation_split == 0.3
    assert (result.training.epochs, result.training.learning_rate) == (50, 1e-4)


def test_steps_replace_the_epochs_of_a_recipe(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("[training]\nepochs = 50\n")
    assert parse_recipe(f"--recipe={path}").training.epochs == 50
    short = parse_recipe(f"--recipe={path}", "--steps=3").training
    assert (short.steps, short.epochs) == (3, 0)


def test_steps_and_epochs_exclude_each_other(capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["train", "--steps=3", "--epochs=1"])
    assert "not allowed with argument --steps" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split=1.7"], "`validation_split` must be a fraction between 0 and 1"),
        (["--split=no/split.json", "--data={folder}"], "no/split.json (no such file)"),
        (["--split=0.7"], "`validation_split` is for data without validation pairs of their own"),
        (["--data=no/pairs.zip"], "a .zip of one, or a dataset's name"),
        (["--data={broken}"], "broken.zip is neither a zip nor a tar file"),
        (["--data={empty}"], "must have the subfolders low, high"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line_and_leave_no_run(
    words, message, tmp_path, capsys
):
    places = {name: tmp_path / name for name in ("folder", "empty")}
    for side in ("low", "high"):
        (paths["folder"] / side).mkdir(parents=True)
        for name in "ab":
            (paths["folder"] / side / f"{name}.png").touch()
    paths["empty"].mkdir()
    paths["broken"] = tmp_path / "broken.zip"
    paths["broken"].write_bytes(b"PK")
    words = [word.format(**paths) for word in words]
    assert main(["train", *words, f"--output={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run" / "recipe.toml").exists()
