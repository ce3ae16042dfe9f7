"""Flags that several verbs share: former names, lists, image sizes, model files."""

import argparse
import re
from collections.abc import Sequence
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


def split_names(name: str, text: str) -> list[str]:
    """Return the words that a flag names by commas."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError(f"`{name}` must name at least one, by commas. Received: {text!r}.")
    return list(dict.fromkeys(words))


def image_size(text: str) -> tuple[int, int]:
    """Read "400x600" as (height, width)."""
    match = re.fullmatch(r"([1-9]\d*)[xX]([1-9]\d*)", text)
    if not match:
        raise UsageError(f"`size` must be HEIGHTxWIDTH, such as 400x600. Received: {text}.")
    return int(match[1]), int(match[2])


def model_file(model: str) -> Path:
    """Return the .tflite file that a shipped name or a path stands for.

    Raises:
        UsageError: If there is none.
    """
    from lowlight_tf.runtime import pretrained

    path = Path(model)
    if path.suffix == ".tflite" and path.is_file():
        return path
    if path.suffix == ".tflite" or path.exists():
        what = "another kind of thing" if path.exists() else "nothing there"
        raise UsageError(f"Pass a shipped name or a .tflite file. Received: {model} ({what}).")
    return pretrained.pretrained_path(model)
