"""A file or a directory is replaced completely or not at all."""

import pytest

from lowlight_tf.fileio import atomic_directory, atomic_write, walk_files


@pytest.mark.parametrize(("keep_suffix", "suffix"), [(False, ".part"), (True, ".json")])
def test_new_content_replaces_the_old(tmp_path, keep_suffix, suffix):
    path = tmp_path / "model.json"
    path.write_text("old", encoding="utf-8")
    with atomic_write(path, keep_suffix=keep_suffix) as part:
        part.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        assert part.suffix == suffix
        assert part.name.startswith(".")
    assert path.read_text(encoding="utf-8") == "new"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_changes_nothing(tmp_path, error):
    path = tmp_path / "model.json"
    path.write_text("old", encoding="utf-8")

    def write_half():
        with atomic_write(path) as part:
            part.write_text("ne", encoding="utf-8")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_new_directory_replaces_the_old(tmp_path):
    path = tmp_path / "new" / "pairs"
    for name in ("a", "b"):
        with atomic_directory(path) as part:
            assert [*part.iterdir()] == []
            (part / name).touch()
        assert [file.name for file in path.iterdir()] == [name]
    assert [*path.parent.iterdir()] == [path]


def test_an_interrupted_directory_changes_nothing(tmp_path):
    path = tmp_path / "pairs"
    path.mkdir()
    (path / "a").touch()

    def write_half():
        with atomic_directory(path) as part:
            (part / "b").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [file.name for file in path.iterdir()] == ["a"]
    assert [*tmp_path.iterdir()] == [path]


def test_walk_files_follows_linked_folders_once(tmp_path):
    for name in ("album/a.txt", "elsewhere/b.txt", "elsewhere/deep/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "album/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/deep/back").symlink_to(tmp_path / "album")
    found = [str(path.relative_to(tmp_path)) for path in walk_files(tmp_path / "album")]
    assert found == ["album/a.txt", "album/linked/b.txt", "album/linked/deep/c.txt"]
