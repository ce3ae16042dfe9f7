"""What people already run reads our streams: browsers, motion, GStreamer, FFmpeg."""

import shutil
import subprocess
import time

import cv2
import pytest

from tests.clips import make_frame

SIZE = (240, 320)


@pytest.fixture
def stream(serve):
    """The address of a video that is served until the test ends."""
    server = serve([make_frame(step, SIZE, level=120) for step in range(12)])
    return f"http://127.0.0.1:{server.port}/"


def run(*command):
    """Run a program that is installed; skip the test if it is not."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: apt-get install {command[0]})")
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_browser_shows_the_stream(stream, browser):
    page = browser().new_page()
    page.set_content(f'<img id="camera" src="{stream}">')
    page.wait_for_function("document.getElementById('camera').naturalWidth > 0", timeout=10_000)
    size = page.evaluate("[camera.naturalHeight, camera.naturalWidth]")
    page.close()
    assert tuple(size) == SIZE


def test_gstreamer_reads_the_stream(stream, tmp_path):
    pipeline = f"souphttpsrc location={stream} ! multipartdemux ! image/jpeg ! identity eos-after=4"
    target = tmp_path / "%d.jpg"
    words = f"{pipeline} ! multifilesink location={target}".split()
    result = run("gst-launch-1.0", "-q", *words)
    assert result.returncode == 0, result.stderr
    images = sorted(tmp_path.glob("?.jpg"))
    assert len(images) >= 3
    assert cv2.imread(str(images[0])).shape[:2] == SIZE


def test_motion_saves_images_of_the_stream(stream, tmp_path):
    settings = {
        "netcam_url": stream,
        "target_dir": tmp_path,
        "width": SIZE[1],
        "height": SIZE[0],
        "framerate": 25,
        "snapshot_interval": 1,
        "snapshot_filename": "shot-%q",
        "movie_output": "off",
        "picture_output": "off",
        "webcontrol_port": 0,
        "stream_port": 0,
        "log_file": tmp_path / "motion.log",
    }
    file = tmp_path / "motion.conf"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if shutil.which("motion") is None:
        pytest.skip("motion is not installed (Debian: apt-get install motion)")
    with subprocess.Popen(["motion", "-n", "-c", str(file)], stderr=subprocess.DEVNULL) as motion:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not list(tmp_path.glob("shot-*.jpg")):
            time.sleep(0.2)
        motion.terminate()
    image = next(tmp_path.glob("shot-*.jpg"), None)
    assert image, (tmp_path / "motion.log").read_text()
    assert cv2.imread(str(image)).shape[:2] == SIZE
