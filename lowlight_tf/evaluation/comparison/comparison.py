"""Models x images x metrics, each model in a process of its own: numbers, costs and previews.

So the peak of memory is a model's own, and a model that crashes loses only the image it was at.
"""

import dataclasses
import functools
import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation import evaluator
from lowlight_tf.evaluation.comparison import contact_sheet
from lowlight_tf.evaluation.results import Results, Score
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.color import luma
from lowlight_tf.imaging.resize import resize_area
from lowlight_tf.runtime.benchmark import peak_bytes
from lowlight_tf.runtime.engine import Engine

JOB_ERRORS = (ValueError, RuntimeError, OSError, MemoryError, cv2.error)
"""How a model may fail on an image; `UsageError` is a `ValueError`."""

HISTOGRAM_BINS = 64
WEBP_QUALITY = 85
MAX_DIFFERENCE = {True: 0.25, False: 1.0}
"""Difference in the brightest color of a difference map: to a target (True), or to the input."""


@dataclasses.dataclass(frozen=True)
class Preview:
    """An image as a report shows it.

    Attributes:
        webp: The image, resized, as a WebP file.
        height: Of that (pixels).
        width: Of that (pixels).
        histogram: Fraction of the full image's pixels in each of `HISTOGRAM_BINS` steps of luma.
    """

    webp: bytes
    height: int
    width: int
    histogram: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ImageResult:
    """One model on one image.

    Attributes:
        scores: Protocol -> what was measured; empty where the model failed.
        failed: Why there is no result; "" where there is one.
        refused: Metric -> why it cannot be computed for this image.
        preview: The result; None where the image is not shown.
        difference: Map of its difference to the target, or where there is none to the input.
    """

    scores: dict[str, Score] = dataclasses.field(default_factory=dict)
    failed: str = ""
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    preview: Preview | None = None
    difference: Preview | None = None


@dataclasses.dataclass(frozen=True)
class ModelResult:
    """One model on all images.

    Attributes:
        model: Its name in tables.
        images: One for each pair, in their order.
        results: One for each protocol, of the images that it did not fail on; none if it failed on
            all.
        weights: Number of weights, if it has any.
        bytes: Size of its file, if it is one.
        peak_mb: Peak memory of its process after it had run on the largest image, before anything
            was measured, Python and its libraries included (MB); None if that failed.
    """

    model: str
    images: tuple[ImageResult, ...]
    results: tuple[Results, ...]
    weights: int | None
    bytes: int | None
    peak_mb: float | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` returns.

    Attributes:
        data: Name of the pairs.
        image_names: Names of the single pairs.
        model_results: One for each model.
        input_previews: Index of a pair that is shown -> heading -> its inputs, the target last;
            empty where they cannot be read.
    """

    data: str
    image_names: tuple[str, ...]
    model_results: tuple[ModelResult, ...]
    input_previews: dict[int, dict[str, Preview]]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Model, image and reason of everything that failed."""
        return [
            (result.model, name, image.failed)
            for result in self.model_results
            for name, image in zip(self.image_names, result.images, strict=True)
            if image.failed
        ]


@dataclasses.dataclass(frozen=True)
class _WorkerTask:
    """What a worker process gets, besides the pairs."""

    model: str
    threads: int
    metrics: tuple[str, ...]
    protocols: tuple[str, ...]
    width: int


def compare(
    models: Sequence[str],
    engines: Mapping[str, Engine],
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    protocols: Sequence[str],
    data: str = "",
    threads: int = 2,
    width: int = 640,
    max_images: int = 40,
    progress: Callable[[str, float], None] | None = None,
) -> Comparison:
    """Measure models on the same pairs, as `evaluator.evaluate_pairs`, and keep their results.

    Args:
        models: What `evaluator.load_model_or_input` takes.
        engines: The same, as `evaluator.load_models` returns them; only their contracts are read.
        pairs: Images of any sizes.
        metrics: Names of the catalog.
        protocols: As of `evaluator.evaluate_pairs`.
        data: Name of the pairs.
        threads: Processor threads of a .tflite file.
        width: Largest width of previews (pixels).
        max_images: Of how many pairs previews are kept, spread evenly.
        progress: Called with a model's name and the fraction of its images that is done.

    Raises:
        UsageError: As of `evaluator.check_evaluation`; or if all models fail on all images.
    """
    for engine in engines.values():
        evaluator.check_evaluation(engine, pairs, metrics=metrics, protocols=protocols)
    step = max(-(-len(pairs) // max_images), 1) if max_images else len(pairs)
    preview_indices = set(range(0, len(pairs), step)) if max_images else set()
    model_results = []
    for model, (name, engine) in zip(models, engines.items(), strict=True):
        task = _WorkerTask(model, threads, tuple(metrics), tuple(protocols), width)
        report_progress = functools.partial(progress, name) if progress else None
        images, peak_mb = _measure_model(task, pairs, preview_indices, report_progress)
        scores = [image.scores for image in images if not image.failed]
        results = evaluator.build_results(
            engine,
            {name: [each[name] for each in scores] for name in (scores[0] if scores else ())},
            data=data,
            model=name,
        )
        size = _file_size(model, engine)
        model_results.append(
            ModelResult(name, images, tuple(results), engine.weights, size, peak_mb)
        )
    if not any(result.results for result in model_results):
        reason = model_results[0].images[0].failed
        raise UsageError(f"Every model failed on every image. The first: {reason}")
    previews = {
        index: _preview_inputs(list(engines.values()), pairs[index], width)
        for index in sorted(preview_indices)
    }
    return Comparison(data, tuple(pair.name for pair in pairs), tuple(model_results), previews)


def _file_size(model: str, engine: Engine) -> int | None:
    """Return the size of a model's file (bytes)."""
    if engine.card:
        return engine.card.size_bytes
    path = Path(model) / "model.keras"
    return path.stat().st_size if path.is_file() else None


def _preview_inputs(engines: Sequence[Engine], pair: Pair, width: int) -> dict[str, Preview]:
    """Return heading -> preview of a pair's inputs and target; empty if they cannot be read."""
    try:
        images = contact_sheet.read_inputs(engines, pair)
        if pair.target:
            images["target"] = contact_sheet.read_target(pair)
    except UsageError:
        return {}  # each model's result says why
    return {name: make_preview(image, width) for name, image in images.items()}


def _measure_model(
    task: _WorkerTask,
    pairs: Sequence[Pair],
    preview_indices: set[int],
    progress: Callable[[float], None] | None,
) -> tuple[tuple[ImageResult, ...], float | None]:
    """Return a result for each pair, and the peak memory (MB).

    If a worker process dies, the image that it was at is marked as failed, and another process does
    the rest.
    """
    done: dict[int, ImageResult] = {}
    peaks: list[float] = []
    while len(done) < len(pairs):
        todo = [(index, pair) for index, pair in enumerate(pairs) if index not in done]
        current, exit_code = _run_process(
            task, todo, preview_indices, done, peaks, progress, len(pairs)
        )
        missing = [index for index, _ in todo if index not in done]
        if missing:
            reason = f"the model's process came to an end by itself ({_exit_reason(exit_code)})"
            failed = missing if current is None else [current]
            done |= dict.fromkeys(failed, ImageResult(failed=reason))
    return tuple(done[index] for index in range(len(pairs))), max(peaks, default=None)


def _run_process(
    task: _WorkerTask,
    todo: Sequence[tuple[int, Pair]],
    preview_indices: set[int],
    done: dict[int, ImageResult],
    peaks: list[float],
    progress: Callable[[float], None] | None,
    total: int,
) -> tuple[int | None, int]:
    """Fill `done` by a worker; return the pair it was at when it ended, and its exit code."""
    spawn = multiprocessing.get_context("spawn")  # a fork would keep this process's memory
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_work, args=(sender, task, todo, preview_indices), daemon=True)
    current = None
    try:
        process.start()
        sender.close()
        while True:
            kind, value = receiver.recv()
            if kind == "at":
                current = value
            elif kind == "peak":
                peaks.append(value)
            else:
                done[current], current = value, None
                if progress:
                    progress(len(done) / total)
    except EOFError:
        process.join()
        return current, process.exitcode
    finally:
        receiver.close()
        process.kill()
        process.join()


def _exit_reason(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"


def _work(
    connection: Connection,
    task: _WorkerTask,
    todo: Sequence[tuple[int, Pair]],
    preview_indices: set[int],
) -> None:
    """Run and measure the model on pairs in this process, and send each result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    send: Callable[[tuple[str, Any]], None] = connection.send
    engine = evaluator.load_model_or_input(task.model, threads=task.threads)
    index, largest = max(todo, key=lambda item: _pixel_count(item[1]))
    send(("at", index))
    try:
        evaluator.run_once(engine, largest)
        send(("peak", round(peak_bytes() / 1e6, 1)))
    except JOB_ERRORS:
        pass  # reported when its turn comes
    model = evaluator.Evaluator(engine, metrics=task.metrics, protocols=task.protocols)
    for index, pair in todo:
        send(("at", index))
        send(("done", _measure_pair(model, pair, task.width if index in preview_indices else 0)))


def _pixel_count(pair: Pair) -> int:
    height, width = image_size(next(iter(pair.inputs.values())))
    return height * width


def _measure_pair(model: evaluator.Evaluator, pair: Pair, width: int) -> ImageResult:
    """Return the result on one pair, with previews if `width` is not 0."""
    refused: dict[str, str] = {}
    try:
        prediction = model.predict(pair)
        scores = model.score(prediction, refused=refused)
    except JOB_ERRORS as error:
        return ImageResult(failed=" ".join(str(error).split()) or type(error).__name__)
    if not width:
        return ImageResult(scores, "", refused)
    images = prediction.images[model.protocols[0]]
    result = dtypes.img_as_float32(images["enhanced"])
    other = next((images[name] for name in ("target", "low", "visible") if name in images), None)
    difference = None
    if other is not None:
        distance = np.abs(result - dtypes.img_as_float32(other)).mean(axis=2)
        levels = dtypes.img_as_uint8((distance / MAX_DIFFERENCE["target" in images]).clip(0, 1))
        colored = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
        difference = make_preview(dtypes.img_as_float32(colored), width)
    return ImageResult(scores, "", refused, make_preview(result, width), difference)


def make_preview(image: np.ndarray, width: int) -> Preview:
    """Return a preview of (H, W, 3) float32 sRGB in [0, 1], at most `width` pixels wide."""
    counts, _ = np.histogram(luma(image), bins=HISTOGRAM_BINS, range=(0, 1))
    factor = min(width / image.shape[1], 1)
    height, width = (max(round(side * factor), 1) for side in image.shape[:2])
    pixels = dtypes.img_as_uint8(resize_area(image, (height, width)))[..., ::-1]
    _, webp = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    fractions = (counts / max(counts.sum(), 1)).tolist()
    return Preview(webp.tobytes(), height, width, tuple(fractions))
