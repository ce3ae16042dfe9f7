"""How long a frame takes on this machine, and how much memory: each measured in its own process."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.runtime.tasks import task_of

WARM_UP = 3
"""Runs after the first one that are not counted."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """What one file takes with so many threads: uint8 frames in, uint8 frames out.

    A file that fuses takes the frames of two cameras, one channel each; one that develops takes
    packed RAW frames.

    Attributes:
        threads: Processor threads of the interpreter.
        runs: How many frames were timed.
        load_ms: From the path to an engine that can be called, the check of the file included.
        first_ms: The first frame.
        p50_ms: The median frame.
        p90_ms: What nine of ten frames stay below.
        p99_ms: What 99 of 100 frames stay below.
        peak_mb: The most memory that the process held, Python and its libraries included (MB).
        copy_ms: The median copy of such a frame, in turn with the runs.
        copy_ratio: p50_ms in copies: what tells nets apart from machines.
    """

    threads: int
    runs: int
    load_ms: float
    first_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    peak_mb: float
    copy_ms: float
    copy_ratio: float


def measure(
    path: Path, *, threads: int, runs: int = 100, size: tuple[int, int] | None = None
) -> Timing:
    """Time a .tflite file in a process of its own, so that its peak of memory is its own.

    Args:
        path: The file, its card beside it.
        threads: Processor threads for the interpreter.
        runs: How many frames to time; the 99th percentile wants a hundred.
        size: Height and width of the frames (pixels); None takes what the file was made for.

    Raises:
        UsageError: If the file cannot be run, or its process came to an end by itself.
    """
    checks.check_min("threads", threads, 1)
    checks.check_min("runs", runs, 1)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            __name__,
            str(path.resolve()),
            *map(str, (threads, runs, *(size or ()))),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UsageError(f"{path} with {threads} threads could not be timed: {reason}")
    return Timing(**json.loads(done.stdout))


def measure_here(
    path: Path, *, threads: int, runs: int, size: tuple[int, int] | None = None
) -> Timing:
    """Time a .tflite file in this process, whose peak of memory is taken as it is."""
    begun = time.perf_counter()
    engine = LiteRTEngine(path, threads=threads)
    load = time.perf_counter() - begun
    contract = engine.contract
    task_of(contract).check_model(contract)
    size = size or (engine.card.height, engine.card.width)
    rng = np.random.default_rng(0)
    frames = {
        port.name: rng.integers(0, 256, port.shape(size), dtype=np.uint8)
        for port in contract.image_inputs
    }
    images = {name: frame[None] for name, frame in frames.items()}
    images |= input_geometry.make_thumbnails(contract, *frames.values())
    (wanted,) = contract.outputs
    large = tuple(contract.scale * side for side in size)
    out = {wanted.name: np.empty((1, *wanted.shape(large)), np.uint8)}
    frame = next(iter(frames.values()))
    copy = np.empty_like(frame)

    first = _seconds(lambda: engine(images, out=out))
    for _ in range(WARM_UP):
        engine(images, out=out)
    passed, copied = [], []
    for _ in range(runs):
        passed.append(_seconds(lambda: engine(images, out=out)))
        copied.append(_seconds(lambda: np.copyto(copy, frame)))
    p50, p90, p99 = (1000 * np.percentile(passed, (50, 90, 99))).tolist()
    copy_ms = 1000 * float(np.median(copied))
    return Timing(
        threads=threads,
        runs=runs,
        load_ms=round(1000 * load, 2),
        first_ms=round(1000 * first, 2),
        p50_ms=round(p50, 3),
        p90_ms=round(p90, 3),
        p99_ms=round(p99, 3),
        peak_mb=round(peak_bytes() / 1e6, 1),
        copy_ms=round(copy_ms, 4),
        copy_ratio=round(p50 / copy_ms, 1),
    )


def system_info() -> dict[str, str | int | float]:
    """Return what a timing depends on: processor, memory, system, versions."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    facts = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "litert": importlib.metadata.version("ai-edge-litert"),
    }
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor.is_file():
        facts["governor"] = governor.read_text().strip()
    return facts


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _cpu() -> str:
    """Return the name of the processor, or of the board where the processor has none."""
    for path, key in (("/proc/cpuinfo", "model name"), ("/proc/cpuinfo", "Model")):
        for line in Path(path).read_text().splitlines() if Path(path).is_file() else ():
            name, _, value = line.partition(":")
            if name.strip() == key and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def peak_bytes() -> int:
    """Return the most memory that this process held.

    What `getrusage` says of a process includes what its parent held when it was made; where the
    kernel has a better word, that is taken.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    import resource  # not everywhere

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main() -> int:
    """Time the file that the command line names, here; print it as JSON."""
    path, (threads, runs, *size) = sys.argv[1], map(int, sys.argv[2:])
    try:
        timing = measure_here(Path(path), threads=threads, runs=runs, size=tuple(size))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(dataclasses.asdict(timing)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
