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
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.runtime.tasks import task_of

WARM_UP_RUNS = 3
"""Runs after the first one that are not timed."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """The speed of a file with a number of threads: uint8 frames in, uint8 frames out.

    A fusion model takes the frames of two cameras, one channel each; a RAW model packed frames.

    Attributes:
        threads: Processor threads of the interpreter.
        runs: Number of frames that were timed.
        load_ms: Time to open the file, its checks included.
        first_ms: Time of the first frame.
        p50_ms: Median time of a frame.
        p90_ms: Its 90th percentile.
        p99_ms: Its 99th percentile.
        peak_mb: Peak memory of the process, Python and its libraries included (MB).
        copy_ms: Median time to copy such a frame, measured in turn with the runs.
        copy_ratio: p50_ms / copy_ms, which depends less on the machine.
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
    """Time a .tflite file in a process of its own, whose peak memory is the file's.

    Args:
        path: The file, its card next to it.
        threads: Processor threads for the interpreter.
        runs: Number of frames to time; the 99th percentile needs a hundred.
        size: Height and width of the frames (pixels); None takes the file's own size.

    Raises:
        UsageError: If the file cannot be run, or its process crashes.
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
    """Time a .tflite file in this process, whose peak memory includes everything before."""
    begun = time.perf_counter()
    engine = LiteRTEngine(path, threads=threads)
    load = time.perf_counter() - begun
    contract = engine.contract
    if not contract.is_planar:  # whose ports are timed as they are, packed or not
        task_of(contract).check_model(contract)
    size = size or (engine.card.height, engine.card.width)
    rng = np.random.default_rng(0)
    images = {
        port.name: rng.integers(0, 256, (1, *port.shape(size)), dtype=np.uint8)
        for port in contract.inputs
    }
    large = tuple(contract.scale * side for side in size)
    out = {port.name: np.empty((1, *port.shape(large)), np.uint8) for port in contract.outputs}
    frame = next(iter(images.values()))
    copy = np.empty_like(frame)

    first = _time(lambda: engine(images, out=out))
    for _ in range(WARM_UP_RUNS):
        engine(images, out=out)
    seconds, copy_seconds = [], []
    for _ in range(runs):
        seconds.append(_time(lambda: engine(images, out=out)))
        copy_seconds.append(_time(lambda: np.copyto(copy, frame)))
    p50, p90, p99 = (1000 * np.percentile(seconds, (50, 90, 99))).tolist()
    copy_ms = 1000 * float(np.median(copy_seconds))
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
    """Return what timings depend on: processor, memory, system, versions."""
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


def _time(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
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
    """Return the peak memory of this process (bytes).

    `getrusage` includes the memory of the parent at the time of the fork; Linux has a better
    counter.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    import resource  # not everywhere

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main() -> int:
    """Time the file of the command line in this process; print JSON."""
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
