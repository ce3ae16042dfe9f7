"""`lowlight-tf report` draws what runs have measured, and shows what nets make of pictures."""

import json
import shutil
from pathlib import Path

import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.config import Recipe
from lowlight_tf.imaging import image_io
from lowlight_tf.training.history import History


@pytest.fixture
def begun(tmp_path):
    """Two folders in which nothing but a history lies."""
    for name, best in (("first", 3), ("second", 2)):
        history = History()
        for epoch in (1, 2, 3, 4):
            history.add(20 * epoch, epoch=float(epoch), loss=1 / epoch, psnr_batch=10.0 + epoch)
            history.add(20 * epoch, val_psnr=20.0 - abs(epoch - best), val_ssim=0.5)
        (tmp_path / name).mkdir()
        history.save(tmp_path / name / "history.csv")
    return [str(tmp_path / name) for name in ("first", "second")]


def test_runs_are_drawn_over_each_other_from_their_histories_alone(begun, tmp_path, capsys):
    output = tmp_path / "told"
    assert main(["report", *begun, f"--output={output}"]) == 0
    out = capsys.readouterr().out
    assert "first: best validation PSNR 20.00 dB, SSIM 0.5000 (plain) at epoch 3 of 4" in out
    assert "second: best validation PSNR 20.00 dB, SSIM 0.5000 (plain) at epoch 2 of 4" in out
    assert "no contact sheet: first has no model.keras yet" in out
    assert image_io.read_float_rgb(output / "curves.png").shape[1] > 1000
    assert sorted(path.name for path in output.iterdir()) == ["curves.png", "curves.svg"]


def test_the_best_of_a_run_judged_by_lpips_has_the_lowest(begun, capsys):
    place = Path(begun[0])
    history = History.load(place / "history.csv")
    for row, lpips in zip(history.rows, (0.4, 0.3, 0.2, 0.25), strict=True):
        row["val_lpips"] = lpips
    history.save(place / "history.csv")
    (place / "recipe.toml").write_text(Recipe().replace(["training.judge=lpips"]).dump())
    assert main(["report", begun[0], "--rows=0"]) == 0
    told = "best validation PSNR 20.00 dB, SSIM 0.5000, LPIPS 0.2000 (plain) at epoch 3 of 4"
    assert told in capsys.readouterr().out


def test_one_run_is_told_in_its_own_folder(begun):
    assert main(["report", begun[0], "--rows=0"]) == 0
    assert (Path(begun[0]) / "report" / "curves.svg").is_file()


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
def test_what_cannot_be_told_is_one_line_and_writes_nothing(
    words, message, begun, tmp_path, capsys
):
    places = {name: tmp_path / name for name in ("first", "empty", "waiting")}
    places["empty"].mkdir()
    places["waiting"].mkdir()
    (places["waiting"] / "history.csv").write_text("step\n")
    output = tmp_path / "told"
    words = [word.format(**places) for word in words]
    assert main(["report", f"--output={output}", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.slow
def test_the_sheet_shows_the_pictures_that_all_runs_were_validated_with(
    untrained_run, begun, tmp_path, capsys
):
    for place in begun:
        shutil.copytree(untrained_run, place, dirs_exist_ok=True)
    first, second = (Path(place, "pairs_validation.json") for place in begun)
    pairs = json.loads((untrained_run / "pairs_training.json").read_text())["pairs"]
    first.write_text(json.dumps({"pairs": pairs[:6]}))
    second.write_text(json.dumps({"pairs": pairs[4:]}))
    sheet = tmp_path / "told" / "before_after.png"
    assert main(["report", *begun, f"--output={sheet.parent}"]) == 0
    height, width, _ = image_io.read_float_rgb(sheet).shape
    cell = round(64 * 160 / 48)  # as wide as pictures of 48x64 are at a height of 160
    assert (height, width) == (24 + 2 * 160, 4 * cell)  # before, two runs, target; two rows

    second.write_text(json.dumps({"pairs": pairs[6:]}))
    capsys.readouterr()
    assert main(["report", *begun, f"--output={sheet.parent}"]) == 0
    assert "no contact sheet: the runs have no validation picture in common" in (
        capsys.readouterr().out
    )
