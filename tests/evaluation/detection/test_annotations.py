"""Annotations are read in all common formats; other files are refused."""

import json

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.detection import annotations
from lowlight_tf.evaluation.detection.box_annotation import BoxAnnotation
from lowlight_tf.imaging import image_io

SIZE = (300, 500)  # of the images, height x width
VOC = """<annotation><object><name>People</name><difficult>{}</difficult><bndbox>
<xmin>1</xmin><ymin>2</ymin><xmax>30.5</xmax><ymax>40</ymax></bndbox></object></annotation>"""


def read(labels, *names, report=None):
    """Read the labels of images of SIZE; what is reported is an error where it is not asked for."""
    folder = labels.parent / "images"
    folder.mkdir(exist_ok=True)
    images = {name: folder / f"{name}.png" for name in names}
    for path in images.values():
        path.unlink(missing_ok=True)
        image_io.save_image(path, image_io.LoadedImage(np.zeros((*SIZE, 3), np.uint8)))
    lines = []
    found = annotations.read_annotations(labels, images, report=lines.append)
    if report is None:
        assert lines == []
    else:
        report.extend(lines)
    return found


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    return folder


def test_pascal_voc_folders_are_read(labels):
    (labels / "a.xml").write_text(VOC.format(0))
    (labels / "b.xml").write_text(VOC.format(1))
    assert read(labels, "a", "b", "c") == {
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
    assert read(path, "a", "b", "c") == {
        "a": [
            BoxAnnotation("car", (1, 2, 11, 22)),
            BoxAnnotation("car", (5, 5, 10, 10), ignored=True),
        ],
        "b": [],  # looked at, and nothing there
    }


def test_plain_text_files_are_read(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a": [{"cls": "motorbike", "xyxy": [0, 0, 4, 5]}], "z": []}))
    assert read(path, "a", "b") == {"a": [BoxAnnotation("motorcycle", (0, 0, 4, 5))]}


def test_exdark_folders_are_read(labels):
    lines = "% bbGt version=3\nPeople 204 28 271 193 0 0 0 0 0 0 0\nTable 1 2 3.5 4 0 0 0 0 0 0 0\n"
    (labels / "2015_00001.png.txt").write_text(lines)
    (labels / "2015_00002.jpg.txt").write_text("% bbGt version=3\n")
    assert read(labels, "2015_00001", "2015_00002", "2015_00003") == {
        "2015_00001": [
            BoxAnnotation("person", (204, 28, 475, 221)),
            BoxAnnotation("dining table", (1, 2, 4.5, 6)),
        ],
        "2015_00002": [],
    }
    (labels / "2015_00002.jpg.txt").write_text("People 204 28\n")
    with pytest.raises(UsageError, match=r"that cannot be read; the first is line 1 of 2015_00002"):
        read(labels, "2015_00002")


def test_segmentation_maps_are_converted_to_boxes_of_their_regions(labels):
    marked = np.full((100, 120), 3, np.uint8)
    marked[10:40, 5:25] = 8
    marked[50:52, 50:60] = 8  # 20 pixels: whether it is found does not count
    marked[60:90, 100:110] = 9
    marked[60:90, 110:120] = 10
    image_io.save_image(
        labels / "a.png", image_io.LoadedImage(marked[..., None].repeat(3, 2), gray=True)
    )
    assert read(labels, "a") == {
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


def test_yolo_labels_are_found_where_its_trainers_look(tmp_path):
    image = tmp_path / "set" / "images" / "val" / "a.png"
    image.parent.mkdir(parents=True)
    image.with_suffix(".txt").touch()
    assert annotations.find_annotations(image) == image.parent
    (tmp_path / "set" / "labels").mkdir()
    assert annotations.find_annotations(image) == tmp_path / "set" / "labels"
    (tmp_path / "set" / "labels" / "val").mkdir()
    assert annotations.find_annotations(image) == tmp_path / "set" / "labels" / "val"


def test_of_a_folder_of_json_files_one_is_asked_for(labels):
    (labels / "instances_val2017.json").write_text("{}")
    with pytest.raises(UsageError, match=r"Pass it: --labels .*instances_val2017\.json"):
        read(labels, "a")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "{", "cannot be read as JSON"),
        (
            "a.json",
            '{"a": [{"cls": "car"}]}',
            "holds no boxes: 1 of 1 labels are passed over: 1 without a box",
        ),
        (
            "a.json",
            '{"a": [{"cls": "car", "xyxy": [5, 0, 5, 9]}]}',
            "1 without area; the first is box 1 of a",
        ),
        ("a.json", '{"annotations": []}', "holds no boxes"),
        ("a.txt", "", ".txt files of YOLO or ExDark or class maps, or a .json file"),
        ("folder/a.xml", "<annotation>", "holds no VOC boxes"),
        ("folder/a.xml", "<a><object><name>car</name></object></a>", "1 without a box"),
    ],
)
def test_files_without_annotations_are_refused(name, content, reason, tmp_path):
    path = tmp_path / "labels" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    labels = path.parent if path.suffix == ".xml" else path
    with pytest.raises(UsageError, match=reason) as error:
        read(labels, "a")
    assert "\n" not in str(error.value)


def test_labels_that_are_no_boxes_are_passed_over_and_counted(tmp_path):
    path, lines = tmp_path / "labels.json", []
    boxes = [
        {"image_id": 1, "category_id": 1, "bbox": [5, 5, 55, 85]},
        {"image_id": 1, "category_id": 1, "bbox": [460, 260, 60, 60]},  # beyond it: as it is
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 0, 30]},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 5, -3]},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, float("nan"), 30]},
        {"image_id": 9, "category_id": 1, "bbox": [5, 5, 55, 85]},
        {"image_id": 1, "category_id": 9, "bbox": [5, 5, 55, 85]},
        {"image_id": 1, "category_id": 1},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2]},
        {"image_id": 1, "category_id": 1, "bbox": [600, 10, 20, 20]},
    ]
    fields = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": boxes,
    }
    path.write_text(json.dumps(fields))
    assert read(path, "a", report=lines) == {
        "a": [BoxAnnotation("car", (5, 5, 60, 90)), BoxAnnotation("car", (460, 260, 520, 320))]
    }
    assert lines == [
        f"{path}: 8 of 10 labels are passed over: 2 without area, 1 that is not finite, 1 of an "
        "image that is not listed, 1 of a category that is not listed, 1 without a box, 1 that "
        "cannot be read, 1 outside its image (the first: annotation 3)"
    ]


def test_a_damaged_label_file_leaves_the_others_alone(labels):
    lines = []
    (labels / "a.xml").write_text(VOC.format(0))
    (labels / "b.xml").write_text("<annotation>")
    (labels / "c.xml").write_text(VOC.format(0).replace("<xmax>30.5", "<xmax>1"))
    assert read(labels, "a", "b", "c", report=lines) == {
        "a": [BoxAnnotation("person", (1, 2, 30.5, 40))],
        "c": [],
    }
    assert len(lines) == 2
    assert "b.xml holds no VOC boxes" in lines[0]
    assert lines[0].endswith("Its image counts as not labelled.")
    assert "1 of 2 labels are passed over: 1 without area (the first: object 1 of c.xml" in lines[1]


def test_labels_of_one_name_in_several_folders_are_kept_apart(tmp_path):
    images = {}
    for scene in ("s1", "s2"):
        images[f"{scene}/a"] = tmp_path / "images" / scene / "a.png"
        images[f"{scene}/a"].parent.mkdir(parents=True)
        image = image_io.LoadedImage(np.zeros((*SIZE, 3), np.uint8))
        image_io.save_image(images[f"{scene}/a"], image)
    entries = [{"id": n, "file_name": f"{scene}/a.png"} for n, scene in enumerate(("s1", "s2"))]
    boxes = [{"image_id": n, "category_id": 1, "bbox": [n, 0, 9, 9]} for n in range(2)]
    fields = {"images": entries, "categories": [{"id": 1, "name": "car"}], "annotations": boxes}
    (tmp_path / "coco.json").write_text(json.dumps(fields))
    for scene, number in (("s1", 0), ("s2", 1)):
        path = tmp_path / "labels" / scene / "a.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"% bbGt\ncar {number} 0 9 9\n")
    expected = {f"s{n + 1}/a": [BoxAnnotation("car", (n, 0, n + 9, 9))] for n in range(2)}
    for labels in ("coco.json", "labels"):
        found = annotations.read_annotations(tmp_path / labels, images, report=print)
        assert found == expected
    flat = {"a": tmp_path / "images" / "a.png"}  # of neither folder
    assert annotations.read_annotations(tmp_path / "coco.json", flat, report=print) == {}


def test_labels_of_images_of_another_size_are_refused(tmp_path):
    path = tmp_path / "boxes.json"
    boxes = [[10, 10, 20, 20], [600, 0, 620, 20], [600, 320, 620, 340]]
    path.write_text(json.dumps({"a": [{"cls": "person", "xyxy": box} for box in boxes]}))
    reason = "2 of 3 boxes in .* image a is 300x500.*person is labelled at row 10, column 610"
    with pytest.raises(UsageError, match=reason):
        read(path, "a")


def test_images_are_not_read_as_segmentation_maps(labels, rng):
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image_io.save_image(labels / "a.png", image_io.LoadedImage(image))
    with pytest.raises(UsageError, match="12 classes, values 0 to 11"):
        read(labels, "a")
