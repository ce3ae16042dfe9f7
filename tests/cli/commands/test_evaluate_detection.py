"""`lowlight-tf evaluate --task detection` prints metrics, and refuses invalid requests."""

import json
import shlex

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io


@pytest.fixture
def street(tmp_path):
    """One person, bright in infrared and nearly black in the visible image, and its box."""
    image = pytest.importorskip("skimage.data", reason="scikit-image is not installed").astronaut()
    image = np.ascontiguousarray(image[::2, ::2])
    warm = image[..., 1:2].repeat(3, axis=2)
    for side, pixels in (("visible", image // 16), ("infrared", warm)):
        path = tmp_path / "street" / side / "a.png"
        path.parent.mkdir(parents=True)
        image_io.save_image(path, image_io.LoadedImage(pixels))
    boxes = {"a": [{"cls": "person", "xyxy": [15, 0, 220, 256]}]}
    (tmp_path / "street" / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path / "street"


def test_there_is_a_row_for_each_camera_and_the_model(street, tmp_path, capsys):
    table, numbers = tmp_path / "table.md", tmp_path / "rows.json"
    words = ["evaluate", "--task=detection", "--model", "average", f"--data={street}"]
    assert main([*words, "--json", str(numbers), "--markdown", str(table)]) == 0
    out = capsys.readouterr().out
    for kind in ("visible ", "infrared", "average "):
        assert f"| {kind} | {street} | nanodet_g |      1 |        1 |" in out
    assert "0 of 1" in out
    rows = json.loads(numbers.read_text())["results"]
    assert [row["images"] for row in rows] == ["visible", "infrared", "average"]
    assert rows[1]["mAP@.5"] == 1
    assert table.read_text().splitlines()[0] in out
    command = shlex.split(json.loads(numbers.read_text())["command"])
    assert main([*command[1:], "--json", str(tmp_path / "again.json")]) == 0
    assert json.loads((tmp_path / "again.json").read_text())["results"] == rows


def test_one_camera_is_darkened_and_enhanced(street, capsys):
    words = ["evaluate", "--task=detection", f"--data={street / 'infrared'}", "--darken=0.02"]
    assert main([*words, "--model=dashcam_net_nano"]) == 0
    out = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in out.splitlines()[2:]] == [
        "day", "dark", "dashcam_net_nano",
    ]  # fmt: skip


def test_unknown_classes_are_named(street, capsys):
    boxes = {"a": [{"cls": "lamp", "xyxy": [15, 0, 220, 256]}]}
    (street / "boxes.json").write_text(json.dumps(boxes))
    assert main(["evaluate", "--task=detection", f"--data={street}"]) == 0
    assert "classes that nanodet_g does not have: lamp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "Pass --data"),
        (["--data={0}", "--sheet=s.png"], "go with --task quality"),
        (["--data={0}", "--darken=0"], "`exposure` must be a positive number"),
        (["--data={0}", "--night-crf=60"], "--night-crf must be from 0 to 51. Received: 60"),
        (["--data={0}", "--detector=yolo"], "must be one of: nanodet_g, or a .tflite file"),
        (["--data={0}", "--judge=no.tflite"], "No file no.tflite"),
        (["--data={0}", "--labels=no.json"], "cannot be read as JSON"),
        (["--data", "{0}", "{0}", "--labels={0}/boxes.json"], "belong to one --data"),
        (["--data={0}/visible", "--model=average"], "average fuses two cameras"),
        (["--data={0}", "--json=no/where.json"], "an existing folder"),
    ],
)
def test_invalid_requests_are_reported_in_one_line(words, reason, street, capsys):
    words = [word.format(street) for word in words]
    assert main(["evaluate", "--task=detection", *words]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_images_without_annotations_need_a_reference_detector(street, capsys):
    (street / "boxes.json").unlink()
    assert (
        main(["evaluate", "--task=detection", f"--data={street}"]) == 0
    )  # persons missed, at least
    assert "persons missed" in capsys.readouterr().out
    assert main(["evaluate", "--task=detection", f"--data={street / 'visible'}"]) == 2
    assert "Pass --labels, or --reference-detector" in capsys.readouterr().err


def test_annotations_of_other_images_are_ignored_unless_named(street, capsys):
    boxes = {"z": [{"cls": "person", "xyxy": [15, 0, 220, 256]}]}
    (street / "boxes.json").write_text(json.dumps(boxes))
    words = ["evaluate", "--task=detection", f"--data={street}"]
    assert main(words) == 0
    assert "0 of 1" in capsys.readouterr().out  # persons missed are reported without labels
    assert main([*words, f"--labels={street / 'boxes.json'}"]) == 2
    assert "labels none of the images" in capsys.readouterr().err


def test_a_folder_laid_out_for_yolo_is_read(street, tmp_path, capsys):
    folder = tmp_path / "yolo"
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for name in "ab":
            image = folder / "images" / split / f"{name}.png"
            image.write_bytes((street / "infrared" / "a.png").read_bytes())
    (folder / "labels" / "val" / "a.txt").write_text("0 0.459 0.5 0.801 1\n0 0.5 0.5 0 0.1\n")
    (folder / "data.yaml").write_text("names:\n  0: person\n")
    assert main(["evaluate", "--task=detection", f"--data={folder}"]) == 0
    output = capsys.readouterr()
    assert "|      1 |        1 | 100.0 (100.0 to 100.0) |" in output.out
    lines = output.err.splitlines()
    assert "1 of 2 labels are passed over: 1 without area (the first: line 2 of a.txt)" in lines[-2]
    assert lines[-1].endswith("1 of 2 images have no labels and are left out")
    assert main(["evaluate", "--task=detection", f"--data={folder}", "--split=train"]) == 2
    assert "labels/train holds no labels. Expected VOC" in capsys.readouterr().err


def test_a_damaged_label_file_is_named_with_status_1(street, capsys):
    visible = street / "visible"
    (visible / "b.png").write_bytes((visible / "a.png").read_bytes())
    (visible / "a.txt").write_text("0 0.5 0.5 0.8 0.9\n")
    (visible / "classes.txt").write_text("person\n")
    words = ["evaluate", "--task=detection", f"--data={visible}", f"--labels={visible}"]
    assert main(words) == 0
    capsys.readouterr()
    (visible / "b.txt").write_bytes(b"\xff\xfe\x00")
    assert main(words) == 1
    assert "b.txt holds no boxes" in capsys.readouterr().err
