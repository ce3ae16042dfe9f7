"""Models x pictures x metrics, each model in a process of its own: numbers, costs and pictures.

So the peak of memory is a model's own, and one that dies takes only its picture with it.
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
from lowlight_tf.runtime.benchmark import peak_bytes
from lowlight_tf.runtime.engine import Engine

JOB_ERRORS = (ValueError, RuntimeError, OSError, MemoryError, cv2.error)
"""What a model may fail with on a picture; `UsageError` is a `ValueError`."""

HISTOGRAM_BINS = 64  # of a histogram
WEBP_QUALITY = 85  # of a WebP picture
MAX_DIFFERENCE = {True: 0.25, False: 1.0}
"""What a difference map shows in its brightest color: of the target, or of what was given."""


@dataclasses.dataclass(frozen=True)
class Preview:
    """A picture as a page shows it.

    Attributes:
        webp: The picture, shrunk.
        height: Of that (pixels).
        width: Of that (pixels).
        histogram: Share of the whole picture's pixels in each of `BINS` steps of luma.
    """

    webp: bytes
    height: int
    width: int
    histogram: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ImageResult:
    """One model on one picture.

    Attributes:
        scores: Protocol -> what was measured; empty where the model failed.
        failed: Why there is nothing; "" where there is.
        refused: Metric -> why the picture has no such number.
        preview: What the model made of it; None where the picture is not shown.
        difference: How far that is from the target, or where there is none from what was given.
    """

    scores: dict[str, Score] = dataclasses.field(default_factory=dict)
    failed: str = ""
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    preview: Preview | None = None
    difference: Preview | None = None


@dataclasses.dataclass(frozen=True)
class ModelResult:
    """One model on all pictures.

    Attributes:
        model: What tables call it.
        images: One for each pair, in their order.
        results: Protocol by protocol, of the pictures that it did not fail on; none if it did on
            all.
        weights: How many it has, if it is a net.
        bytes: Size of its file, if it is one.
        peak_mb: The most memory that its process held when it had enhanced the largest picture and
            measured nothing yet, Python and its libraries included (MB); None if that failed.
    """

    model: str
    images: tuple[ImageResult, ...]
    results: tuple[Results, ...]
    weights: int | None
    bytes: int | None
    peak_mb: float | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` gives.

    Attributes:
        data: What the pairs are called.
        image_names: Their names.
        model_results: One for each model.
        input_previews: Index of a pair that is shown -> heading -> what stands before the models' pictures,
            the target last; empty where it cannot be read.
    """

    data: str
    image_names: tuple[str, ...]
    model_results: tuple[ModelResult, ...]
    input_previews: dict[int, dict[str, Preview]]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Model, picture and reason of every cell that failed."""
        return [
            (entry.model, picture, cell.failed)
            for entry in self.model_results
            for picture, cell in zip(self.image_names, entry.images, strict=True)
            if cell.failed
        ]


@dataclasses.dataclass(frozen=True)
class _WorkerTask:
    """What a process is told, besides which pairs."""

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
    """Measure some models on the same pairs, as `evaluate.measure` does, and keep what they made.

    Args:
        models: What `evaluate.open_model` takes.
        engines: The same, as `evaluate.opened` gives them; these are only asked what they are.
        pairs: Pictures of any sizes.
        metrics: Names of the catalog.
        protocols: Those of `evaluate.measure`.
        data: What the pairs are called.
        threads: Processor threads of a .tflite file.
        width: Up to which pictures are kept (pixels).
        max_images: Of how many pairs pictures are kept, spread over all.
        progress: Called with a model's name and the share of its pictures that is done.

    Raises:
        UsageError: As `evaluate.check`; or if all models fail on all pictures.
    """
    for engine in engines.values():
        evaluator.check_evaluation(engine, pairs, metrics=metrics, protocols=protocols)
    kept = set(range(0, len(pairs), max(-(-len(pairs) // max_images), 1))) if max_images else set()
    entries = []
    for model, (name, engine) in zip(models, engines.items(), strict=True):
        task = _WorkerTask(model, threads, tuple(metrics), tuple(protocols), width)
        told = functools.partial(progress, name) if progress else None
        cells, peak = _measure_model(task, pairs, kept, told)
        scores = [cell.scores for cell in cells if not cell.failed]
        results = evaluator.build_results(
            engine,
            {name: [each[name] for each in scores] for name in (scores[0] if scores else ())},
            data=data,
            model=name,
        )
        weights = engine.weights
        entries.append(
            ModelResult(name, cells, tuple(results), weights, _file_size(model, engine), peak)
        )
    if not any(entry.results for entry in entries):
        reason = entries[0].images[0].failed
        raise UsageError(f"Every model failed on every picture. The first: {reason}")
    given = {
        index: _preview_inputs(list(engines.values()), pairs[index], width)
        for index in sorted(kept)
    }
    return Comparison(data, tuple(pair.name for pair in pairs), tuple(entries), given)


def _file_size(model: str, engine: Engine) -> int | None:
    """Return the size of a model's file."""
    net = Path(model) / "model.keras"
    if engine.card:
        return engine.card.size_bytes
    return net.stat().st_size if net.is_file() else None


def _preview_inputs(engines: Sequence[Engine], pair: Pair, width: int) -> dict[str, Preview]:
    """Return what stands before the models' pictures."""
    try:
        images = contact_sheet.read_inputs(engines, pair)
        if pair.target:
            images["target"] = contact_sheet.read_target(pair)
    except UsageError:
        return {}  # each model's cell says why
    return {name: make_preview(image, width) for name, image in images.items()}


def _measure_model(
    task: _WorkerTask,
    pairs: Sequence[Pair],
    kept: set[int],
    progress: Callable[[float], None] | None,
) -> tuple[tuple[ImageResult, ...], float | None]:
    """Return a cell for each pair, and the peak of memory (MB).

    A process that dies leaves the picture that it was at to be marked, and the rest to another.
    """
    cells: dict[int, ImageResult] = {}
    peaks: list[float] = []
    while len(cells) < len(pairs):
        todo = [(index, pair) for index, pair in enumerate(pairs) if index not in cells]
        at, end = _run_process(task, todo, kept, cells, peaks, progress, len(pairs))
        lost = [index for index, _ in todo if index not in cells]
        if lost:
            reason = f"the model's process came to an end by itself ({_exit_reason(end)})"
            cells |= dict.fromkeys(lost if at is None else [at], ImageResult(failed=reason))
    return tuple(cells[index] for index in range(len(pairs))), max(peaks, default=None)


def _run_process(
    task: _WorkerTask,
    todo: Sequence[tuple[int, Pair]],
    kept: set[int],
    cells: dict[int, ImageResult],
    peaks: list[float],
    progress: Callable[[float], None] | None,
    total: int,
) -> tuple[int | None, int]:
    """Fill cells by a process; return which pair it was at when it ended, and its exit status."""
    spawn = multiprocessing.get_context("spawn")  # a fork would hold what this process does
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_work, args=(sender, task, todo, kept), daemon=True)
    at = None
    try:
        process.start()
        sender.close()
        while True:
            what, value = receiver.recv()
            if what == "at":
                at = value
            elif what == "peak":
                peaks.append(value)
            else:
                cells[at], at = value, None
                if progress:
                    progress(len(cells) / total)
    except EOFError:
        process.join()
        return at, process.exitcode
    finally:
        receiver.close()
        process.kill()
        process.join()


def _exit_reason(end: int) -> str:
    return signal.Signals(-end).name if end < 0 else f"exit status {end}"


def _work(
    connection: Connection, task: _WorkerTask, todo: Sequence[tuple[int, Pair]], kept: set[int]
) -> None:
    """Enhance and measure pairs in this process, and send a cell of each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for it ends it
    send: Callable[[tuple[str, Any]], None] = connection.send
    engine = evaluator.load_model_or_input(task.model, threads=task.threads)
    index, largest = max(todo, key=lambda one: _pixel_count(one[1]))
    send(("at", index))
    try:
        evaluator.run_once(engine, largest)
        send(("peak", round(peak_bytes() / 1e6, 1)))
    except JOB_ERRORS:
        pass  # said when its turn comes
    bench = evaluator.Evaluator(engine, metrics=task.metrics, protocols=task.protocols)
    for index, pair in todo:
        send(("at", index))
        send(("cell", _measure_pair(bench, pair, task.width if index in kept else 0)))


def _pixel_count(pair: Pair) -> int:
    height, width = image_size(next(iter(pair.inputs.values())))
    return height * width


def _measure_pair(bench: evaluator.Evaluator, pair: Pair, width: int) -> ImageResult:
    refused: dict[str, str] = {}
    try:
        view = bench.predict(pair)
        scores = bench.score(view, refused=refused)
    except JOB_ERRORS as error:
        return ImageResult(failed=" ".join(str(error).split()) or type(error).__name__)
    if not width:
        return ImageResult(scores, "", refused)
    images = view.images[bench.protocols[0]]
    made = _float(images["enhanced"])
    other = next((images[name] for name in ("target", "low", "visible") if name in images), None)
    difference = None
    if other is not None:
        far = np.abs(made - _float(other)).mean(axis=2) / MAX_DIFFERENCE["target" in images]
        levels = np.rint(255 * far.clip(0, 1)).astype(np.uint8)
        colored = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
        difference = make_preview(np.float32(colored) / 255, width)
    return ImageResult(scores, "", refused, make_preview(made, width), difference)


def _float(image: np.ndarray) -> np.ndarray:
    return np.float32(image) if image.dtype == np.float64 else dtypes.img_as_float32(image)


def make_preview(image: np.ndarray, width: int) -> Preview:
    """Return how a page shows (H, W, 3) float32 sRGB in [0, 1]."""
    counts, _ = np.histogram(luma(image), bins=HISTOGRAM_BINS, range=(0, 1))
    share = min(width / image.shape[1], 1)
    sides = [max(round(side * share), 1) for side in image.shape[1::-1]]
    small = cv2.resize(image, sides, interpolation=cv2.INTER_AREA).clip(0, 1)
    pixels = np.rint(255 * small[..., ::-1]).astype(np.uint8)
    _, webp = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    shares = (counts / max(counts.sum(), 1)).tolist()
    return Preview(webp.tobytes(), sides[1], sides[0], tuple(shares))
