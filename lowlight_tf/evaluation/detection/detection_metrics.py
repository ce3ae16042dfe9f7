"""Object detection before and after enhancement: average precision, agreement, missed persons."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation import results, results_table
from lowlight_tf.evaluation.detection import mean_average_precision
from lowlight_tf.evaluation.detection.box_annotation import BoxAnnotation
from lowlight_tf.evaluation.detection.detector import Detection, Detector
from lowlight_tf.evaluation.detection.mean_average_precision import DetectionAgreement
from lowlight_tf.evaluation.road.clips import night_clip
from lowlight_tf.fileio import write_json, write_text
from lowlight_tf.imaging import dtypes, image_io, noise
from lowlight_tf.imaging.registration import infrared
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.runtime import input_checks
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.tasks import task_of

SCORE_THRESHOLD = 0.3
"""Score from which a detection counts, where two sets of detections are compared."""

ROAD_CLASSES = "person", "bicycle", "car", "motorcycle", "bus", "truck"
"""Classes that are compared: road users."""

SAME_BOX_IOU = 0.5  # from which detections of both cameras are one object
FILMED_FRAMES = 4  # that are encoded of a scene at night; the last one is used
SEED = 1  # of the noise in darkened images


@dataclasses.dataclass(frozen=True)
class DetectionResult:
    """The detections in one kind of images of one set, compared.

    Attributes:
        images: "input", "day", "dark", "visible", "infrared", or the model that made them.
        data: Name of the set.
        detector: Name of the detector.
        count: Number of images.
        labelled: How many of them have labels.
        precisions: Class -> average precision at each of
            `mean_average_precision.IOU_THRESHOLDS`; none without labels.
        map50_interval: Where mAP@.5 is with 95 % confidence, see
            `mean_average_precision.bootstrap_map50`.
        reference_detector: Name of the detector that it is compared with; "" for none.
        agreement: With the reference detector's detections in the inputs: of two cameras in either,
            of darkened images before that. It is no accuracy: the reference errs, too.
        persons: Number of persons that the detector finds in the infrared images, where there are
            any; of labelled images only labelled ones, of others only those that the reference
            detector, if there is one, finds in either camera's image.
        missed: How many of them it does not find in these images, even at half the score.
    """

    images: str
    data: str
    detector: str
    count: int
    labelled: int = 0
    precisions: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    map50_interval: tuple[float, float] = (math.nan, math.nan)
    reference_detector: str = ""
    agreement: DetectionAgreement | None = None
    persons: int | None = None
    missed: int | None = None


def evaluate_detection(
    engines: Mapping[str, Engine],
    pairs: Sequence[Pair],
    *,
    detector: Detector,
    labels: Mapping[str, Sequence[BoxAnnotation]],
    reference_detector: Detector | None = None,
    exposure: float | None = None,
    night_crf: float | None = None,
    data: str = "",
    progress: Callable[[float], None] | None = None,
) -> list[DetectionResult]:
    """Run a detector on the inputs and on the results of each engine, and compare.

    Where the images of two cameras differ in size, the visible one is resized to the infrared one.

    Args:
        engines: Name -> a model that fuses two images, or enhances one (the visible one).
        pairs: Images of one camera, or of two.
        detector: What detects.
        labels: Name of a pair -> its objects, in pixels of its infrared image if it has one.
            Classes that the detector does not have are skipped.
        reference_detector: What the detector is compared with.
        exposure: Factor on the light of the visible images, see `noise.darken`; None leaves them
            unchanged.
        night_crf: Rate factor of H.264 with which the visible images are filmed at night instead,
            see `road.clips.night_clip`.
        data: Name of the pairs in the results.
        progress: Called with the fraction done, in (0, 1].

    Returns:
        The inputs' rows first, then a row for each engine, in their order.

    Raises:
        UsageError: If there are no pairs, a file cannot be read, only some pairs have an infrared
            image, or an engine needs one that is missing.
    """
    check_detection(engines, pairs)
    darken = _make_darken(exposure, night_crf)
    detections: dict[str, list[list[Detection]]] = {}
    references = []
    for done, pair in enumerate(pairs, 1):
        rng = np.random.default_rng([SEED, done])
        for kind, image in _image_variants(pair, engines, darken, rng):
            detections.setdefault(kind, []).append(detector(image))
            if reference_detector is None:
                continue
            if len(references) < done:  # the first kind is the visible image, undarkened
                references.append(_confident(reference_detector(image)))
            elif kind == "infrared":
                references[-1] = _union(references[-1], _confident(reference_detector(image)))
        if progress:
            progress(done / len(pairs))
    labelled = [index for index, pair in enumerate(pairs) if pair.name in labels]
    truth = [
        [label for label in labels[pairs[index].name] if label.name in detector.classes]
        for index in labelled
    ]
    known: list[Sequence[BoxAnnotation | Detection] | None] = [
        labels.get(pair.name, references[index] if reference_detector else None)
        for index, pair in enumerate(pairs)
    ]
    rows = []
    for kind, found in detections.items():
        compared = [found[index] for index in labelled], truth
        precisions = mean_average_precision.average_precisions(*compared)
        row = DetectionResult(
            kind,
            data,
            detector.name,
            len(pairs),
            len(labelled),
            {name: tuple(values.tolist()) for name, values in precisions.items()},
            mean_average_precision.bootstrap_map50(*compared),
        )
        if reference_detector:
            agreed = [
                mean_average_precision.detection_agreement(_confident(ours), theirs)
                for ours, theirs in zip(found, references, strict=True)
            ]
            agreed = DetectionAgreement(*map(sum, zip(*agreed, strict=True)))
            row = dataclasses.replace(
                row, reference_detector=reference_detector.name, agreement=agreed
            )
        if "infrared" in detections:
            persons, missed = _count_persons(detections["infrared"], found, known)
            row = dataclasses.replace(row, persons=persons, missed=missed)
        rows.append(row)
    return rows


def check_detection(engines: Mapping[str, Engine], pairs: Sequence[Pair]) -> None:
    """Refuse what `evaluate_detection` cannot do, before anything is run; errors as there."""
    if not pairs:
        raise UsageError("Detection needs at least one image. Received: none.")
    with_infrared = [pair.name for pair in pairs if "infrared" in pair.inputs]
    if with_infrared and len(with_infrared) < len(pairs):
        raise UsageError(
            f"Either all pairs have an infrared image or none. Received: {len(with_infrared)} of "
            f"{len(pairs)}. Add the others, or pass the visible images alone."
        )
    for name, engine in engines.items():
        if engine.contract.task != "fuse":
            input_checks.check_enhancement_model(engine.contract)
        elif not with_infrared:
            raise UsageError(
                f"{name} fuses two cameras. Received images of one. Pass a folder with visible/ "
                "and infrared/."
            )


def detection_table(rows: Sequence[DetectionResult]) -> str:
    """Return a Markdown table: a row for each kind of images.

    Average precisions are in percent, as mAP, its interval and for each class; agreement with a
    reference detector is precision, recall and F1; persons are missed ones of those found in
    infrared.
    """
    classes = sorted({name for row in rows for name in row.precisions})
    references = list(
        dict.fromkeys(row.reference_detector for row in rows if row.reference_detector)
    )
    has_persons = any(row.persons is not None for row in rows)
    head = ["images", "data", "detector", "number"]
    if classes:
        head += ["labelled", "mAP@.5 (95 % interval)", "mAP@.5:.95"]
        head += [f"{name} AP@.5" for name in classes]
    for reference in references:
        head += [f"agreement with {reference}: precision", "recall", "F1"]
    head += ["persons missed"] if has_persons else []
    lines = []
    for row in rows:
        line = [row.images, row.data, row.detector, str(row.count)]
        if classes:
            values = [row.precisions.get(name, (math.nan,))[0] for name in classes]
            means = mean_average_precision.mean_ap(
                {name: np.array(ap) for name, ap in row.precisions.items()}
            )
            interval = " to ".join(map(_percent, row.map50_interval))
            line += [str(row.labelled), f"{_percent(means[0])} ({interval})"]
            line += [_percent(value) for value in (means[1], *values)]
        for reference in references:
            agreed = (
                row.agreement
                if row.reference_detector == reference
                else DetectionAgreement(0, 0, 0)
            )
            line += [_percent(value) for value in (agreed.precision, agreed.recall, agreed.f1)]
        if has_persons:
            line.append("-" if row.persons is None else f"{row.missed} of {row.persons}")
        lines.append(line)
    return results_table.markdown_table(head, lines, words=3)


def save_detection(path: Path, rows: Sequence[DetectionResult], *, command: str = "") -> None:
    """Write rows as JSON, atomically. Undefined numbers are null."""
    write_json(path, {**results.provenance(command), "results": [_to_json(row) for row in rows]})


def save_table(path: Path, rows: Sequence[DetectionResult], *, command: str = "") -> None:
    """Write the table, and below it the command that makes it, atomically."""
    footer = f"\n`{command}`\n" if command else ""
    write_text(path, detection_table(rows) + footer)


def _image_variants(
    pair: Pair,
    engines: Mapping[str, Engine],
    darken: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None,
    rng: np.random.Generator,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and pixels of each kind of image of a scene; the undarkened visible one first."""
    visible = image_io.load_image(pair.path_of("low") or pair.target).pixels
    thermal = None
    if "infrared" in pair.inputs:
        thermal = infrared.read_thermal(pair.inputs["infrared"])
        visible = resize_image(visible, thermal.shape[:2])
    if darken:
        yield "day", visible
        visible = darken(visible, rng)
    if thermal is not None:
        yield "visible", visible
        yield "infrared", thermal.repeat(3, axis=2)
    else:
        yield "dark" if darken else "input", visible
    cameras = {"visible": visible} | ({} if thermal is None else {"infrared": thermal})
    for name, engine in engines.items():
        try:
            result = task_of(engine.contract).run(engine, cameras)
        except UsageError as error:
            raise UsageError(f"Image {pair.name}: {error}") from None
        yield name, result


def _make_darken(
    exposure: float | None, night_crf: float | None
) -> Callable[[np.ndarray, np.random.Generator], np.ndarray] | None:
    """Return (image, rng) -> the image as a camera sees it in the dark; None by day."""
    if exposure and night_crf is not None:
        raise UsageError("Images are darkened either by `exposure` or by `night_crf`. Pass one.")

    def darken(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        light = dtypes.img_as_float32(image)
        return dtypes.img_as_uint8(noise.darken(light, exposure=exposure, rng=rng))

    def film(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        seed = int(rng.integers(2**31))
        stored, _ = night_clip([padded] * FILMED_FRAMES, crf=night_crf, seed=seed)
        return stored[-1][:height, :width]

    if night_crf is not None:
        return film
    return darken if exposure else None


def _confident(found: Sequence[Detection], least: float = SCORE_THRESHOLD) -> list[Detection]:
    return [one for one in found if one.score >= least and one.name in ROAD_CLASSES]


def _union(found: list[Detection], others: list[Detection]) -> list[Detection]:
    """Return the detections of both, those in both once."""
    return found + [other for other in others if not _is_among(other, found)]


def _count_persons(
    infrared: Sequence[Sequence[Detection]],
    found: Sequence[Sequence[Detection]],
    known: Sequence[Sequence[BoxAnnotation | Detection] | None],
) -> tuple[int, int]:
    """Return the number of persons in infrared images, and of those missing in other images.

    Args:
        infrared: For each image, the detections in the infrared one.
        found: For each image, the detections in the other one.
        known: For each image, labels or detections that confirm a person; None where nothing does,
            and every detection counts.
    """
    persons = missed = 0
    for reference, detections, confirmed in zip(infrared, found, known, strict=True):
        theirs, ours = (
            [one for one in _confident(several, least) if one.name == "person"]
            for several, least in ((reference, SCORE_THRESHOLD), (detections, SCORE_THRESHOLD / 2))
        )
        theirs = [one for one in theirs if confirmed is None or _is_among(one, confirmed)]
        persons += len(theirs)
        missed += len(theirs) - mean_average_precision.detection_agreement(ours, theirs).both
    return persons, missed


def _is_among(one: Detection, others: Sequence[BoxAnnotation | Detection]) -> bool:
    """Return whether one of `others` is of the same class and at the same place."""
    boxes = [other.box for other in others if other.name == one.name]
    return (
        bool(boxes)
        and mean_average_precision.box_iou(np.array([one.box]), np.array(boxes)).max()
        >= SAME_BOX_IOU
    )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _to_json(row: DetectionResult) -> dict[str, Any]:
    means = mean_average_precision.mean_ap(
        {name: np.array(ap) for name, ap in row.precisions.items()}
    )
    fields = dataclasses.asdict(row) | dict(zip(("mAP@.5", "mAP@.5:.95"), means, strict=True))
    fields["map50_interval"] = [_or_null(value) for value in row.map50_interval]
    if row.agreement:
        rates = {rate: getattr(row.agreement, rate) for rate in ("precision", "recall", "f1")}
        fields["agreement"] = {**row.agreement._asdict(), **rates}
        fields["agreement"] = {key: _or_null(value) for key, value in fields["agreement"].items()}
    return {key: _or_null(value) for key, value in fields.items()}


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
