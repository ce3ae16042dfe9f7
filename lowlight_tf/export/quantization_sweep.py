"""The quantization ladder: what each kind of file costs and saves, measured in one go."""

import dataclasses
import gzip
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lowlight_tf.catalog import METRICS
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation.evaluator import evaluate
from lowlight_tf.evaluation.results_table import format_number
from lowlight_tf.export import gpu_delegate
from lowlight_tf.export.calibration_data import (
    batch_as_float32,
    parity_samples,
    representative_dataset,
)
from lowlight_tf.export.variants import VARIANTS, VariantBuilder
from lowlight_tf.runtime import benchmark, input_geometry
from lowlight_tf.runtime.engine import DelegatingEngine, Engine, Images
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.tflite_graph.flatbuffer import read_model

MAX_BANDING_LEVEL = 64
"""Brightest level of the ramp (of 255): where banding shows."""

DELEGATE_TEST_SIZE = 64, 96
"""Height and width (pixels) of the file that the GPU delegate is shown: in software it is slow."""


@dataclasses.dataclass
class VariantResult:
    """One file and what was measured of it.

    Attributes:
        name: One of `rungs.RUNGS`.
        reason: Why there is no such file; all else is empty then.
        path: The file.
        size_bytes: Its size.
        gzip_bytes: Its size, compressed.
        metrics: Metric -> mean over the pictures.
        changes: Metric -> how much more that is than the first rung's.
        largest_error: Largest difference from the first rung's pictures, in steps of 8 bits.
        grey_levels: Different levels that it gives to a dark ramp.
        longest_run: Most neighbouring pixels of that ramp that it gives one level.
        p50_ms: Median time of a frame.
        p90_ms: What nine of ten frames stay below.
        peak_mb: Most memory of the process that was timed.
        operations: How many the file has.
        delegated: What the GPU delegate makes of them; "" if it was not asked.
    """

    name: str
    reason: str = ""
    path: Path | None = None
    size_bytes: int = 0
    gzip_bytes: int = 0
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    changes: dict[str, float] = dataclasses.field(default_factory=dict)
    largest_error: int = 0
    grey_levels: int = 0
    longest_run: int = 0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    peak_mb: float = 0.0
    operations: int = 0
    delegated: str = ""


def sweep(
    builder: VariantBuilder,
    variants: Sequence[str],
    folder: Path,
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    protocol: str = "",
    threads: int = 2,
    runs: int = 50,
    check_delegate: bool = True,
) -> Iterator[VariantResult]:
    """Make each rung and measure it, the first one of `RUNGS` always and first.

    Args:
        builder: What makes the files.
        variants: Some of `RUNGS`.
        folder: Where the files go.
        pairs: Pictures to measure on.
        metrics: Names of the catalog.
        protocol: What the metrics go by.
        threads: Processor threads.
        runs: Frames to time.
        check_delegate: Show each rung to the real GPU delegate.

    Yields:
        Each rung, as soon as it has been measured.
    """
    first: VariantResult | None = None
    for name in dict.fromkeys((VARIANTS[0], *variants)):
        try:
            path = builder.build(name, folder)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("lowlight_tf"):
                raise
            yield VariantResult(name, f"needs {error.name}: pip install 'lowlight_tf[qat]'")
            continue
        except (UsageError, ValueError, RuntimeError) as error:  # the converter raises these two
            if first is None:
                raise
            yield VariantResult(name, str(error).strip().splitlines()[0])
            continue
        engine = LiteRTEngine(path, threads=threads)
        beside = MaxDifferenceProbe(
            engine, LiteRTEngine(first.path if first else path, threads=threads)
        )
        means = evaluate(beside, pairs, metrics=metrics, protocol=protocol).means
        timing = benchmark.measure(path, threads=threads, runs=runs, size=builder.size)
        levels, run = measure_banding(engine, builder.size)
        against = first.metrics if first else {}
        rung = VariantResult(
            name,
            path=path,
            size_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), mtime=0)),
            metrics=means,
            changes={metric: mean - against.get(metric, mean) for metric, mean in means.items()},
            largest_error=beside.max_difference,
            grey_levels=levels,
            longest_run=run,
            p50_ms=timing.p50_ms,
            p90_ms=timing.p90_ms,
            peak_mb=timing.peak_mb,
            operations=count_operations(path),
            delegated=summarize_delegate(builder, name) if check_delegate else "",
        )
        first = first or rung
        yield rung


class MaxDifferenceProbe(DelegatingEngine):
    """An `Engine` that runs another one beside it, to see how far they are apart at most.

    Attributes:
        max_difference: Largest difference so far, in steps of 8 bits.
    """

    def __init__(self, engine: Engine, reference: Engine) -> None:
        self.name, self.contract, self.size = engine.name, engine.contract, engine.size
        self.preparation = getattr(engine, "preparation", None)
        self._engine, self._reference = engine, reference
        self.max_difference = 0

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        answers, expected = self.engine(images), self._reference(images)
        for name, answer in answers.items():
            step = 1 if answer.dtype == np.uint8 else 1 / 255
            apart = np.abs(np.float32(answer) - expected[name]).max() / step
            self.max_difference = max(self.max_difference, round(float(apart)))
        return answers


def measure_banding(engine: Engine, size: tuple[int, int]) -> tuple[int, int]:
    """Return what becomes of a smooth dark ramp: different levels, longest run of one level.

    The ramp is grey and rises from black to level `DARK` along a row, in the steps of 8 bits; what
    is counted is the green of the middle row. Of two cameras, both see it; of a sensor, all its
    colors.

    Args:
        engine: What brightens.
        size: Height and width of the ramp (pixels).
    """
    height, width = size
    row = np.rint(np.linspace(0, MAX_BANDING_LEVEL, width)).astype(np.uint8)
    contract = engine.contract
    ramps = {
        port.name: np.broadcast_to(row[None, :, None], (height, width, port.channels)).copy()
        for port in contract.image_inputs
    }
    images = {name: image[None] for name, image in ramps.items()}
    answer = engine({**images, **input_geometry.make_thumbnails(contract, *ramps.values())})
    (enhanced,) = contract.outputs
    green = answer[enhanced.name][0, contract.scale * height // 2, :, enhanced.channels // 2]
    edges = np.flatnonzero(np.diff(green.astype(int), prepend=-1, append=-1))
    return len(np.unique(green)), int(np.diff(edges).max())


def count_operations(path: Path) -> int:
    """Return how many operations a .tflite file has."""
    return len(read_model(path.read_bytes()).subgraphs[0].operators)


def summarize_delegate(builder: VariantBuilder, variant: str) -> str:
    """Return what the real GPU delegate makes of a rung, in a few words."""
    if variant == "int16x8":
        return "none: it has no 16-bit integers"
    multiple = builder.contract.multiple_of
    size = tuple(-(-side // multiple) * multiple for side in DELEGATE_TEST_SIZE)
    samples = representative_dataset(builder.images[:4], builder.contract, size)
    (picture,) = parity_samples(builder.images[:1], builder.contract, size)
    with tempfile.TemporaryDirectory() as folder:
        path = builder.convert(variant, Path(folder) / "small.tflite", size, samples)
        whole = variant.startswith("int8")
        try:
            proof = gpu_delegate.check_gpu_delegate(
                path, picture if whole else batch_as_float32(picture)
            )
        except gpu_delegate.VulkanUnavailableError:
            return "not run: no Vulkan driver"
        except RuntimeError as error:
            return f"failed: {error}"
        count = count_operations(path)
    if proof.unsupported_ops:
        return f"refuses {len(proof.unsupported_ops)} kinds: {proof.unsupported_ops[0]}"
    return f"all {count}, {proof.psnr_db:.0f} dB from the CPU"


def markdown_table(results: Sequence[VariantResult], protocol: str) -> str:
    """Return the ladder as Markdown. What was not made says why in its last cell."""
    metrics = list(results[0].metrics)
    head = ["rung", "kB", "gzip kB"]
    for metric in metrics:
        entry = METRICS.find(metric)
        words = (metric.upper(), entry.unit, f"({protocol})" if entry.has_protocol else "")
        head += [" ".join(filter(None, words)), "change"]
    head += ["largest error", "grey levels", "longest run", "p50 ms", "p90 ms", "peak MB", "GPU"]
    rows = [_table_row(rung, metrics) for rung in results]
    rule = ["---", *["---:"] * (len(head) - 2), "---"]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def _table_row(result: VariantResult, metrics: Sequence[str]) -> list[str]:
    if result.reason:
        blank = ["-"] * (8 + 2 * len(metrics))
        return [result.name, *blank, f"not made: {result.reason}".replace("|", "\\|")]
    measured = []
    for metric in metrics:
        digits = METRICS.find(metric).digits
        measured += [
            format_number(metric, result.metrics[metric]),
            f"{result.changes[metric]:+.{digits}f}",
        ]
    return [
        result.name,
        f"{result.size_bytes / 1000:.1f}",
        f"{result.gzip_bytes / 1000:.1f}",
        *measured,
        f"{result.largest_error}",
        f"{result.grey_levels}",
        f"{result.longest_run}",
        f"{result.p50_ms:.1f}",
        f"{result.p90_ms:.1f}",
        f"{result.peak_mb:.0f}",
        result.delegated.replace("|", "\\|"),
    ]
