"""The sample pairs are the same bytes each time, and no photograph is in both subsets."""

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


def read_all(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_both_subsets_pair_and_share_no_photograph(pairs):
    subsets = [pair_folder(pairs / subset) for subset in ("train", "val")]
    assert [len(subset) for subset in subsets] == list(synthetic.PAIR_COUNTS.values())
    assert {p.name.split("_")[0] for p in subsets[0]}.isdisjoint(
        p.name.split("_")[0] for p in subsets[1]
    )
    for subset in subsets:
        check_sizes(subset, crop_size=256)
    check_leakage(*subsets)


def test_inputs_are_dark_and_targets_are_not(pairs):
    for pair in pair_folder(pairs / "val"):
        low, high = (
            image_io.read_float_rgb(pair.inputs["low"]),
            image_io.read_float_rgb(pair.target),
        )
        assert low.mean() < 0.2 < high.mean()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(pairs, tmp_path):
    assert read_all(synthetic.sample_pairs(tmp_path / "again")) == read_all(pairs)
    other = read_all(
        synthetic.sample_pairs(tmp_path / "again", seed=2)
    )  # replaces the existing pairs
    assert other.keys() == read_all(pairs).keys()
    assert other != read_all(pairs)


def test_warm_bodies_are_bright_in_infrared_only(tmp_path):
    pytest.importorskip("skimage")
    folder = synthetic.sample_camera_pairs(tmp_path / "cameras")
    pairs = pair_folder(folder / "val", inputs=("visible", "infrared"), target=None)
    assert len(pairs) == synthetic.PAIR_COUNTS["val"]
    for pair in pairs:
        visible, infrared = (
            image_io.read_float_rgb(pair.inputs[port]) for port in ("visible", "infrared")
        )
        warm = infrared.mean(2) > 0.8
        assert 0.005 < warm.mean() < 0.2
        assert visible[warm].mean() < 0.1


def test_complete_pairs_are_not_written_again(pairs):
    file = next((pairs / "val" / "low").iterdir())
    before = file.stat().st_mtime_ns
    assert synthetic.sample_pairs(pairs) == pairs
    assert file.stat().st_mtime_ns == before


def test_a_folder_with_other_files_is_rejected(tmp_path):
    pytest.importorskip("skimage")
    (tmp_path / "other.txt").write_text("other")
    with pytest.raises(UsageError, match="new or empty"):
        synthetic.sample_pairs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_without_scikit_image_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"lowlight_tf\[train\]"):
        synthetic.sample_pairs(tmp_path / "new")
    assert not (tmp_path / "new").exists()
