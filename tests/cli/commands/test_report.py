"""`lowlight-tf report` draws the training curves of runs, and a before/after sheet."""

import json
import shutil
from pathlib import Path

import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.config import Recipe
from lowlight_tf.imaging import image_io
from lowlight_tf.training.history import History


@pytest.fixture
def started_runs(tmp_path):
    """Two run folders that hold nothing but a history."""
    for name, best in (("first", 3), ("second", 2)):
        history = History()
        for epoch in (1, 2, 3, 4):
            history.add(20 * epoch, epoch=float(epoch), loss=1 / epoch, psnr_batch=10.0 + epoch)
            history.add(20 * epoch, val_psnr=20.0 - abs(epoch - best), val_ssim=0.5)
        (tmp_path / name).mkdir()
        history.save(tmp_path / name / "history.csv")
    return [str(tmp_path / name) for name in ("first", "second")]


def test_runs_are_drawn_over_each_other_from_their_histories_alone(started_runs, tmp_path, capsys):
    output = tmp_path / "report"
    assert main(["report", *started_runs, f"--output={output}"]) == 0
    out = capsys.readouterr().out
    assert "first: best validation PSNR 20.00 dB, SSIM 0.5000 (plain) at epoch 3 of 4" in out
    assert "second: best validation PSNR 20.00 dB, SSIM 0.5000 (plain) at epoch 2 of 4" in out
    assert "no contact sheet: first has no model.keras yet" in out
    assert image_io.read_float_rgb(output / "curves.png").shape[1] > 1000
    assert sorted(path.name for path in output.iterdir()) == ["curves.png", "curves.svg"]


def test_the_best_of_a_run_that_monitors_lpips_has_the_lowest(started_runs, capsys):
    run = Path(started_runs[0])
    history = History.load(run / "history.csv")
    for row, lpips in zip(history.rows, (0.4, 0.3, 0.2, 0.25), strict=True):
        row["val_lpips"] = lpips
    history.save(run / "history.csv")
    (run / "recipe.toml").write_text(Recipe().replace(["training.monitor=lpips"]).dump())
    assert main(["report", started_runs[0], "--rows=0"]) == 0
    line = "best validation PSNR 20.00 dB, SSIM 0.5000, LPIPS 0.2000 (plain) at epoch 3 of 4"
    assert line in capsys.readouterr().out


def test_one_run_is_reported_in_its_own_folder(started_runs):
    assert main(["report", started_runs[0], "--rows=0"]) == 0
    assert (Path(started_runs[0]) / "report" / "curves.svg").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "`run` must be an existing folder. Received: nowhere"),
        (["{first}", "{empty}"], "No history at"),
        (["{first}", "{waiting}"], "holds no epoch yet"),
        (["{first}", "--rows=-1"], "`rows` must be at least 0"),
        (["{first}", "--output={first}/history.csv"], "`output` must be an existing folder"),
    ],
)
def test_an_error_is_one_line_and_writes_nothing(words, message, started_runs, tmp_path, capsys):
    paths = {name: tmp_path / name for name in ("first", "empty", "waiting")}
    paths["empty"].mkdir()
    paths["waiting"].mkdir()
    (paths["waiting"] / "history.csv").write_text("step\n")
    output = tmp_path / "report"
    words = [word.format(**paths) for word in words]
    assert main(["report", f"--output={output}", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.slow
def test_the_sheet_shows_the_validation_images_that_all_runs_share(
    untrained_run, started_runs, tmp_path, capsys
):
    for run in started_runs:
        shutil.copytree(untrained_run, run, dirs_exist_ok=True)
    first, second = (Path(run, "pairs_validation.json") for run in started_runs)
    pairs = json.loads((untrained_run / "pairs_training.json").read_text())["pairs"]
    first.write_text(json.dumps({"pairs": pairs[:6]}))
    second.write_text(json.dumps({"pairs": pairs[4:]}))
    sheet = tmp_path / "report" / "before_after.png"
    assert main(["report", *started_runs, f"--output={sheet.parent}"]) == 0
    height, width, _ = image_io.read_float_rgb(sheet).shape
    cell = round(64 * 160 / 48)  # as wide as images of 48x64 are at a height of 160
    assert (height, width) == (24 + 2 * 160, 4 * cell)  # before, two runs, target; two rows

    second.write_text(json.dumps({"pairs": pairs[6:]}))
    capsys.readouterr()
    assert main(["report", *started_runs, f"--output={sheet.parent}"]) == 0
    assert "no contact sheet: the runs have no validation image in common" in (
        capsys.readouterr().out
    )
