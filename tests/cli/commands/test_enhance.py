"""`lowlight-tf enhance`, from files to files."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.enhancing.jobs import Job, plan_jobs
from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io

ROOT = Path(__file__).parents[3]
SHAPE = (48, 64)  # of the images of the run, so that the model is traced once


def write_image(path, rng, dtype=np.uint8, channels=3):
    """Write a dark image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    most = np.iinfo(dtype).max // 5
    pixels = rng.integers(0, most, (*SHAPE, channels)[: 3 if channels > 1 else 2], dtype=dtype)
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def enhance(untrained_run, tmp_path):
    """Run the command with the untrained model into tmp_path/out."""
    out = tmp_path / "out"
    return lambda *words: main(
        ["enhance", *map(str, words), "--model", str(untrained_run), "--output", str(out)]
    )


def test_each_result_has_the_name_of_its_input(enhance, tmp_path, rng, capsys):
    single = write_image(tmp_path / "one.jpg", rng)
    write_image(tmp_path / "many/deep/two.png", rng)
    write_image(tmp_path / "many/three.webp", rng)
    (tmp_path / "many/notes.txt").write_text("not asked for")
    assert enhance(single, tmp_path / "many") == 0
    out = tmp_path / "out"
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert found == ["deep/two.png", "one.jpg", "three.webp"]
    assert "3 of 3 images" in capsys.readouterr().out
    before, after = (cv2.imread(str(f / "deep/two.png")) for f in (tmp_path / "many", out))
    assert before.shape == after.shape
    assert (before != after).mean() > 0.5


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint16, 3), (np.uint8, 4)])
def test_bit_depth_and_channels_are_kept(enhance, tmp_path, rng, dtype, channels):
    source = write_image(tmp_path / "in.png", rng, dtype, channels)
    assert enhance(source) == 0
    before, after = (
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (source, tmp_path / "out/in.png")
    )
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    if channels == 4:
        np.testing.assert_array_equal(after[..., 3], before[..., 3])
    if dtype == np.uint16:
        assert len(np.unique(after)) > 256


def test_bad_images_are_reported_in_one_line_each_and_the_others_are_enhanced(
    enhance, tmp_path, rng, capsys
):
    folder = tmp_path / "in"
    good = write_image(folder / "good.jpg", rng)
    (folder / "cut.jpg").write_bytes(good.read_bytes()[:-40])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("hello")
    assert enhance(folder, tmp_path / "none.png") == 1
    output = capsys.readouterr()
    lines = [line for line in output.err.splitlines() if line.startswith("lowlight-tf enhance: ")]
    for name in ("cut.jpg is truncated", "empty.png is empty", "text.png is not", "none.png"):
        assert sum(name in line for line in lines) == 1
    assert len(lines) == 4
    assert "Traceback" not in output.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.jpg"]


def test_an_unforeseen_error_of_one_file_never_ends_a_folder(
    enhance, tmp_path, rng, capsys, monkeypatch
):
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / "in" / name, rng)
    load_image = image_io.load_image

    def load_or_fail(path):
        if path.name == "b.png":
            raise KeyError(13)
        return load_image(path)

    monkeypatch.setattr(image_io, "load_image", load_or_fail)
    assert enhance(tmp_path / "in") == 1
    output = capsys.readouterr()
    assert "b.png: cannot be enhanced: KeyError: 13" in output.err
    assert "Traceback" not in output.err
    assert "2 of 3 images" in output.out


def test_images_of_formats_that_are_not_read_are_counted(enhance, tmp_path, rng, capsys):
    write_image(tmp_path / "in/a.jpg", rng)
    (tmp_path / "in/b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert enhance(tmp_path / "in") == 1
    output = capsys.readouterr()
    assert "b.heic is a HEIC image" in output.err
    assert "1 of 2 images" in output.out


def test_a_file_of_another_kind_than_its_suffix_gets_one_that_can_hold_it(
    enhance, tmp_path, rng, capsys
):
    write_image(tmp_path / "deep.png", rng, np.uint16).rename(tmp_path / "deep.jpg")
    assert enhance(tmp_path / "deep.jpg") == 0
    assert "deep.jpg could not hold 16 bits" in capsys.readouterr().out
    (result,) = (tmp_path / "out").iterdir()
    assert result.name == "deep.jpg.png"
    assert cv2.imread(str(result), cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_a_terminal_that_is_not_utf8_gets_escapes(untrained_run, tmp_path, rng):
    source = write_image(tmp_path / "a.png", rng)
    words = ["enhance", source, "--model", untrained_run, "--output", tmp_path / "out_夜"]
    result = subprocess.run(
        [sys.executable, "-m", "lowlight_tf", *map(str, words)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True,
    )  # fmt: skip
    assert rb"out_\u591c" in result.stdout


def test_if_every_image_fails_the_status_is_2_and_nothing_is_written(enhance, tmp_path):
    (tmp_path / "empty.png").touch()
    assert enhance(tmp_path / "empty.png") == 2
    assert not (tmp_path / "out").exists()


def test_existing_files_are_overwritten_only_on_request(enhance, tmp_path, rng, capsys):
    one, two = write_image(tmp_path / "one.png", rng), write_image(tmp_path / "two.png", rng)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/one.png").write_bytes(b"precious")
    assert enhance(one, two) == 1
    assert "one.png exists. Pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "out/one.png").read_bytes() == b"precious"
    assert enhance(one, two, "--overwrite") == 0
    assert cv2.imread(str(tmp_path / "out/one.png")).shape == (*SHAPE, 3)


def test_two_results_of_the_same_name_are_refused_first(tmp_path, rng):
    images = [write_image(tmp_path / folder / "a.png", rng) for folder in "xy"]
    with pytest.raises(UsageError, match="would both be written"):
        plan_jobs(images, tmp_path / "out")


def test_an_image_named_twice_is_enhanced_once(tmp_path, rng):
    path = write_image(tmp_path / "x/a.png", rng)
    assert plan_jobs([path, path.parent, tmp_path / "x/../x/a.png"], tmp_path / "out") == [
        Job(path, tmp_path / "out/a.png")
    ]


def test_an_input_is_never_replaced(tmp_path, rng):
    path = write_image(tmp_path / "a.png", rng)
    with pytest.raises(UsageError, match="is an input itself"):
        plan_jobs([path], tmp_path)


def test_earlier_results_in_the_input_folder_are_skipped(tmp_path, rng):
    path = write_image(tmp_path / "a.png", rng)
    write_image(tmp_path / "out/a.png", rng)
    assert plan_jobs([tmp_path], tmp_path / "out") == [Job(path, tmp_path / "out/a.png")]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No image in"):
        plan_jobs([tmp_path], tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "No input is named"),
        (["a.png"], "Pass --output"),
        (["a.png", "--output", "o", "--model", "m", "--checkpoint-dir", "r"], "not both"),
        (["a.png", "--output", "o", "--checkpoint-dir", "r"], "No folder r"),
        (["a.png", "--output", "o", "--model", "drivin_unet"], "No shipped model"),
        (["a.png", "--output", "o", "--model", "x.tflite"], "No file x.tflite"),
        (["a.png", "--output", "file"], "must be a folder"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(tmp_path, monkeypatch, capsys, words, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["enhance", *words]) == 2
    output = capsys.readouterr().err
    assert reason in output
    assert output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_predict_loads_a_run_in_a_fresh_process(untrained_run, tmp_path, rng):
    source = write_image(tmp_path / "in.png", rng)
    command = [sys.executable, ROOT / "scripts/predict.py", f"--checkpoint_dir={untrained_run}"]
    command += [f"--input={source}", "--output", tmp_path / "out"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/in.png").exists()


@pytest.mark.slow
def test_a_run_without_input_enhances_the_embedded_images(untrained_run, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "contract.json"):
        (run / name).write_bytes((untrained_run / name).read_bytes())
    assert main(["enhance", "--checkpoint_dir", str(run)]) == 0
    assert "sample images of the package" in capsys.readouterr().out
    sources = sorted(path.name for path in (run / "embedded/val/low").iterdir())
    assert sources
    assert sorted(path.name for path in (run / "predictions").iterdir()) == sources


def test_a_link_to_itself_is_named_and_the_others_are_done(tmp_path, rng, capsys):
    good, loop = tmp_path / "a.png", tmp_path / "b.png"
    assert cv2.imwrite(str(good), rng.integers(0, 256, (16, 24, 3), dtype=np.uint8))
    loop.symlink_to(loop)
    words = ["enhance", str(good), str(loop), "--model=gamma", f"--output={tmp_path / 'out'}"]
    assert main(words) == 1
    assert capsys.readouterr().err == (
        f"lowlight-tf enhance: {loop} cannot be read: Too many levels of symbolic links.\n"
    )
    assert (tmp_path / "out" / "a.png").is_file()
