"""A user's folder has subfolders for training and test, and an archive of one is unpacked once."""

import os
import zipfile

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.folder import EVAL_DIRS, TRAIN_DIRS, extract_if_archive, split_dir


@pytest.fixture
def archive(tmp_path):
    """A zip whose folders are two levels deep, with the files that macOS adds."""
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w") as file:
        for part in ("train_val", "test"):
            for side in ("low", "high"):
                file.writestr(f"my/pairs/{part}/{side}/1.png", f"{part} {side}")
        file.writestr("__MACOSX/my/pairs/test/low/._1.png", "no image")
    return path


def test_an_archive_is_unpacked_next_to_it_without_leading_folders(archive, tmp_path):
    folder = extract_if_archive(archive)
    assert folder == tmp_path / "pairs.zip.unpacked"
    assert (folder / "train_val" / "high" / "1.png").read_text() == "train_val high"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.zip", folder.name]


def test_an_archive_may_hold_images_of_two_cameras(tmp_path):
    with zipfile.ZipFile(tmp_path / "street.zip", "w") as file:
        for side in ("visible", "infrared"):
            file.writestr(f"my/street/{side}/1.png", side)
    assert (
        extract_if_archive(tmp_path / "street.zip") / "infrared" / "1.png"
    ).read_text() == "infrared"


def test_an_archive_is_unpacked_again_only_if_it_changed(archive):
    marker = extract_if_archive(archive) / "marker"
    marker.touch()
    assert extract_if_archive(archive) == marker.parent
    assert marker.exists()
    os.utime(archive, ns=(1, 1))
    assert not (extract_if_archive(archive) / "marker").exists()


def test_a_folder_is_returned_unchanged(tmp_path):
    assert extract_if_archive(tmp_path) == tmp_path


def test_another_folder_of_that_name_is_not_replaced(archive, tmp_path):
    other = tmp_path / "pairs.zip.unpacked" / "other.txt"
    other.parent.mkdir()
    other.touch()
    with pytest.raises(UsageError, match="which holds something else"):
        extract_if_archive(archive)
    assert other.exists()


def test_a_rejected_archive_leaves_no_files(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(UsageError, match=r"pairs\.zip is neither a zip nor a tar file"):
        extract_if_archive(archive)
    with pytest.raises(UsageError, match=r"other\.zip \(does not exist\)"):
        extract_if_archive(tmp_path / "other.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("dark/1.png", "in no known folder")
    with pytest.raises(
        UsageError, match="holds none of the expected folders: high, infrared, low, raw, test"
    ):
        extract_if_archive(archive)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.zip"]


def test_the_first_existing_subfolder_is_returned(tmp_path):
    assert split_dir(tmp_path, EVAL_DIRS) == tmp_path
    (tmp_path / "val").mkdir()
    assert split_dir(tmp_path, EVAL_DIRS) == tmp_path / "val"
    (tmp_path / "test").mkdir()
    assert split_dir(tmp_path, EVAL_DIRS) == tmp_path / "test"
    (tmp_path / "train_val").mkdir()
    assert split_dir(tmp_path, TRAIN_DIRS) == tmp_path / "train_val"
