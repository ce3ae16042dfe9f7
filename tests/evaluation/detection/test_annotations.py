"""Annotations are read in all common formats; other files are refused."""

import json

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.detection import annotations
from lowlight_tf.evaluation.detection.annotations import BoxAnnotation
from lowlight_tf.imaging import image_io

VOC = """<annotation><object><name>People</name><difficult>{}</difficult><bndbox>
<xmin>1</xmin><ymin>2</ymin><xmax>30.5</xmax><ymax>40</ymax></bndbox></object></annotation>"""


def test_pascal_voc_folders_are_read(tmp_path):
    (tmp_path / "a.xml").write_text(VOC.format(0))
    (tmp_path / "b.xml").write_text(VOC.format(1))
    assert annotations.read_annotations(tmp_path, ["a", "b", "c"]) == {
        "a": [BoxAnnotation("person", (1, 2, 30.5, 40))],
        "b": [BoxAnnotation("person", (1, 2, 30.5, 40), ignored=True)],
    }


def test_coco_files_are_read(tmp_path):
    path = tmp_path / "labels.json"
    fields = {
        "images": [{"id": 7, "file_name": "night/a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "categories": [{"id": 3, "name": "car"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20]},
            {"image_id": 7, "category_id": 3, "bbox": [5, 5, 5, 5], "iscrowd": 1},
        ],
    }
    path.write_text(json.dumps(fields))
    assert annotations.read_annotations(path, ["a", "b", "c"]) == {
        "a": [
            BoxAnnotation("car", (1, 2, 11, 22)),
            BoxAnnotation("car", (5, 5, 10, 10), ignored=True),
        ],
        "b": [],  # looked at, and nothing there
    }


def test_plain_text_files_are_read(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a": [{"cls": "motorbike", "xyxy": [0, 0, 4, 5]}], "z": []}))
    assert annotations.read_annotations(path, ["a", "b"]) == {
        "a": [BoxAnnotation("motorcycle", (0, 0, 4, 5))]
    }


def test_exdark_folders_are_read(tmp_path):
    lines = "% bbGt version=3\nPeople 204 28 271 193 0 0 0 0 0 0 0\nTable 1 2 3.5 4 0 0 0 0 0 0 0\n"
    (tmp_path / "2015_00001.png.txt").write_text(lines)
    (tmp_path / "2015_00002.jpg.txt").write_text("% bbGt version=3\n")
    assert annotations.read_annotations(tmp_path, ["2015_00001", "2015_00002", "2015_00003"]) == {
        "2015_00001": [
            BoxAnnotation("person", (204, 28, 475, 221)),
            BoxAnnotation("dining table", (1, 2, 4.5, 6)),
        ],
        "2015_00002": [],
    }
    (tmp_path / "2015_00002.jpg.txt").write_text("People 204 28\n")
    with pytest.raises(UsageError, match=r"00002\.jpg\.txt holds no boxes of ExDark"):
        annotations.read_annotations(tmp_path, ["2015_00002"])


def test_segmentation_maps_are_converted_to_boxes_of_their_regions(tmp_path):
    marked = np.full((100, 120), 3, np.uint8)
    marked[10:40, 5:25] = 8
    marked[50:52, 50:60] = 8  # 20 pixels: whether it is found does not count
    marked[60:90, 100:110] = 9
    marked[60:90, 110:120] = 10
    image_io.save_image(
        tmp_path / "a.png", image_io.LoadedImage(marked[..., None].repeat(3, 2), gray=True)
    )
    assert annotations.read_annotations(tmp_path, ["a"]) == {
        "a": [
            BoxAnnotation("car", (5, 10, 25, 40)),
            BoxAnnotation("car", (50, 50, 60, 52), ignored=True),
            BoxAnnotation("person", (100, 60, 110, 90)),
            BoxAnnotation("person", (110, 60, 120, 90), ignored=True),
        ]
    }


def test_annotations_are_found_next_to_images(tmp_path):
    image = tmp_path / "test" / "visible" / "a.png"
    assert annotations.find_annotations(image) is None
    (tmp_path / "Annotations").mkdir()
    assert annotations.find_annotations(image) == tmp_path / "Annotations"
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "boxes.json").touch()
    assert annotations.find_annotations(image) == tmp_path / "test" / "boxes.json"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "{", "cannot be read as JSON"),
        ("a.json", '{"a": [{"cls": "car"}]}', "holds no boxes: KeyError"),
        ("a.json", '{"a": [{"cls": "car", "xyxy": [5, 0, 5, 9]}]}', "no box"),
        ("a.json", '{"annotations": []}', "holds no boxes"),
        ("a.txt", "", "VOC .xml files, ExDark's .txt files or class maps, or a .json file"),
        ("folder/a.xml", "<annotation>", "holds no VOC boxes"),
        ("folder/a.xml", "<a><object><name>car</name></object></a>", "holds no VOC boxes"),
    ],
)
def test_files_without_annotations_are_refused(name, content, reason, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    labels = path.parent if path.suffix == ".xml" else path
    with pytest.raises(UsageError, match=reason) as error:
        annotations.read_annotations(labels, ["a"])
    assert "\n" not in str(error.value)


def test_images_are_not_read_as_segmentation_maps(tmp_path, rng):
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image_io.save_image(tmp_path / "a.png", image_io.LoadedImage(image))
    with pytest.raises(UsageError, match="12 classes, values 0 to 11"):
        annotations.read_annotations(tmp_path, ["a"])
