"""What a detector finds in pictures before and after: against labels, and against another judge."""

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
from lowlight_tf.evaluation.detection.annotations import BoxAnnotation
from lowlight_tf.evaluation.detection.detector import Detection, Detector
from lowlight_tf.evaluation.detection.mean_average_precision import DetectionAgreement
from lowlight_tf.fileio import write_json, write_text
from lowlight_tf.imaging import dtypes, image_io, noise
from lowlight_tf.imaging.registration import infrared
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.runtime import input_checks
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.tasks import task_of

SCORE_THRESHOLD = 0.3
"""Score from which something counts as found, where two looks are compared."""

ROAD_CLASSES = "person", "bicycle", "car", "motorcycle", "bus", "truck"
"""What they are compared by: whatever moves on a road."""

SAME_BOX_IOU = 0.5  # IoU from which a thing that both cameras show counts once
SEED = 1  # of the noise in darkened pictures


@dataclasses.dataclass(frozen=True)
class DetectionResult:
    """What a detector found in one kind of pictures of one set.

    Attributes:
        images: "input", "day", "dark", "visible", "infrared", or the model that made them.
        data: What the set is called.
        detector: Who looked.
        count: How many pictures.
        labelled: How many of them have labels.
        precisions: Class -> average precision at each of `precision.OVERLAPS`; none without labels.
        reference_detector: Whom the detector is compared with; "" for nobody.
        agreement: With what the judge found in the inputs themselves: of two cameras in either, of
            darkened pictures before. It is no accuracy: the judge errs, too.
        persons: How many people the detector finds in the infrared pictures, where there are any;
            of pictures with labels only those that are marked, of others only those that the judge
            finds in either camera's picture, if there is a judge.
        missed: How many of them it finds no more in these, not even half as sure.
    """

    images: str
    data: str
    detector: str
    count: int
    labelled: int = 0
    precisions: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
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
    data: str = "",
    progress: Callable[[float], None] | None = None,
) -> list[DetectionResult]:
    """Let a detector look at the inputs and at what each engine makes of them.

    Where the cameras' pictures differ in size, the visible one is brought to the infrared one's.

    Args:
        engines: What to call it -> what fuses two pictures, or brightens one (the visible one).
        pairs: Pictures of one camera, or of two.
        detector: Who looks.
        labels: Name of a pair -> what is there, in pixels of its infrared picture if it has one.
            Classes that the detector does not know are passed over.
        reference_detector: Whom the detector is compared with.
        exposure: Share of light that is left to the visible pictures, see `noise.darken`; None
            leaves them as they are.
        data: What the pairs are called in the results.
        progress: Called with the share done, in (0, 1].

    Returns:
        The inputs' rows first, then a row for each engine, in their order.

    Raises:
        UsageError: If there are no pairs, a file cannot be read, only some pairs have an infrared
            picture, an engine needs one that is not there, or a label lies outside its picture.
    """
    check_detection(engines, pairs)
    seen: dict[str, list[list[Detection]]] = {}
    references = []
    for done, pair in enumerate(pairs, 1):
        rng = np.random.default_rng([SEED, done])
        for kind, picture in _image_variants(pair, engines, exposure, rng):
            _check_labels(pair, labels.get(pair.name, ()), picture.shape)
            seen.setdefault(kind, []).append(detector(picture))
            if reference_detector and kind == "infrared":
                references[-1] = _union(references[-1], _confident(reference_detector(picture)))
            elif (
                reference_detector and len(references) < done
            ):  # the first is the visible one, undarkened
                references.append(_confident(reference_detector(picture)))
        if progress:
            progress(done / len(pairs))
    marked = [index for index, pair in enumerate(pairs) if pair.name in labels]
    truth = [
        [label for label in labels[pairs[index].name] if label.name in detector.classes]
        for index in marked
    ]
    known: list[Sequence[BoxAnnotation | Detection] | None] = [
        labels.get(pair.name, references[index] if reference_detector else None)
        for index, pair in enumerate(pairs)
    ]
    rows = []
    for kind, found in seen.items():
        precisions = mean_average_precision.average_precisions(
            [found[index] for index in marked], truth
        )
        row = DetectionResult(
            kind,
            data,
            detector.name,
            len(pairs),
            len(marked),
            {name: tuple(values.tolist()) for name, values in precisions.items()},
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
        if "infrared" in seen:
            people, lost = _count_persons(seen["infrared"], found, known)
            row = dataclasses.replace(row, persons=people, missed=lost)
        rows.append(row)
    return rows


def check_detection(engines: Mapping[str, Engine], pairs: Sequence[Pair]) -> None:
    """Refuse what `measure` cannot do, before any picture is looked at; errors as there."""
    if not pairs:
        raise UsageError("Detection needs at least one picture. Received: none.")
    with_infrared = [pair.name for pair in pairs if "infrared" in pair.inputs]
    if with_infrared and len(with_infrared) < len(pairs):
        raise UsageError(
            f"Either all pairs have an infrared picture or none. Received: {len(with_infrared)} of "
            f"{len(pairs)}. Add the others, or pass the visible pictures alone."
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
    """Return a Markdown table: a row for each kind of pictures.

    Average precisions stand in percent, as mAP and class by class; agreement with a judge as
    precision, recall and F1, under its name; people as lost / found in infrared.
    """
    classes = sorted({name for row in rows for name in row.precisions})
    judges = list(dict.fromkeys(row.reference_detector for row in rows if row.reference_detector))
    people = any(row.persons is not None for row in rows)
    head = ["pictures", "data", "detector", "number"]
    if classes:
        head += ["labelled", "mAP@.5", "mAP@.5:.95", *(f"{name} AP@.5" for name in classes)]
    for judge in judges:
        head += [f"agreement with {judge}: precision", "recall", "F1"]
    head += ["people lost"] if people else []
    lines = []
    for row in rows:
        line = [row.images, row.data, row.detector, str(row.count)]
        if classes:
            values = [row.precisions.get(name, (math.nan,))[0] for name in classes]
            means = mean_average_precision.mean_ap(
                {name: np.array(ap) for name, ap in row.precisions.items()}
            )
            line += [str(row.labelled), *(_percent(value) for value in (*means, *values))]
        for judge in judges:
            agreed = (
                row.agreement if row.reference_detector == judge else DetectionAgreement(0, 0, 0)
            )
            line += [_percent(value) for value in (agreed.precision, agreed.recall, agreed.f1)]
        if people:
            line.append("-" if row.persons is None else f"{row.missed} of {row.persons}")
        lines.append(line)
    return results_table.markdown_table(head, lines, words=3)


def save_detection(path: Path, rows: Sequence[DetectionResult], *, command: str = "") -> None:
    """Write rows as JSON: beside, then renamed. What is undefined is null."""
    write_json(path, {**results.provenance(command), "results": [_to_json(row) for row in rows]})


def save_table(path: Path, rows: Sequence[DetectionResult], *, command: str = "") -> None:
    """Write the table, and below it the line that makes it: beside, then renamed."""
    made_by = f"\n`{command}`\n" if command else ""
    write_text(path, detection_table(rows) + made_by)


def _image_variants(
    pair: Pair,
    engines: Mapping[str, Engine],
    exposure: float | None,
    rng: np.random.Generator,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each kind of picture of a scene, as it is made; the undarkened visible one first."""
    visible = image_io.load_image(pair.path_of("low") or pair.target).pixels
    thermal = None
    if "infrared" in pair.inputs:
        thermal = infrared.read_thermal(pair.inputs["infrared"])
        visible = resize_image(visible, thermal.shape[:2])
    if exposure:
        yield "day", visible
        dark = noise.darken(dtypes.img_as_float32(visible), exposure=exposure, rng=rng)
        visible = np.rint(255 * dark).astype(np.uint8)
    if thermal is not None:
        yield "visible", visible
        yield "infrared", thermal.repeat(3, axis=2)
    else:
        yield "dark" if exposure else "input", visible
    cameras = {"visible": visible} | ({} if thermal is None else {"infrared": thermal})
    for name, engine in engines.items():
        try:
            made = task_of(engine.contract).run(engine, cameras)
        except UsageError as error:
            raise UsageError(f"Picture {pair.name}: {error}") from None
        yield name, made


def _confident(found: Sequence[Detection], least: float = SCORE_THRESHOLD) -> list[Detection]:
    return [one for one in found if one.score >= least and one.name in ROAD_CLASSES]


def _union(found: list[Detection], others: list[Detection]) -> list[Detection]:
    """Return what either has found; what both have found, once."""
    return found + [other for other in others if not _is_among(other, found)]


def _count_persons(
    infrared: Sequence[Sequence[Detection]],
    found: Sequence[Sequence[Detection]],
    known: Sequence[Sequence[BoxAnnotation | Detection] | None],
) -> tuple[int, int]:
    """Return how many people the infrared pictures show, and how many of them others do not.

    Whom a detector finds is known to be one where a label or another detector says so, too; None
    for a picture of which neither is asked.
    """
    people = lost = 0
    for reference, detections, sure in zip(infrared, found, known, strict=True):
        theirs, ours = (
            [one for one in _confident(several, least) if one.name == "person"]
            for several, least in ((reference, SCORE_THRESHOLD), (detections, SCORE_THRESHOLD / 2))
        )
        theirs = [one for one in theirs if sure is None or _is_among(one, sure)]
        people += len(theirs)
        lost += len(theirs) - mean_average_precision.detection_agreement(ours, theirs).both
    return people, lost


def _is_among(one: Detection, others: Sequence[BoxAnnotation | Detection]) -> bool:
    """Whether others, of the same class, lie where this one does."""
    boxes = [other.box for other in others if other.name == one.name]
    return (
        bool(boxes)
        and mean_average_precision.box_iou(np.array([one.box]), np.array(boxes)).max()
        >= SAME_BOX_IOU
    )


def _check_labels(pair: Pair, labels: Sequence[BoxAnnotation], shape: tuple[int, ...]) -> None:
    for label in labels:
        left, top, right, bottom = label.box
        across, down = (left + right) / 2, (top + bottom) / 2
        if not (0 <= across <= shape[1] and 0 <= down <= shape[0]):
            raise UsageError(
                f"Picture {pair.name} is {shape[0]}x{shape[1]} (height x width). Received a "
                f"{label.name} labelled at row {down:.0f}, column {across:.0f}. Pass labels in "
                "pixels of these pictures."
            )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _to_json(row: DetectionResult) -> dict[str, Any]:
    means = mean_average_precision.mean_ap(
        {name: np.array(ap) for name, ap in row.precisions.items()}
    )
    fields = dataclasses.asdict(row) | dict(zip(("mAP@.5", "mAP@.5:.95"), means, strict=True))
    if row.agreement:
        rates = {rate: getattr(row.agreement, rate) for rate in ("precision", "recall", "f1")}
        fields["agreement"] = {**row.agreement._asdict(), **rates}
        fields["agreement"] = {key: _or_null(value) for key, value in fields["agreement"].items()}
    return {key: _or_null(value) for key, value in fields.items()}


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
