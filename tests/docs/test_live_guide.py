"""The commands of the guide to live video run, where their tools are installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from lowlight_tf.video.frame_processor import LiveEnhancer
from tests.camera_server import SlowCameraServer
from tests.clips import LookupTableEngine, make_frame, read_frames, write_video
from tests.docs.test_pages import code_blocks
from tests.integrations.test_gstreamer import launch  # noqa: F401

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""Where the command is; GStreamer's Python is another."""

GUIDE, RUNTIMES = ROOT / "docs/guides/live.md", ROOT / "docs/guides/runtimes.md"


@pytest.fixture
def camera(tmp_path):
    """The address of a camera of 640x360 that sends 100 frames."""
    images = [make_frame(step, (360, 640)) for step in range(100)]
    content = write_video(tmp_path / "camera.ts", images).read_bytes()
    server = SlowCameraServer(content, 2.5)
    yield server.url
    server.thread.join()


def run_shell(block, folder, **variables):
    """Run a block of the guide in a folder."""
    return subprocess.run(
        ["bash", "-c", block],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_frames_go_through_pipes_to_ffmpeg(camera, tmp_path):
    (block,) = (each for each in code_blocks(GUIDE, "sh") if "night.mkv" in each)
    block = block.replace("--output -", "--output - --reconnect-timeout 0.5")
    result = run_shell(block, tmp_path, CAMERA=camera, PATH=PATH)
    assert len(read_frames(tmp_path / "night.mkv")[0]) > 10, result.stderr


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_raw_frames_of_ffmpeg_are_enhanced(camera, tmp_path):
    (block,) = (each for each in code_blocks(GUIDE, "sh") if "raw.mp4" in each)
    result = run_shell(block, tmp_path, CAMERA=camera, PATH=PATH)
    assert len(read_frames(tmp_path / "raw.mp4")[0]) > 10, result.stderr


def test_the_pipeline_of_gstreamer_runs(launch, tmp_path):  # noqa: F811
    (block,) = (each for each in code_blocks(GUIDE, "sh") if "gst-launch" in each)
    block = block.replace("integrations/", f"{ROOT}/integrations/")
    packages = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    registry = str(tmp_path / "registry")
    result = run_shell(block, tmp_path, PYTHONPATH=packages, GST_REGISTRY=registry)
    assert result.returncode == 0, result.stderr


def test_the_configurations_are_yaml():
    go2rtc, frigate = map(yaml.safe_load, code_blocks(GUIDE, "yaml"))
    command = go2rtc["streams"]["driveway_night"]
    assert command.startswith("exec:lowlight-tf enhance rtsp://")
    inputs = frigate["cameras"]["driveway"]["ffmpeg"]["inputs"]
    assert [each["roles"] for each in inputs] == [["record"], ["detect"]]


def test_the_example_of_python_runs():
    (block,) = (each for each in code_blocks(GUIDE, "python") if "LiveEnhancer" in each)
    planes = [np.full(size, 40, np.uint8) for size in ((720, 1280), (360, 640), (360, 640))]
    names = dict(zip(("luma", "blue", "red"), planes, strict=True), time_s=0.0)
    exec(block, names)
    assert names["luma"].mean() > 60


def test_the_example_of_openvino_runs(tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="[openvino] is not installed")
    from lowlight_tf.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["resize", "v2_nano", "--size", "720x1280"]) == 0
    (block,) = (each for each in code_blocks(RUNTIMES, "python") if "openvino" in each)
    names = {
        "frame": np.full((1, 720, 1280, 3), 0.1, np.float32),
        "thumbnail": np.full((1, 128, 192, 3), 0.1, np.float32),
        "brightness": np.zeros((1, 1, 1, 2), np.float32),
    }
    exec(block, names)
    assert names["enhanced"].shape == (1, 720, 1280, 3)
    assert names["enhanced"].mean() > 0.15


def test_the_picamera2_example_changes_the_planes_of_a_padded_frame(monkeypatch):
    class MappedArray:  # picamera2 needs a Raspberry Pi
        def __init__(self, request, name):
            self.array = request[name]

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

    modules = {
        "picamera2": {"MappedArray": MappedArray, "Picamera2": None},
        "picamera2.encoders": {"H264Encoder": None},
        "picamera2.outputs": {"FfmpegOutput": None},
    }
    example = load_example("picamera2/record_night.py", modules, monkeypatch)
    monkeypatch.setattr(example, "WIDTH", 60)
    monkeypatch.setattr(example, "HEIGHT", 48)
    frame = np.zeros((72, 64), np.uint8)  # rows of 60 pixels are padded to 64
    luma, blue, red = example.split_planes(frame, 60, 48)
    luma[...], blue[...], red[...] = 40, 110, 140
    enhancer = LiveEnhancer((48, 60), LookupTableEngine(), smoothing_s=0)
    example.make_callback(enhancer)({"main": frame})
    assert luma.mean() > 60
    assert blue.mean() < 125 < red.mean()
    assert not frame[:48, 60:].any()


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_the_ros_node_publishes_each_image_brighter(monkeypatch, encoding):
    class Node:  # ROS 2 is not on PyPI
        def __init__(self, name):
            self.values, self.published, self.errors = {}, [], []

        def declare_parameter(self, name, value):
            self.values[name] = value

        def get_parameter(self, name):
            return types.SimpleNamespace(value=self.values[name])

        def create_publisher(self, kind, topic, quality):
            return types.SimpleNamespace(publish=self.published.append)

        def create_subscription(self, kind, topic, callback, quality):
            pass

        def get_logger(self):
            return types.SimpleNamespace(error=lambda text, **_: self.errors.append(text))

    class Image:
        pass

    modules = {
        "rclpy": {},
        "rclpy.node": {"Node": Node},
        "rclpy.qos": {"qos_profile_sensor_data": None},
        "sensor_msgs": {},
        "sensor_msgs.msg": {"Image": Image},
    }
    node = load_example("ros2/lowlight_node.py", modules, monkeypatch).LowlightNode()
    pixels = np.zeros((48, 200), np.uint8)  # rows of 64 pixels, padded
    pixels[:, :192] = np.tile(np.uint8([60, 30, 20]), 64)
    message = Image()
    message.height, message.width, message.step, message.encoding = 48, 64, 200, encoding
    message.data, message.header = pixels.tobytes(), "header"
    node.enhance(message)
    (result,) = node.published
    image = np.frombuffer(result.data, np.uint8).reshape(48, 64, 3)
    assert (result.header, result.step, result.encoding) == ("header", 192, encoding)
    assert image[..., 0].mean() > 75
    assert image[..., 0].mean() > image[..., 1].mean() > image[..., 2].mean()
    message.encoding = "mono16"
    node.enhance(message)
    assert "Received: mono16" in node.errors[0]
    assert len(node.published) == 1


def load_example(name, modules, monkeypatch):
    """Return an example as a module, with stand-ins for modules that cannot be installed here."""
    for module_name, content in modules.items():
        module = types.ModuleType(module_name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, module_name, module)
    example = types.ModuleType(Path(name).stem)
    source = (ROOT / "integrations" / name).read_text(encoding="utf-8")
    exec(compile(source, name, "exec"), example.__dict__)
    return example


def test_the_ros_node_is_short():
    lines = (ROOT / "integrations/ros2/lowlight_node.py").read_text().splitlines()
    assert len(lines) < 80
