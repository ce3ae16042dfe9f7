"""A live stream whose camera fails again and again, and readers that come and go: a short soak."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clips import make_frame, write_video

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_served_stream_survives_a_failing_camera(tmp_path):
    pytest.importorskip("psutil")
    video = write_video(tmp_path / "in.mp4", [make_frame(step, (180, 320)) for step in range(30)])
    words = ["v2_nano_int8", "0.3", "--trouble", "--period", "8", "--frames", "60"]
    command = [sys.executable, "benchmarks/live_output.py", str(video), *words, "--output", "http"]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False}
    result = subprocess.run(command, cwd=ROOT, env={"PATH": path}, **options)
    report = result.stdout
    assert result.returncode == 0, result.stderr
    assert "exit status 0" in report
    assert int(re.search(r"reopened (\d+) times", report)[1]) >= 1
    assert "frames of another size were scaled" in report
    frames, latency_ms = map(int, re.search(r"(\d+) frames, .* p50 (\d+) ms", report).groups())
    assert frames > 30
    assert latency_ms < 2000
