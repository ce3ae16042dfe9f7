"""`lowlight-tf benchmark`: time per frame on this machine."""

import argparse
import dataclasses
from pathlib import Path

from lowlight_tf.checks import UsageError

HELP = "time a model on this machine: p50, p90, p99, first run, peak memory"

COLUMNS = {
    "threads": "threads",
    "p50 ms": "p50_ms",
    "p90 ms": "p90_ms",
    "p99 ms": "p99_ms",
    "first ms": "first_ms",
    "load ms": "load_ms",
    "peak MB": "peak_mb",
    "copies": "copy_ratio",
}
"""Heading -> attribute of a `Timing`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="shipped name, or .tflite file with its card")
    add("--size", metavar="HEIGHTxWIDTH", help="frame size (pixels; default: that of the file)")
    add(
        "--threads",
        nargs="+",
        default=["1", "2", "4"],
        metavar="N",
        help="numbers of processor threads, separated by spaces or commas (default: 1 2 4)",
    )
    add("--runs", type=int, default=100, help="frames to time with each number of threads")
    add("--json", type=Path, help="file to write all results into")


def run(args: argparse.Namespace) -> int:
    """Time, print a table, write the JSON file; return 0."""
    from lowlight_tf import checks
    from lowlight_tf.cli.options import image_size, model_file, split_numbers
    from lowlight_tf.fileio import write_json
    from lowlight_tf.runtime import benchmark
    from lowlight_tf.runtime.litert_engine import LiteRTEngine

    thread_counts = split_numbers("threads", args.threads)
    checks.check_min("runs", args.runs, 1)
    if args.json:
        checks.check_file_in_dir("--json", args.json)
    requested = image_size(args.size) if args.size else None
    path = model_file(args.model)
    engine = LiteRTEngine(path)
    size = height, width = requested or (engine.card.height, engine.card.width)
    if engine.size not in (None, size):
        raise UsageError(
            f"{args.model} takes frames of {engine.size[0]}x{engine.size[1]} only. "
            f"Received: --size {args.size}. Export the model with `lowlight-tf export RUN --size "
            f"{args.size}`."
        )

    system = benchmark.system_info()
    print(
        f"{engine.name}, {engine.card.quantization}, {height}x{width}, uint8 frames in and out, "
        f"{args.runs} runs"
    )
    print(", ".join(f"{name} {value}" for name, value in system.items()))
    timings = []
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---:" * len(COLUMNS) + "|")
    for threads in thread_counts:
        timing = benchmark.measure(path, size=size, threads=threads, runs=args.runs)
        cells = (getattr(timing, attribute) for attribute in COLUMNS.values())
        print("| " + " | ".join(_cell(value) for value in cells) + " |", flush=True)
        timings.append(timing)
    print(
        f"copies: p50 in units of a NumPy copy of such a frame, {timings[-1].copy_ms:.3g} ms each"
    )
    if args.json:
        results = {
            "model": engine.name,
            "sha256": engine.card.sha256,
            "quantization": engine.card.quantization,
            "height": height,
            "width": width,
            "machine": system,
            "timings": [dataclasses.asdict(timing) for timing in timings],
        }
        write_json(args.json, results)
        print(f"{args.json}: all results")
    return 0


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"
