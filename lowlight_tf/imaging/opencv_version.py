"""Which OpenCV is installed: several packages put their own over the one that is required."""

import importlib.metadata
import re
from pathlib import Path

from lowlight_tf.checks import UsageError

MIN_VERSION = (4, 12)
PACKAGE = "opencv-python-headless"
OTHER_PACKAGES = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Packages that install the same module, cv2: the last one that was installed is imported."""


def check_opencv() -> None:
    """Refuse an OpenCV that is too old or cannot be imported.

    Raises:
        UsageError: With the package to uninstall, if another one than `PACKAGE` is installed.
    """
    try:
        import cv2

        found = f"version {cv2.__version__} in {Path(cv2.__file__).parent}"
        numbers = re.match(r"(\d+)\.(\d+)", cv2.__version__)
        if numbers and tuple(map(int, numbers.groups())) >= MIN_VERSION:
            return
    except (
        ImportError,
        AttributeError,
        TypeError,
    ) as error:  # files of two packages, or a library missing
        found = f"one that cannot be imported: {error}".splitlines()[0]
    needed = ".".join(map(str, MIN_VERSION))
    install = f"pip install --force-reinstall --no-deps '{PACKAGE}>={needed}'"
    others = [name for name in OTHER_PACKAGES if _is_installed(name)]
    remedy = f"pip uninstall -y {' '.join(others)} && {install}" if others else install
    of_package = f", of {' and '.join(others)}" if others else ""
    raise UsageError(
        f"OpenCV {needed} or newer is needed. Found: {found}{of_package}. Run: {remedy}"
    )


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
