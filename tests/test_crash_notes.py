"""What a process notes is known to the next one after it crashed."""

import os
import re
from pathlib import Path

import pytest

from lowlight_tf import crash_notes
from lowlight_tf.checks import UsageError

SIGSEGV = 11
A, B = Path("a.png"), Path("b=\udcff.png")  # a name that is not UTF-8


@pytest.fixture
def notes():
    notes = crash_notes.CrashNotes()
    crash_notes.activate(notes)
    yield notes
    crash_notes.activate(None)


def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_without_notes_nothing_is_noted():
    with crash_notes.reading(A):
        crash_notes.record(A, "complete")
    assert crash_notes.records() == {}
    assert not crash_notes.is_restarted()


@pytest.mark.parametrize("path", [A, B])
def test_a_file_that_a_process_crashed_on_is_refused_afterwards(notes, path):
    in_child(crash_notes.reading(path).__enter__)
    assert notes.handle_crash(SIGSEGV)
    assert crash_notes.is_restarted()
    reason = re.escape(f"{path} crashed its decoder (Segmentation fault). Convert it")
    with pytest.raises(UsageError, match=reason), crash_notes.reading(path):
        pass
    with crash_notes.reading(Path("c.png")):
        pass


def test_a_file_that_was_read_is_not_refused_after_a_crash(notes):
    def work():
        with crash_notes.reading(A):
            pass

    in_child(work)
    assert not notes.handle_crash(SIGSEGV)
    with crash_notes.reading(A):
        pass


def test_of_several_files_that_are_read_at_once_none_is_refused_until_one_is_read_alone(notes):
    def work():
        with crash_notes.reading(A), crash_notes.reading(B):
            os._exit(1)

    in_child(work)
    assert notes.handle_crash(SIGSEGV)
    with crash_notes.reading(A):
        pass
    in_child(crash_notes.reading(B).__enter__)
    assert notes.handle_crash(SIGSEGV)
    with pytest.raises(UsageError, match="b="), crash_notes.reading(B):
        pass


def test_records_outlive_the_processes_that_made_them(notes):
    for path, outcome in ((A, "complete"), (B, "failed"), (A, "partial")):
        in_child(lambda path=path, outcome=outcome: crash_notes.record(path, outcome))
        notes.handle_crash(SIGSEGV)
    assert crash_notes.records() == {str(A): "partial", str(B): "failed"}


def test_a_partial_file_is_removed_after_a_crash(notes, tmp_path):
    part = tmp_path / "out.part.mp4"
    part.write_bytes(b"half")
    in_child(lambda: crash_notes.record(part, crash_notes.PARTIAL_FILE))
    notes.handle_crash(SIGSEGV)
    assert not part.exists()
