"""A file or a directory is replaced completely or not at all."""

import os

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_directory, atomic_write, walk_files, write_text


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


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "ü" * 125 + ".webp"])
@pytest.mark.parametrize("keep_suffix", [False, True])
def test_the_longest_names_are_written(tmp_path, name, keep_suffix):
    path = tmp_path / name
    with atomic_write(path, keep_suffix=keep_suffix) as part:
        assert part.suffix == (path.suffix if keep_suffix else ".part")
        part.write_text("new")
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_long_names_with_one_beginning_have_temporary_files_of_their_own(tmp_path):
    paths = [tmp_path / ("x" * 250 + end) for end in ("a.png", "b.png")]
    with atomic_write(paths[0]) as first, atomic_write(paths[1]) as second:
        first.touch()
        second.touch()
        assert first != second


def test_names_that_are_not_utf_8_are_written_as_their_bytes(tmp_path):
    write_text(tmp_path / "a.md", "l\udce4rm")
    assert (tmp_path / "a.md").read_bytes() == b"l\xe4rm"


def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_text(path, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert path.is_fifo()


def test_a_text_that_cannot_be_written_is_reported_in_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"gone/a\.md cannot be written: No such file"):
        write_text(tmp_path / "gone" / "a.md", "text")
