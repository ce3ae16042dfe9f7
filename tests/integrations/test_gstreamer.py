"""The GStreamer element in a pipeline of GStreamer's own elements."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"
"""Of the system, which GStreamer's loader uses."""

SIZE = 242, 322

DARK_SOURCE = (
    f"videotestsrc num-buffers=4 ! video/x-raw,width={SIZE[1]},height={SIZE[0]},framerate=30/1 ! "
    "videobalance brightness=-0.35 ! videoconvert"
)


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """Return a function that runs a pipeline; skip without GStreamer or its loader."""
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("GStreamer is not installed (Debian: gstreamer1.0-tools and plugins)")
    version = subprocess.run([PYTHON, "--version"], capture_output=True, text=True, check=False)
    if not version.stdout.startswith("Python {}.{}.".format(*sys.version_info)):
        pytest.skip("GStreamer's Python is of another version than that of the tests")
    environment = {
        **os.environ,
        "GST_PLUGIN_PATH": str(ROOT / "integrations/gstreamer"),
        "GST_REGISTRY": str(tmp_path_factory.mktemp("gst") / "registry"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")]),
    }

    def run(command):
        options = {"capture_output": True, "text": True, "timeout": 120, "check": False}
        return subprocess.run(command.split(), env=environment, **options)

    if run("gst-inspect-1.0 lowlight").returncode:
        pytest.skip("Debian: gstreamer1.0-python3-plugin-loader, python3-gst-1.0")
    return lambda pipeline: run(f"gst-launch-1.0 -q {pipeline}")


@pytest.mark.parametrize("colorimetry", ["bt601", "bt709", "1:3:5:1"])
def test_frames_of_both_formats_become_brighter_and_keep_their_colors(
    launch, tmp_path, colorimetry
):
    nv12 = f"{DARK_SOURCE} ! video/x-raw,format=NV12,colorimetry={colorimetry}"
    i420 = "videoconvert ! video/x-raw,format=I420"  # the same bytes in another order
    element = "lowlight model=v2_nano_int8"
    elements = {"dark": i420, "nv12": f"{element} ! {i420}", "i420": f"{i420} ! {element}"}
    frames = {}
    for name, middle in elements.items():
        result = launch(f"{nv12} ! {middle} ! filesink location={tmp_path / name}")
        assert result.returncode == 0, result.stderr
        frames[name] = read_last_frame(tmp_path / name)
    for one, other in zip(frames["nv12"], frames["i420"], strict=True):
        np.testing.assert_array_equal(one, other)
    (dark, *dark_chroma), (luma, *chroma) = frames["dark"], frames["nv12"]
    assert luma.mean() > dark.mean() + 15
    for before, after in zip(dark_chroma, chroma, strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9


def read_last_frame(path):
    """Return the three planes of the last frame of a raw I420 video; rows are padded to 4 bytes."""
    data, planes = np.fromfile(path, np.uint8).reshape(4, -1)[-1], []
    for height, width in (SIZE, *[(SIZE[0] // 2, SIZE[1] // 2)] * 2):
        stride = -(-width // 4) * 4
        planes.append(data[: stride * height].reshape(height, stride)[:, :width])
        data = data[stride * height :]
    return planes


def test_bright_frames_are_left_alone_with_auto_night(launch, tmp_path):
    bright = "videotestsrc num-buffers=3 pattern=white ! video/x-raw,format=NV12,width=64,height=48"
    result = launch(
        f"{bright} ! lowlight model=v2_nano_int8 auto-night=true ! videoconvert ! pngenc ! "
        f"multifilesink location={tmp_path}/%d.png"
    )
    assert result.returncode == 0, result.stderr
    assert cv2.imread(str(tmp_path / "2.png")).min() > 250


def test_an_unknown_model_is_an_error_of_the_pipeline(launch):
    result = launch(f"{DARK_SOURCE} ! lowlight model=nonsense ! fakesink")
    assert result.returncode != 0
    assert "No shipped model is called 'nonsense'" in result.stderr
