"""A file is there whole or not at all."""

import pytest

from lowlight_tf.fileio import atomic_write


def test_what_was_written_takes_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "net.json"
    path.write_text("old", encoding="utf-8")
    with atomic_write(path) as part:
        part.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        assert part.suffix != ".json"
    assert path.read_text(encoding="utf-8") == "new"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_stopped_half_way_leaves_all_as_it_was(tmp_path, error):
    path = tmp_path / "net.json"
    path.write_text("old", encoding="utf-8")

    def stop_half_way():
        with atomic_write(path) as part:
            part.write_text("ne", encoding="utf-8")
            raise error

    with pytest.raises(error):
        stop_half_way()
    assert path.read_text(encoding="utf-8") == "old"
    assert [*tmp_path.iterdir()] == [path]
