"""Quantization sweep: every variant of a model, with its size, accuracy and speed."""

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
"""Brightest level (of 255) of the ramp on which banding is measured."""

DELEGATE_TEST_SIZE = 64, 96
"""Height and width (pixels) of the file for the GPU delegate, which is slow in software."""


@dataclasses.dataclass
class VariantResult:
    """Measurements of one variant.

    Attributes:
        name: A name of `variants.VARIANTS`.
        reason: Why the variant could not be built; all other fields are then empty.
        path: The .tflite file.
        size_bytes: Its size.
        gzip_bytes: Its size, compressed by gzip.
        metrics: Metric -> mean over the images.
        changes: Metric -> difference of that mean from the reference variant's.
        largest_error: Largest difference from the reference variant's outputs, in 8-bit steps.
        grey_levels: Number of distinct levels in the output for a dark ramp.
        longest_run: Longest run of equal pixels in that output.
        p50_ms: Median time of a frame.
        p90_ms: 90th percentile of the time of a frame.
        peak_mb: Peak memory of the timed process.
        operations: Number of operations in the file.
        delegated: Summary of the GPU delegate check; "" if it was not run.
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
    """Build and measure variants; the reference, the first of `VARIANTS`, is always included.

    Args:
        builder: Builds the files.
        variants: Names of `VARIANTS`.
        folder: Where the files are written.
        pairs: Images to measure on.
        metrics: Names of metrics in the catalog.
        protocol: Protocol of the metrics.
        threads: Processor threads.
        runs: Frames to time.
        check_delegate: Run each variant on the GPU delegate.

    Yields:
        The result of each variant as soon as it has been measured.
    """
    reference: VariantResult | None = None
    for name in dict.fromkeys((next(iter(VARIANTS)), *variants)):
        try:
            path = builder.build(name, folder)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("lowlight_tf"):
                raise
            yield VariantResult(name, f"needs {error.name}: pip install 'lowlight_tf[qat]'")
            continue
        except (UsageError, ValueError, RuntimeError) as error:  # the converter raises these two
            if reference is None:
                raise
            yield VariantResult(name, str(error).strip().splitlines()[0])
            continue
        engine = LiteRTEngine(path, threads=threads)
        reference_path = reference.path if reference else path
        probe = MaxDifferenceProbe(engine, LiteRTEngine(reference_path, threads=threads))
        means = evaluate(probe, pairs, metrics=metrics, protocol=protocol).means
        timing = benchmark.measure(path, threads=threads, runs=runs, size=builder.size)
        gray_levels, longest_run = measure_banding(engine, builder.size)
        reference_means = reference.metrics if reference else means
        result = VariantResult(
            name,
            path=path,
            size_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), mtime=0)),
            metrics=means,
            changes={
                metric: mean - reference_means.get(metric, mean) for metric, mean in means.items()
            },
            largest_error=probe.max_difference,
            grey_levels=gray_levels,
            longest_run=longest_run,
            p50_ms=timing.p50_ms,
            p90_ms=timing.p90_ms,
            peak_mb=timing.peak_mb,
            operations=count_operations(path),
            delegated=summarize_delegate(builder, name) if check_delegate else "",
        )
        reference = reference or result
        yield result


class MaxDifferenceProbe(DelegatingEngine):
    """An `Engine` that also runs a reference and records the largest difference between the two.

    Attributes:
        max_difference: Largest difference so far, in 8-bit steps.
    """

    def __init__(self, engine: Engine, reference: Engine) -> None:
        super().__init__(engine)
        self._reference = reference
        self.max_difference = 0

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        outputs, expected = self.engine(images), self._reference(images)
        for name, output in outputs.items():
            step = 1 if output.dtype == np.uint8 else 1 / 255
            difference = np.abs(np.float32(output) - expected[name]).max() / step
            self.max_difference = max(self.max_difference, round(float(difference)))
        return outputs


def measure_banding(engine: Engine, size: tuple[int, int]) -> tuple[int, int]:
    """Return the number of distinct levels and the longest run of one level for a dark ramp.

    The ramp is gray and rises along each row from black to `MAX_BANDING_LEVEL` in 8-bit steps; the
    green channel of the output's middle row is evaluated. All cameras and all sensor colors get the
    same ramp.

    Args:
        engine: The engine to measure.
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
    outputs = engine({**images, **input_geometry.make_thumbnails(contract, *ramps.values())})
    (port,) = contract.outputs
    green = outputs[port.name][0, contract.scale * height // 2, :, port.channels // 2]
    edges = np.flatnonzero(np.diff(green.astype(int), prepend=-1, append=-1))
    return len(np.unique(green)), int(np.diff(edges).max())


def count_operations(path: Path) -> int:
    """Return the number of operations in a .tflite file."""
    return len(read_model(path.read_bytes()).subgraphs[0].operators)


def summarize_delegate(builder: VariantBuilder, variant: str) -> str:
    """Return the result of a variant on the real GPU delegate in a few words."""
    if variant == "int16x8":
        return "none: it has no 16-bit integers"
    multiple = builder.contract.multiple_of
    size = tuple(-(-side // multiple) * multiple for side in DELEGATE_TEST_SIZE)
    samples = representative_dataset(builder.images[:4], builder.contract, size)
    (batch,) = parity_samples(builder.images[:1], builder.contract, size)
    if VARIANTS[variant].quantization != "int8":  # only int8 files have uint8 inputs
        batch = batch_as_float32(batch, builder.contract)
    with tempfile.TemporaryDirectory() as folder:
        path = builder.convert(variant, Path(folder) / "small.tflite", size, samples)
        try:
            report = gpu_delegate.check_gpu_delegate(path, batch)
        except gpu_delegate.VulkanUnavailableError:
            return "not run: no Vulkan driver"
        except RuntimeError as error:
            return f"failed: {error}"
        num_operations = count_operations(path)
    if report.unsupported_ops:
        return f"{len(report.unsupported_ops)} unsupported: {report.unsupported_ops[0]}"
    return f"all {num_operations}, {report.psnr_db:.0f} dB from the CPU"


def markdown_table(results: Sequence[VariantResult], protocol: str) -> str:
    """Return the results as a Markdown table; the last cell of a missing variant has the reason."""
    metrics = list(results[0].metrics)
    head = ["variant", "kB", "gzip kB"]
    for metric in metrics:
        entry = METRICS.find(metric)
        words = (metric.upper(), entry.unit, f"({protocol})" if entry.has_protocol else "")
        head += [" ".join(filter(None, words)), "change"]
    head += ["largest error", "grey levels", "longest run", "p50 ms", "p90 ms", "peak MB", "GPU"]
    rows = [_table_row(result, metrics) for result in results]
    rule = ["---", *["---:"] * (len(head) - 2), "---"]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def _table_row(result: VariantResult, metrics: Sequence[str]) -> list[str]:
    if result.reason:
        blank = ["-"] * (8 + 2 * len(metrics))
        return [result.name, *blank, f"not built: {result.reason}".replace("|", "\\|")]
    metric_cells = []
    for metric in metrics:
        digits = METRICS.find(metric).digits
        metric_cells += [
            format_number(metric, result.metrics[metric]),
            f"{result.changes[metric]:+.{digits}f}",
        ]
    return [
        result.name,
        f"{result.size_bytes / 1000:.1f}",
        f"{result.gzip_bytes / 1000:.1f}",
        *metric_cells,
        f"{result.largest_error}",
        f"{result.grey_levels}",
        f"{result.longest_run}",
        f"{result.p50_ms:.1f}",
        f"{result.p90_ms:.1f}",
        f"{result.peak_mb:.0f}",
        result.delegated.replace("|", "\\|"),
    ]
