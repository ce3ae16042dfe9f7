"""A user's own pairs: a folder or an archive of one, and which part of it is for what."""

import os
import shutil
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW
from lowlight_tf.datasets.archives import extract_archive
from lowlight_tf.datasets.pairing import CAMERAS
from lowlight_tf.fileio import read_json, write_json

TRAIN_DIRS = "train_val", "train"
"""Parts to learn from, where there is no `val/` beside them: validation is split off."""

EVAL_DIRS = "test", "val"
"""Parts to judge by; the first that is there."""

MARKER = "unpacked.json"  # in a folder that was unpacked: of which archive it is


def extract_if_archive(path: Path) -> Path:
    """Return a folder as it is, and an archive as the folder NAME.unpacked beside it.

    An archive is unpacked once; whatever leads to the folders `train_val`, `train`, `val`, `test`,
    `low`, `high`, `raw`, `visible` and `infrared` is left out.

    Args:
        path: A folder, or a .zip or .tar file, however compressed.

    Raises:
        UsageError: If there is nothing, or it is no such archive, damaged or not to be trusted.
    """
    if path.is_dir():
        return path
    if not path.is_file():
        raise UsageError(f"`data` must be a folder or an archive. Received: {path} (not there).")
    folder = path.with_name(f"{path.name}.unpacked")
    stat = path.stat()
    mark = {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}
    if (folder / MARKER).is_file():
        if read_json(folder / MARKER) == mark:
            return folder
    elif folder.exists():
        raise UsageError(f"{path} is unpacked into {folder}, which holds something else. Move it.")
    fresh = folder.with_name(f".{folder.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    extract_archive(
        path, fresh, root_folders={*TRAIN_DIRS, *EVAL_DIRS, "low", "high", RAW.name, *CAMERAS}
    )
    write_json(fresh / MARKER, mark)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(fresh, folder)
    return folder


def split_dir(folder: Path, parts: tuple[str, ...]) -> Path:
    """Return the first of some subfolders that is there, or else the folder itself."""
    return next((folder / part for part in parts if (folder / part).is_dir()), folder)
