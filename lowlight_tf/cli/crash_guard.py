"""The program `lowlight-tf`: a crash of a decoder costs one file, not those after it.

Commands that read many files run in a child process. This one waits, and imports nothing else: it
takes 11 MB. Where signals cannot be waited for (macOS, Windows), and for live streams, which cannot
be read again, the command runs in this process.
"""

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Sequence

from lowlight_tf import crash_notes

GUARDED_VERBS = "compare", "enhance", "evaluate", "export", "train"

CRASHES = signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGBUS

FORWARDED = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
"""What is sent to this process, and meant for the command."""

PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that a process gets when its parent ends


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the program's) as `main`, guarded where it can be."""
    words = sys.argv[1:] if argv is None else list(argv)
    is_program = "lowlight_tf.cli.main" not in sys.modules  # else no thread may be running
    if is_program and _can_guard(words):
        status = _supervise(words[0])
        if status is not None:
            return status
    from lowlight_tf.cli.main import main

    return main(argv)


def _can_guard(words: Sequence[str]) -> bool:
    is_supported = hasattr(os, "fork") and hasattr(signal, "sigwaitinfo")
    is_guarded = bool(words) and words[0] in GUARDED_VERBS
    return is_supported and is_guarded and not any(map(_is_stream, words))


def _is_stream(word: str) -> bool:
    """Return whether a word names a source that cannot be read again: an address, a pipe."""
    value = word.partition("=")[2] if word.startswith("--") else word
    if value == "-" or "://" in value:
        return True
    try:
        mode = os.stat(value).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _supervise(verb: str) -> int | None:
    """Fork until a child does not crash on a file; return its status, and None in the child."""
    notes = crash_notes.CrashNotes()
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    while True:
        child = os.fork()
        if child == 0:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            _end_with(parent)
            crash_notes.activate(notes)
            return None
        for number in handlers:  # a signal that is ignored cannot be waited for
            signal.signal(number, signal.SIG_DFL)
        status = _wait(child)
        if status >= 0:
            return status
        if -status not in CRASHES:
            _end_by(-status)
        elif not notes.handle_crash(-status):
            reason = signal.strsignal(-status)
            print(f"lowlight-tf {verb}: crashed ({reason}).", file=sys.stderr)
        else:
            continue
        return 128 - status


def _wait(child: int) -> int:
    """Return the exit status of a child, or minus the signal that ended it; forward signals."""
    while True:
        received = signal.sigwaitinfo({*FORWARDED, signal.SIGCHLD})
        if received.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        elif received.si_code <= 0:  # of a process; what a terminal sends reaches the child, too
            os.kill(child, received.si_signo)


def _end_with(parent: int) -> None:
    """Let this process be killed when its parent is, which cannot forward that."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _end_by(number: int) -> None:
    """End this process by a signal, as the child was ended."""
    with contextlib.suppress(OSError):  # SIGKILL has no handler
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
