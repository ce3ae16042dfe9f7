"""The suite as a whole, on a few tiny images, and its night clips."""

import json

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE
from lowlight_tf.evaluation.road.clips import night_clip
from lowlight_tf.evaluation.road.road_data import RoadData, find_road_data
from lowlight_tf.evaluation.road.suite import COLUMNS, measure_road, table
from lowlight_tf.runtime.engine import MAX_UNTILED_PIXELS


class Identity:
    """An engine that leaves every image as it is."""

    name, contract, size = "identity", ENHANCE, None
    max_untiled_pixels = MAX_UNTILED_PIXELS

    def __call__(self, images):
        return {"enhanced": images["low"]}


@pytest.fixture
def root(tmp_path, rng):
    """A data folder with one stack of three frames and two CamVid frames."""
    scene = tmp_path / "exposures" / "kim9878" / "1"
    for folder in (scene, tmp_path / "camvid" / "image"):
        folder.mkdir(parents=True)
    day = rng.integers(60, 200, (40, 48, 3), np.uint8)
    day[:8, :8] = 255
    for name, gain in (("1", 0.25), ("2", 0.5), ("3", 1.0)):
        cv2.imwrite(str(scene / f"{name}.png"), np.uint8(day * gain))
    for name in ("0006R0_1", "0016E5_1"):
        cv2.imwrite(str(tmp_path / "camvid" / "image" / f"{name}.png"), day)
    frames = [
        {"file": f"kim9878/1/{n}.png", "ev": ev} for n, ev in (("1", -2.0), ("2", -1.0), ("3", 0.0))
    ]
    index = [
        {
            "source": "kim9878", "scene": "1", "frames": frames,
            "reference": "kim9878/1/3.png", "reference_kind": "frame",
        },
        {
            "source": "sice", "scene": "2", "frames": frames,
            "reference": "kim9878/1/3.png", "reference_kind": "frame",
        },
    ]  # fmt: skip
    (tmp_path / "exposures" / "index.json").write_text(json.dumps(index))
    return tmp_path


def test_only_what_was_held_out_is_found(root):
    data = find_road_data(root)
    assert [path.stem for path in data.well_exposed] == ["0006R0_1", "3"]
    assert [stack.name for stack in data.stacks] == ["kim9878/1/1", "kim9878/1/2"]
    assert not any(stack.is_fused for stack in data.stacks)
    assert data.night_videos == data.day_videos == ()


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="existing folder"):
        find_road_data(tmp_path / "nothing")


def test_the_identity_leaves_everything_alone(root):
    row = measure_road(Identity(), find_road_data(root))
    assert row["well_exposed_psnr"] == 60  # what equal images count as
    assert row["white_level"] == 255
    assert row["chroma_ratio"] == 1
    assert row["order"] == 0
    assert row["single_brightness"] == pytest.approx((0.25 + 0.5) / 2, abs=0.01)
    assert not any(name.startswith(("fused", "night", "clip")) for name in row)


def test_the_table_has_a_column_for_everything_measured(root):
    row = measure_road(Identity(), find_road_data(root))
    text = table({"identity": row, "other": {"order": 3.0}})
    head, _, first, second = text.strip().splitlines()
    assert head.split(" | ")[1:] == [*[n for n in COLUMNS if n in row][:-1], "order |"]
    assert first.startswith("| identity | 60.00 | 255.00 | 1.00 |")
    assert second.endswith("| - | 3.00 |")


def test_a_night_clip_has_a_black_sky_lamps_and_a_road_in_the_light():
    rows = np.linspace(180, 90, 96)[:, None, None] * np.ones((1, 128, 3))
    stored, noiseless = night_clip([np.uint8(rows)] * 4, crf=30)
    assert len(stored) == len(noiseless) == 4
    last = stored[-1].astype(float).mean(axis=-1)
    assert last[:16].mean() < 6
    assert last[85:, 40:88].mean() > 2.5 * last[50:60, 100:].mean()
    assert last.max() > 200


def test_night_clips_repeat():
    day = [np.full((48, 64, 3), 120, np.uint8)] * 3
    first, second = (night_clip(day, crf=30, seed=5)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_empty_data_set_measures_ramps_only():
    assert list(measure_road(Identity(), RoadData())) == ["order"]
