"""Pairs whose files can be read: damaged ones are found before anything is computed of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lowlight_tf.checks import UsageError, describe_error
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import libraw, raw_image


def keep_readable(
    pairs: Sequence[Pair], report: Callable[[str], None], *, raw: bool = True
) -> list[Pair]:
    """Return the pairs all of whose files can be decoded; every one is.

    Args:
        pairs: Pairs to check.
        report: Called with one line for each file that cannot be, and one that counts the pairs.
        raw: Whether RAW files are checked, too.

    Raises:
        UsageError: If none of the pairs can be read; it says why of the first.
    """
    paths = dict.fromkeys(path for pair in pairs for path in _files_of(pair))
    if not raw:
        paths = [path for path in paths if path.suffix.lower() not in raw_image.SUFFIXES]
    with ThreadPoolExecutor() as pool:
        reasons = dict(zip(paths, pool.map(_find_damage, paths), strict=True))
    damaged = {path: reason for path, reason in reasons.items() if reason}
    readable = [pair for pair in pairs if not any(path in damaged for path in _files_of(pair))]
    if damaged and not readable:
        raise UsageError(next(iter(damaged.values())))
    for reason in damaged.values():
        report(reason)
    if damaged:
        count = len(pairs) - len(readable)
        report(f"{count} of {len(pairs)} pairs cannot be read and are left out")
    return readable


def _files_of(pair: Pair) -> list[Path]:
    return [*pair.inputs.values(), *([pair.target] if pair.target else [])]


def _find_damage(path: Path) -> str:
    """Return why a file cannot be read, in one line; "" if it can be."""
    try:
        if path.suffix.lower() in raw_image.SUFFIXES:
            with libraw.open_raw(path):
                pass
        else:
            image_io.load_image(path)
    except UsageError as error:
        return str(error)
    except Exception as error:  # of many libraries: one file never ends a folder
        return f"{path} cannot be read: {describe_error(error)}"
    return ""
