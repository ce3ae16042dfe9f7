"""Damaged video files never crash, hang or exhaust memory, and leave nothing half-written."""

import random
import resource
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.clips import make_frame, read_frames, write_video
from tests.video.test_reader import copy_video

ROOT = Path(__file__).parents[2]
FILES_OF_EACH = 25
TIMEOUT_S = 60
MAX_MEMORY = 4 * 2**30
"""Address space of the child process (bytes)."""

WORKER = """
import sys, time
from pathlib import Path
from lowlight_tf.checks import UsageError
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.writer import VideoWriter
from tests.clips import LookupTableEngine

for name in sys.argv[1:]:
    path = Path(name)
    target = path.with_name(f"out_{path.name}")
    start = time.monotonic()
    print(path.name, end=" ", flush=True)
    try:
        reader = VideoReader(path)
        writer = VideoWriter(target, reader)
        VideoPipeline(LookupTableEngine(), reader, writer, smoothing_s=0).run()
        print(f"{time.monotonic() - start:.1f} {writer.frame_count} frames; {reader.error}")
    except UsageError as error:
        assert "\\n" not in str(error)
        print(f"{time.monotonic() - start:.1f} {error}")
"""


def flip_bits(data, rng):
    """Flip one to thirty bits, half of them in the first kilobyte."""
    for _ in range(rng.randint(1, 30)):
        end = min(1024, len(data)) if rng.random() < 0.5 else len(data)
        data[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return data


def cut(data, rng):
    """Cut off the end."""
    return data[: rng.randrange(1, len(data))]


def drop(data, rng):
    """Remove a part."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 3000) :]


def swap(data, rng):
    """Exchange two parts."""
    size = rng.randrange(16, len(data) // 4)
    first = rng.randrange(len(data) // 2 - size)
    second = rng.randrange(len(data) // 2, len(data) - size)
    parts = data[first : first + size], data[second : second + size]
    data[second : second + size], data[first : first + size] = parts
    return data


def lie(data, rng):
    """Write a wrong number, mostly a huge one, at a place of four bytes: a size or a count."""
    start = rng.randrange(min(len(data) - 4, 3000))
    number = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.randrange(2**32)])
    data[start : start + 4] = struct.pack(rng.choice([">I", "<I"]), number)
    return data


MUTATIONS = (flip_bits, cut, drop, swap, lie)


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_a_damaged_file_gives_a_result_or_one_line(tmp_path, suffix):
    rng = random.Random(suffix)
    options = {"movflags": "faststart"} if suffix == ".mp4" else None
    source = write_video(
        tmp_path / f"valid{suffix}",
        [make_frame(step) for step in range(20)],
        with_audio=True,
        container_options=options,
        codec="mpeg4" if suffix == ".avi" else "libx264",
    )
    content = source.read_bytes()
    paths = []
    for number in range(FILES_OF_EACH):
        data = bytearray(content)
        for _ in range(rng.randint(1, 2)):
            if len(data) > 200:
                data = rng.choice(MUTATIONS)(data, rng)
        paths.append(tmp_path / f"{number}{suffix}")
        paths[-1].write_bytes(data)
    process = subprocess.run(
        [sys.executable, "-c", WORKER, *map(str, paths)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=TIMEOUT_S,
        preexec_fn=limit_memory,
    )
    lines = process.stdout.splitlines()
    assert process.returncode == 0, (lines[-1:], process.stderr[-2000:])
    assert "Traceback" not in process.stderr
    assert len(lines) == FILES_OF_EACH
    assert sum("frames" in line for line in lines) > FILES_OF_EACH // 3
    assert not list(tmp_path.glob("*.part*"))
    for result in tmp_path.glob("out_*"):
        with av.open(str(result)) as container:
            assert next(container.decode(video=0)).height > 0


def test_an_impossible_frame_rate_is_not_taken(tmp_path):
    source = write_video(tmp_path / "in.avi", codec="mpeg4", time_base=Fraction(1, 25))
    data = bytearray(source.read_bytes())
    rate = data.index(b"vids") + 20
    data[rate : rate + 8] = struct.pack("<II", 1, 2**31 - 1)
    source.write_bytes(data)
    reader = copy_video(source, tmp_path / "out.mkv")
    assert reader.fps is None
    assert len(read_frames(tmp_path / "out.mkv")[0]) == 10
