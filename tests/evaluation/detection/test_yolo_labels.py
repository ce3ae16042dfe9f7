"""YOLO's labels become boxes in pixels, with the names of their classes."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.detection import annotations, yolo_labels
from lowlight_tf.evaluation.detection.box_annotation import BoxAnnotation
from lowlight_tf.imaging import image_io


@pytest.fixture
def dataset(tmp_path):
    """An image of 100x200 (height x width), and a folder for its labels."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    image = image_io.LoadedImage(np.zeros((100, 200, 3), np.uint8))
    image_io.save_image(tmp_path / "images" / "a.b.png", image)
    return tmp_path


def read(dataset, text, name="a.b.txt"):
    (dataset / "labels" / name).write_text(text)
    lines = []
    images = {"a.b": dataset / "images" / "a.b.png"}
    found = annotations.read_annotations(dataset / "labels", images, report=lines.append)
    return found.get("a.b"), lines


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.2 0.4",
        "0 0.5 0.5 0.2 0.4 0.87",  # and how sure a detector was
        "0 0.4 0.3 0.6 0.3 0.6 0.7",  # a triangle
        "0 0.4 0.5 0.5 0.3 0.6 0.5 0.5 0.7",  # an oriented box
        "0.0 0.5 0.5 0.2 0.4 0.1 0.1 2",  # a point after the box
    ],
)
def test_boxes_polygons_and_oriented_boxes_are_read(line, dataset):
    (labels,), lines = read(dataset, line)
    assert labels.name == "0"
    np.testing.assert_allclose(labels.box, (80, 30, 120, 70))
    assert lines == []


def test_two_key_points_are_no_polygon_where_the_classes_file_says_so(dataset):
    (dataset / "data.yaml").write_text("kpt_shape: [2, 2]\nnames: [person]\n")
    (labels,), _ = read(dataset, "0 0.5 0.5 0.2 0.4 0.1 0.1 0.9 0.9")
    assert labels.name == "person"
    np.testing.assert_allclose(labels.box, (80, 30, 120, 70))


def test_an_empty_file_labels_nothing_and_a_wrong_line_is_passed_over(dataset):
    assert read(dataset, "") == ([], [])
    labels, lines = read(dataset, "1 0.5 0.5 0.2 0.4\n1 0.5 0.5 0 0.4\n1 0.5\n1 a b c d\n")
    assert [label.name for label in labels] == ["1"]
    assert len(lines) == 1
    assert "3 of 4 labels are passed over: 1 without area, 1 without a box, 1 that" in lines[0]
    with pytest.raises(UsageError, match="holds no boxes"):
        read(dataset, "1 0.5 0.5 0 0.4")
    with pytest.raises(UsageError, match=r"YOLO: in fractions of their size"):
        read(dataset, "1 150 70 20 40")


def test_exdark_files_are_recognized_by_their_lines(dataset):
    assert read(dataset, "People 20 28 50 40 0 0", "a.b.png.txt") == (
        [BoxAnnotation("person", (20, 28, 70, 68))],
        [],
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "car\ntraffic light\n"),
        ("obj.names", "car\ntraffic light"),
        ("data.yaml", "path: .\nnames: ['car', \"traffic light\"] # two\nnc: 2\n"),
        ("data.yaml", "names:\n  [car,\n  traffic light]\n"),
        ("data.yaml", "names: {0: car, 1: traffic light}\n"),
        ("data.yaml", "nc: 2\nnames:\n  # of COCO\n  0: car\n  1: 'traffic light'\n\ntrain: a\n"),
        ("data.yaml", "names:\n- car\n- traffic light\ntrain: a\n"),
        ("coco8.yaml", "\ufeffnames:\n  - car\n  - traffic light # red\n"),
    ],
)
@pytest.mark.parametrize("folder", [".", "labels"])
def test_names_of_classes_are_read(name, text, folder, dataset):
    (dataset / folder / name).write_text(text, encoding="utf-8")
    names = yolo_labels.read_classes(dataset / "labels").names
    assert names == {"0": "car", "1": "traffic light"}


def test_a_list_of_names_says_more_than_other_files(dataset):
    (dataset / "labels" / "train.yaml").write_text("epochs: 3\n")
    assert yolo_labels.read_classes(dataset / "labels").names == {}
    (dataset / "data.yaml").write_text("names: *others\n")
    with pytest.raises(UsageError, match=r"are not read.*classes\.txt, one name a line") as error:
        yolo_labels.read_classes(dataset / "labels")
    assert "\n" not in str(error.value)
    (dataset / "classes.txt").write_text("car\n")
    assert yolo_labels.read_classes(dataset / "labels").names == {"0": "car"}
