"""The script and the requirements of a device."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DEVICE = ROOT / "tflite"


def test_a_device_needs_what_the_package_needs():
    base = re.search(r"install_requires=\[(.*?)\]", (ROOT / "setup.py").read_text(), re.DOTALL)[1]
    lines = (DEVICE / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == re.findall(r'"(.+?)"', base)


def device(*words, cwd):
    """Run the script where TensorFlow cannot be loaded."""
    code = "import runpy, sys; sys.modules.update(tensorflow=None, keras=None); "
    code += (
        f"sys.argv = ['enhance.py', *sys.argv[1:]]; runpy.run_path({str(DEVICE / 'enhance.py')!r})"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
def test_the_script_enhances_without_tensorflow(folder, tmp_path, rng):
    low = rng.integers(0, 60, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "dark.png"), low)
    done = device(folder / "float.tflite", "dark.png", "bright.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30x20" in done.stdout
    expected = 255 * (1 - (1 - low / 255) ** 2)
    np.testing.assert_allclose(cv2.imread(str(tmp_path / "bright.png")), expected, atol=1)


def test_the_script_says_what_is_wrong_in_one_line(tmp_path):
    done = device("none.tflite", "dark.png", "bright.png", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No file none.tflite" in done.stderr
    assert "Expected:" in device(cwd=tmp_path).stderr
