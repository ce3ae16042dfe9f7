"""The embedded pairs: the same bytes each time, no photograph on both sides."""

import importlib.util

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import synthetic
from lowlight_tf.datasets.leakage import check_leakage
from lowlight_tf.datasets.pairing import check_sizes, pair_folder
from lowlight_tf.imaging import image_io


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    pytest.importorskip("skimage")
    return synthetic.sample_pairs(tmp_path_factory.mktemp("embedded"))


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_both_halves_pair_and_share_no_photograph(pairs):
    halves = [pair_folder(pairs / half) for half in ("train", "val")]
    assert [len(half) for half in halves] == list(synthetic.PAIR_COUNTS.values())
    assert {p.name.split("_")[0] for p in halves[0]}.isdisjoint(
        p.name.split("_")[0] for p in halves[1]
    )
    for half in halves:
        check_sizes(half, crop_size=256)
    check_leakage(*halves)


def test_inputs_are_dark_and_targets_are_not(pairs):
    for pair in pair_folder(pairs / "val"):
        low, high = (
            image_io.read_float_rgb(pair.inputs["low"]),
            image_io.read_float_rgb(pair.target),
        )
        assert low.mean() < 0.2 < high.mean()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(pairs, tmp_path):
    assert contents(synthetic.sample_pairs(tmp_path / "again")) == contents(pairs)
    other = contents(synthetic.sample_pairs(tmp_path / "again", seed=2))  # replaces what is there
    assert other.keys() == contents(pairs).keys()
    assert other != contents(pairs)


def test_warm_bodies_show_to_the_infrared_camera_alone(tmp_path):
    pytest.importorskip("skimage")
    folder = synthetic.sample_camera_pairs(tmp_path / "cameras")
    pairs = pair_folder(folder / "val", inputs=("visible", "infrared"), target=None)
    assert len(pairs) == synthetic.PAIR_COUNTS["val"]
    for pair in pairs:
        visible, infrared = (
            image_io.read_float_rgb(pair.inputs[s]) for s in ("visible", "infrared")
        )
        warm = infrared.mean(2) > 0.8
        assert 0.005 < warm.mean() < 0.2
        assert visible[warm].mean() < 0.1


def test_what_is_complete_is_left_alone(pairs):
    marked = next((pairs / "val" / "low").iterdir())
    before = marked.stat().st_mtime_ns
    assert synthetic.sample_pairs(pairs) == pairs
    assert marked.stat().st_mtime_ns == before


def test_a_folder_with_something_else_is_refused(tmp_path):
    pytest.importorskip("skimage")
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="new or empty"):
        synthetic.sample_pairs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_without_scikit_image_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"lowlight_tf\[train\]"):
        synthetic.sample_pairs(tmp_path / "new")
    assert not (tmp_path / "new").exists()
