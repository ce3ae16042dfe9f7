"""Another OpenCV than the required one is named at the start, in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lowlight_tf.imaging import opencv_version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_with(tmp_path):
    """Run Python in a process that finds another cv2, and the package that it is of."""

    def run(content, *words, package=None):
        (tmp_path / "cv2").mkdir()
        (tmp_path / "cv2" / "__init__.py").write_text(content)
        if package:
            info = tmp_path / f"{package.replace('-', '_')}-4.10.0.84.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Name: {package}\nVersion: 4.10.0.84\n")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
        return subprocess.run(
            [sys.executable, *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_an_older_opencv_is_named_with_what_to_uninstall(run_with, tmp_path):
    words = ("-m", "lowlight_tf", "enhance", tmp_path / "a.png", "--output", tmp_path / "out")
    done = run_with("__version__ = '4.10.0'", *words, package="opencv-python")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "OpenCV 4.12 or newer is needed. Found: version 4.10.0 in " in done.stderr
    assert "of opencv-python. Run: pip uninstall -y opencv-python && pip install" in done.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("__version__ = '4.10.0'", "Found: version 4.10.0"),
        ("raise ImportError('libGL.so.1: cannot open')", "cannot be imported: libGL.so.1"),
        ("", "cannot be imported: module 'cv2' has no attribute '__version__'"),
    ],
)
def test_what_is_wrong_is_the_error_of_an_import(content, reason, run_with):
    done = run_with(content, "-c", "import lowlight_tf.runtime")
    last = done.stderr.splitlines()[-1]
    assert "UsageError: OpenCV 4.12 or newer is needed." in last
    assert reason in last
    assert "pip install --force-reinstall --no-deps 'opencv-python-headless>=4.12'" in last


def test_the_required_version_is_that_of_the_package():
    requirement = re.search(r"opencv-python-headless>=([\d.]+)", (ROOT / "setup.py").read_text())
    assert tuple(map(int, requirement[1].split("."))) == opencv_version.MIN_VERSION
