"""Pairs of your own: a folder or an archive of one, with subfolders for training and test."""

from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW
from lowlight_tf.datasets.archives import extract_archive
from lowlight_tf.datasets.pairing import CAMERA_PORTS
from lowlight_tf.fileio import atomic_directory, read_json, write_json

TRAIN_DIRS = "train_val", "train"
"""Subfolders to train on; validation pairs are held back from them."""

EVAL_DIRS = "test", "val"
"""Subfolders to evaluate on; the first that exists."""

MARKER = "unpacked.json"
"""File in an unpacked folder that identifies its archive."""


def extract_if_archive(path: Path) -> Path:
    """Return a folder unchanged; unpack an archive into the folder NAME.unpacked next to it.

    An archive is unpacked once. Folders above `train_val`, `train`, `val`, `test`, `low`, `high`,
    `raw`, `visible` and `infrared` are stripped.

    Args:
        path: A folder, or a .zip or .tar file with any compression.

    Raises:
        UsageError: If the path does not exist, or is no such archive, damaged or unsafe.
    """
    if path.is_dir():
        return path
    if not path.is_file():
        raise UsageError(
            f"`data` must be a folder or an archive. Received: {path} (does not exist)."
        )
    folder = path.with_name(f"{path.name}.unpacked")
    stat = path.stat()
    source = {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}
    if (folder / MARKER).is_file():
        if read_json(folder / MARKER) == source:
            return folder
    elif folder.exists():
        raise UsageError(
            f"{path} is unpacked into {folder}, which holds something else. Move it away."
        )
    roots = {*TRAIN_DIRS, *EVAL_DIRS, "low", "high", RAW.name, *CAMERA_PORTS}
    with atomic_directory(folder) as part:
        extract_archive(path, part, root_folders=roots)
        write_json(part / MARKER, source)
    return folder


def split_dir(folder: Path, names: tuple[str, ...]) -> Path:
    """Return the first of some subfolders that exists, or else the folder itself."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder)
