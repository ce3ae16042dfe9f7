"""Flags of several verbs: former names, lists, image sizes, model files, the command line."""

import argparse
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from lowlight_tf.checks import UsageError


class ArgumentContainer(Protocol):
    """A parser, or a group of one: where arguments are declared."""

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Declare an argument."""


def add_flag(
    parser: ArgumentContainer, flag: str, *, former: Sequence[str] = (), **options: Any
) -> argparse.Action:
    """Declare a flag whose former names are accepted too, but documented nowhere.

    Args:
        parser: A parser, or a group of one.
        flag: Today's name, "--crop-size": shown by --help and by messages, and the attribute of the
            parsed arguments is named after it.
        former: Names that are accepted silently, ("--crop",).
        options: As of `argparse.ArgumentParser.add_argument`.
    """
    action = parser.add_argument(flag, *former, **options)
    action.option_strings = [flag]  # what help and messages print; all the names stay registered
    return action


def split_names(name: str, words: str | Iterable[str]) -> list[str]:
    """Return the values of a list flag, separated by spaces or commas, without duplicates.

    Args:
        name: The flag, for the message.
        words: The words of a flag with `nargs="+"`, or one string.

    Raises:
        UsageError: If there is none.
    """
    words = [words] if isinstance(words, str) else list(words)
    names = [part.strip() for word in words for part in word.split(",") if part.strip()]
    if not names:
        received = " ".join(words)
        raise UsageError(
            f"`{name}` must name at least one, separated by spaces or commas. "
            f"Received: {received!r}."
        )
    return list(dict.fromkeys(names))


def split_numbers(name: str, words: str | Iterable[str]) -> list[int]:
    """Return the values of a list flag of positive integers, see `split_names`.

    Raises:
        UsageError: If there is none, or one is no positive integer.
    """
    numbers = split_names(name, words)
    if not all(number.isdecimal() and int(number) for number in numbers):
        raise UsageError(
            f"`{name}` must be integers above zero, separated by spaces or commas. "
            f"Received: {' '.join(numbers)}."
        )
    return list(dict.fromkeys(map(int, numbers)))


def image_size(text: str) -> tuple[int, int]:
    """Return "400x600" as (height, width)."""
    match = re.fullmatch(r"([1-9]\d*)[xX]([1-9]\d*)", text)
    if not match:
        raise UsageError(f"`size` must be HEIGHTxWIDTH, such as 400x600. Received: {text}.")
    return int(match[1]), int(match[2])


def image_sizes(words: str | Iterable[str]) -> list[tuple[int, int]]:
    """Return "400x600 480x640" as a list of (height, width), see `split_names`."""
    return list(dict.fromkeys(image_size(size) for size in split_names("size", words)))


def model_file(model: str) -> Path:
    """Return the .tflite file of a shipped name or a path.

    Raises:
        UsageError: If there is none.
    """
    from lowlight_tf.runtime import pretrained

    path = Path(model)
    if path.suffix == ".tflite" and path.is_file():
        return path
    if path.suffix == ".tflite" or path.exists():
        reason = "not a .tflite file" if path.exists() else "nothing there"
        raise UsageError(f"Pass a shipped name or a .tflite file. Received: {model} ({reason}).")
    return pretrained.find_pretrained(model)


def command_line(
    args: argparse.Namespace, *, positional: Iterable[str] = (), omit: Iterable[str] = ()
) -> str:
    """Return the shell line that repeats a run, with all defaults written out.

    Args:
        args: The parsed command line.
        positional: Names of the arguments that are no flags, in order.
        omit: Names of flags to leave out, such as those of output files.
    """
    words = ["lowlight-tf", args.command, *(str(getattr(args, name)) for name in positional)]
    left_out = {"command", "run_command", *positional, *omit}
    for name, value in vars(args).items():
        if name in left_out or value is None or value is False or value == []:
            continue
        values = [] if value is True else value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def add_format_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--format`, which `export` and `resize` have."""
    parser.add_argument(
        "--format",
        choices=("tflite", "onnx"),
        default="tflite",
        help="onnx: a file for ONNX Runtime, OBS or OpenCV too, beside each .tflite file ([onnx] "
        "and [train] extras)",
    )


def add_packed_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--packed`, which `export` and `resize` have."""
    parser.add_argument(
        "--packed",
        action="store_true",
        help="for neural processors: 4x4 blocks of pixels as channels of the ports, which the host "
        "packs while it copies; without operations that fold or unfold them",
    )
