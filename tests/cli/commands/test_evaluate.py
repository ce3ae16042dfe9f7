"""`lowlight-tf evaluate` prints a table, writes JSON, and refuses invalid requests."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets.pairing import pair_folder
from lowlight_tf.imaging import image_io


@pytest.fixture
def folder(tmp_path, rng):
    """Two pairs of 12x15 pixels: the bright one is one level above the dark one."""
    for name in ("a", "b"):
        low = rng.integers(0, 200, (12, 15, 3), dtype=np.uint8)
        for side, image in (("low", low), ("high", low + 1)):
            path = tmp_path / "pairs" / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_io.save_image(path, image_io.LoadedImage(image))
    return tmp_path / "pairs"


def test_the_unchanged_input_is_measured(folder, tmp_path, capsys):
    table, numbers = tmp_path / "table.md", tmp_path / "results.json"
    words = ["--model", "input", "--data", str(folder), "--metrics=psnr,mae", "--each"]
    words += ["--protocol", "plain,luma", "--json", str(numbers), "--markdown", str(table)]
    assert main(["evaluate", *words]) == 0
    out = capsys.readouterr().out
    assert "PSNR dB (plain)" in out
    assert "PSNR dB (luma)" in out
    assert out.count("| input |") == 3  # each image, and the mean
    assert "48.13" in table.read_text()
    fields = json.loads(numbers.read_text())
    assert [one["protocol"] for one in fields["results"]] == ["plain", "luma"]
    assert [each["name"] for each in fields["results"][0]["each"]] == ["a", "b"]


def test_a_damaged_image_is_left_out_and_named(folder, tmp_path, capsys):
    path = folder / "low" / "a.png"
    path.write_bytes(path.read_bytes()[:-20])
    words = ["evaluate", "--model", "input", "clahe", "--data", str(folder), "--metrics=psnr"]
    assert main([*words, f"--contact-sheet={tmp_path / 'sheet.png'}"]) == 1
    output = capsys.readouterr()
    assert output.out.count("|      1 |") == 2
    assert output.err.splitlines() == [
        f"lowlight-tf evaluate: {path} is truncated. Copy it again.",
        "lowlight-tf evaluate: 1 of 2 pairs cannot be read and are left out",
    ]


def test_an_image_that_a_model_fails_on_is_left_out_of_the_table(
    folder, tmp_path, monkeypatch, capsys
):
    from lowlight_tf.evaluation.evaluator import IdentityEngine

    calls = []

    def fail_once(self, images):
        calls.append(images)
        if len(calls) == 1:
            raise RuntimeError("no\nmemory")
        return {"enhanced": images["low"]}

    monkeypatch.setattr(IdentityEngine, "__call__", fail_once)
    words = ["evaluate", "--model", "input", "clahe", "--data", str(folder), "--metrics=psnr"]
    assert main([*words, f"--json={tmp_path / 'n.json'}"]) == 1
    assert "input, a is left out: RuntimeError: no memory" in capsys.readouterr().err
    results = json.loads((tmp_path / "n.json").read_text())["results"]
    assert [[each["name"] for each in one["each"]] for one in results] == [["b"], ["b"]]
    monkeypatch.setattr(IdentityEngine, "__call__", lambda self, images: calls[9999])
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_in_the_json_reproduces_the_numbers(folder, tmp_path):
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    main(["evaluate", "--model=input", f"--data={folder}", "--metrics=mae", f"--json={first}"])
    command = shlex.split(json.loads(first.read_text())["command"])
    assert command[0] == "lowlight-tf"
    main([*command[1:], "--json", str(second)])
    metrics = [json.loads(p.read_text())["results"][0]["metrics"] for p in (first, second)]
    assert metrics[0] == metrics[1]


def test_the_requested_split_of_a_folder_is_read(folder, tmp_path, capsys):
    split = tmp_path / "data" / "val"
    shutil.copytree(folder, split)
    (split / "low" / "b.png").unlink()
    (split / "high" / "b.png").unlink()
    assert main(["evaluate", "--model", "input", "--data", str(split.parent)]) == 0
    assert " 1 |" in capsys.readouterr().out


def test_the_test_part_of_a_folder_is_measured_and_named(folder, tmp_path, capsys):
    dataset = tmp_path / "dataset"
    for part in ("train_val", "test", "val"):
        shutil.copytree(folder, dataset / part)
    for path in dataset.glob("test/*/b.png"):
        path.unlink()
    assert main(["evaluate", "--model=input", f"--data={dataset}"]) == 0
    assert f"| {dataset} test |      1 |" in capsys.readouterr().out
    archive = shutil.make_archive(dataset, "zip", tmp_path, "dataset")
    assert main(["evaluate", "--model=input", f"--data={archive}", "--split=val"]) == 0
    assert f"| {archive} val |      2 |" in capsys.readouterr().out
    Path(archive).write_bytes(b"no archive")
    assert main(["evaluate", "--model=input", f"--data={archive}"]) == 2
    error = capsys.readouterr().err
    assert "is neither a zip nor a tar file" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--model": "driving_unett"}, "driving_unett"),
        ({"--data": "lol_v2"}, "lol_v1"),
        ({"--data": "no/such/folder"}, "no/such/folder"),
        ({"--metrics": "psnrr"}, "Known: psnr"),
        ({"--metrics": ","}, "at least one"),
        ({"--metrics": "niqe"}, "Pair a: NIQE needs"),
        ({"--protocol": "plain,gtmean"}, "Known: gt_mean"),
        ({"--markdown": "no/such/table.md"}, "no/such/table.md"),
        ({"--threads": "0", "--model": "none.tflite"}, "none.tflite"),
        ({"--checkpoint_dir": "no/such/run"}, "no/such/run"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(change, message, folder, tmp_path, capsys):
    numbers = tmp_path / "results.json"
    flags = {"--model": "input", "--data": str(folder), "--json": str(numbers), **change}
    assert main(["evaluate", *(word for flag in flags.items() for word in flag)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not numbers.exists()


def test_model_and_data_are_required(folder, capsys):
    assert main(["evaluate", "--data", str(folder)]) == 2
    assert main(["evaluate", "--model", "input"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "--checkpoint-dir" in errors[0]
    assert "--data" in errors[1]


@pytest.mark.parametrize("place", ["", "low", "visible"])
def test_images_without_targets_are_measured_by_no_reference_metrics(
    place, folder, tmp_path, capsys
):
    night, sheet = tmp_path / "night", tmp_path / "sheet.png"
    (night / place).mkdir(parents=True)
    for path in sorted((folder / "low").iterdir()):
        shutil.copy(path, night / place)
    words = ["--model", "input", "--data", str(night), "--metrics=loe,brightness"]
    assert main(["evaluate", *words, f"--sheet={sheet}"]) == 0
    assert "| LOE | BRIGHTNESS |" in capsys.readouterr().out
    height, width, _ = image_io.load_image(sheet).pixels.shape
    assert width == round(270 * 15 / 12)  # one column: before
    assert height > 2 * 270
    assert main(["evaluate", *words[:4], "--metrics=psnr"]) == 2
    assert "must have the subfolders low, high" in capsys.readouterr().err


def test_each_of_several_datasets_has_its_own_row(folder, tmp_path, capsys):
    other = shutil.copytree(folder / "low", tmp_path / "other")
    words = ["--model", "input", "--data", str(folder), str(other), "--metrics=brightness"]
    numbers = tmp_path / "results.json"
    assert main(["evaluate", *words, f"--json={numbers}"]) == 0
    fields = json.loads(numbers.read_text())
    assert [one["data"] for one in fields["results"]] == [str(folder), str(other)]
    assert shlex.split(fields["command"])[4:7] == ["--data", str(folder), str(other)]


def test_an_enhancement_model_is_measured_on_the_visible_images_of_a_fusion_dataset(
    folder, tmp_path, capsys
):
    for side in ("visible", "infrared"):
        shutil.copytree(folder / "low", tmp_path / "root" / "tno" / side)
    words = ["--model=input", "--data=tno", f"--data-root={tmp_path / 'root'}"]
    assert main(["evaluate", *words, "--metrics=brightness"]) == 0
    assert "| tno test |      2 |" in capsys.readouterr().out
    assert main(["evaluate", *words]) == 2
    assert "no target, which psnr, ssim must have" in capsys.readouterr().err


@pytest.fixture
def cameras(tmp_path, rng):
    """Return a folder with two pairs of two cameras, 44x55 pixels."""
    for side in ("visible", "infrared"):
        for name in ("a", "b"):
            path = tmp_path / "cameras" / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = rng.integers(0, 256, (44, 55, 1), dtype=np.uint8).repeat(3, axis=2)
            image_io.save_image(path, image_io.LoadedImage(image, gray=side == "infrared"))
    return tmp_path / "cameras"


def test_fusion_and_enhancement_models_are_in_one_table(cameras, tmp_path, capsys):
    numbers, sheet = tmp_path / "results.json", tmp_path / "sheet.png"
    words = ["--model", "input", "infrared", "average", f"--data={cameras}"]
    assert main(["evaluate", *words, f"--json={numbers}", f"--sheet={sheet}"]) == 0
    assert "| ENTROPY bits | MUTUAL_INFORMATION bits |" in capsys.readouterr().out
    fields = json.loads(numbers.read_text())
    assert [one["model"] for one in fields["results"]] == ["input", "infrared", "average"]
    assert all(one["metrics"]["scd"]["mean"] is not None for one in fields["results"])
    assert "--metrics entropy mutual_information" in fields["command"]
    assert image_io.load_image(sheet).pixels.shape[1] == 3 * round(
        270 * 15 / 12
    )  # visible, infrared, average
    assert main(["evaluate", *words, "--metrics=source_psnr", "--protocol=plain,seed"]) == 0
    table = capsys.readouterr().out.splitlines()
    plain, seed = (cell.strip() for cell in table[-1].split("|")[4:6])
    assert "SOURCE_PSNR dB (plain) | SOURCE_PSNR dB (unit_range) |" in table[0]
    assert float(seed) - float(plain) == pytest.approx(48.13, abs=0.011)


def test_one_camera_is_not_enough_for_a_fusion_model(cameras, folder, capsys):
    assert main(["evaluate", "--model=average", f"--data={folder}"]) == 2
    assert "must have the subfolders visible, infrared" in capsys.readouterr().err
    (cameras / "infrared" / "b.png").unlink()
    assert main(["evaluate", "--model=average", f"--data={cameras}"]) == 1
    assert "b.png has no partner in infrared/" in capsys.readouterr().err
    assert main(["evaluate", "--model=input", "--metrics=brightness", f"--data={cameras}"]) == 0


def test_an_error_of_the_last_dataset_is_reported_before_the_first_is_measured(
    folder, tmp_path, capsys, monkeypatch
):
    from lowlight_tf.evaluation.evaluator import IdentityEngine

    monkeypatch.setattr(IdentityEngine, "__call__", lambda self, images: pytest.fail("it ran"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.png").write_bytes(b"no image")
    words = ["--model=input", "--metrics=brightness", "--data", str(folder), str(tmp_path / "bad")]
    assert main(["evaluate", *words]) == 2
    assert "broken.png" in capsys.readouterr().err


def test_an_image_without_a_partner_is_named_and_the_rest_is_measured(folder, capsys):
    (folder / "high" / "b.png").unlink()
    assert main(["evaluate", "--model", "input", "--data", str(folder)]) == 1
    output = capsys.readouterr()
    assert "|      1 |" in output.out
    assert output.err.splitlines() == [
        f"lowlight-tf evaluate: {folder / 'low' / 'b.png'} has no partner in high/ and is left out",
        f"lowlight-tf evaluate: 1 of 2 pairs in {folder} are incomplete",
    ]
    (folder / "high" / "a.png").rename(folder / "high" / "c.png")
    assert main(["evaluate", "--model", "input", "--data", str(folder)]) == 2
    assert "no partner in low/: c" in capsys.readouterr().err


def test_a_pair_of_unequal_size_is_named_and_the_rest_is_measured(folder, capsys):
    image = image_io.load_image(folder / "high" / "b.png")
    small = image_io.LoadedImage(image.pixels[:-8].copy())
    image_io.save_image(folder / "high" / "b.png", small, overwrite=True)
    assert main(["evaluate", "--model", "input", "--data", str(folder)]) == 1
    output = capsys.readouterr()
    assert "|      1 |" in output.out
    problem, count = output.err.splitlines()
    assert "The images of pair b must have one size. Received: " in problem
    assert count.endswith("1 of 2 pairs are left out: their sizes are unequal or cannot be read")
    words = ["evaluate", "--model", "input", "--data", str(folder), "--metrics=brightness"]
    assert main(words) == 0  # which needs no target


@pytest.mark.slow
def test_a_run_is_evaluated_on_its_validation_pairs(folder, tmp_path, capsys):
    pytest.importorskip("keras")
    from lowlight_tf.models.driving_unet import driving_unet
    from lowlight_tf.training.data import TrainingData

    run = tmp_path / "run"
    run.mkdir()
    ENHANCE.save(run / "contract.json")
    driving_unet(filters=4, depth=1, groups=2).save(run / "model.keras")
    assert main(["evaluate", f"--checkpoint_dir={run}"]) == 2
    assert "pairs_validation.json" in capsys.readouterr().err

    TrainingData([], pair_folder(folder), {}).save(run)
    assert main(["evaluate", f"--checkpoint_dir={run}"]) == 0
    (one,) = json.loads((run / "results.json").read_text())["results"]
    assert (one["model"], one["data"], one["images"]) == ("run", "run validation", 2)
    assert 0 < one["metrics"]["psnr"]["mean"] < 48

    shutil.copytree(run, tmp_path / "other" / "run")
    both = [str(run), str(tmp_path / "other" / "run")]
    capsys.readouterr()
    assert main(["evaluate", "--model", *both, "--data", str(folder)]) == 0
    out = capsys.readouterr().out
    assert all(f"| {name} " in out for name in both)  # two of one name are distinguished


def test_a_warning_is_printed_for_scenes_that_were_trained_on(folder, tmp_path, capsys):
    place = tmp_path / "lol_v2_real" / "Real_captured" / "Test"
    shutil.copytree(folder / "low", place / "Low")
    shutil.copytree(folder / "high", place / "Normal")
    words = ["--model", "input", "nano_int8", "--data", "lol_v2_real", "--data-root", str(tmp_path)]
    assert main(["evaluate", *words, "--split", "test", "--metrics", "psnr"]) == 0
    captured = capsys.readouterr()
    assert "| lol_v2_real test |" in captured.out
    warnings = [
        line for line in captured.err.splitlines() if line.startswith("lowlight-tf evaluate")
    ]
    assert len(warnings) == 1
    assert "nano_int8 was trained on lol_v1, which shows scenes of lol_v2_real" in warnings[0]


def test_a_dataset_without_targets_is_measured_by_no_reference_metrics(folder, tmp_path, capsys):
    shutil.copytree(folder / "low", tmp_path / "vv" / "low")
    words = ["evaluate", "--model", "input", "--data", "vv", "--data-root", str(tmp_path)]
    assert main([*words, "--metrics", "brightness,clipped"]) == 0
    assert "| vv test |" in capsys.readouterr().out
    assert main([*words, "--metrics", "psnr,brightness"]) == 2
    assert "no target, which psnr must have" in capsys.readouterr().err
