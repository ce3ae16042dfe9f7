"""The road suite: one row of numbers for any model, baseline or file."""

from collections import defaultdict
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from lowlight_tf.evaluation.road import image_measures
from lowlight_tf.evaluation.road.clips import night_clip
from lowlight_tf.evaluation.road.ramps import order_violation, ramps
from lowlight_tf.evaluation.road.road_data import RoadData, read_8_bit, read_frames
from lowlight_tf.metrics import fidelity, temporal
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance

COLUMNS: Mapping[str, str] = {
    "well_exposed_psnr": "well-lit images: PSNR of the result and the input (dB), more is better",
    "white_level": "white pixels of well-lit images afterwards (code values), 255 is best",
    "chroma_ratio": "Lab chroma of well-lit images, after / before, 1 is best",
    "night_burned": "real night drive: pixels burned that were not (%), 0 is best",
    "night_lift": "the same: dim pixels, times brighter",
    "night_black_level": "the same: black blocks afterwards (code values), less is better",
    "night_black_grain": "the same: noise in black blocks (code values), less is better",
    "night_black_step": "the same: steps between black blocks (code values), less is better",
    "clip_burned": "night clips made of day videos and encoded: as night_burned",
    "clip_lift": "as night_lift",
    "clip_black_level": "as night_black_level",
    "clip_black_grain": "as night_black_grain",
    "clip_black_step": "as night_black_step",
    "clip_flicker": "jitter of the mean luma of the clips (code values), less is better",
    "single_psnr": "dark frames of exposure stacks, reference a single exposure: PSNR (dB)",
    "single_gt_mean": "the same under the protocol gt_mean",
    "fused_psnr": "the same, reference a fusion of exposures: PSNR (dB)",
    "fused_gt_mean": "the same under the protocol gt_mean",
    "single_brightness": "mean of the results / mean of the references, single exposures",
    "fused_brightness": "the same, fused references",
    "order": "ramps: largest drop where the input rises (code values), 0 is best",
}
"""Name -> what it is, in the order of the table."""

CLIP_CRF = (24, 33)
"""Constant rate factors of the night clips: a good and a poor camera."""

CLIP_FRAMES, CLIP_HEIGHT = 12, 360
NIGHT_FRAMES, NIGHT_EVERY = 6, 12


def measure_road(
    engine: Engine, data: RoadData, *, progress: Callable[[str], None] = lambda _: None
) -> dict[str, float]:
    """Measure a model on everything that the data hold.

    Args:
        engine: Any engine that enhances; it is shown 8-bit images.
        data: What is measured on.
        progress: Called with the name of what comes next.

    Returns:
        Column of `COLUMNS` -> mean over its images; columns without data are left out.
    """
    found: dict[str, list[float]] = defaultdict(list)

    def note(**values: float) -> None:
        for name, value in values.items():
            if not np.isnan(value):
                found[name].append(value)

    progress("well-lit images")
    for path in data.well_exposed:
        image = read_8_bit(path)
        result = enhance(engine, image)
        note(
            well_exposed_psnr=min(fidelity.psnr(image, result), 60.0),
            white_level=image_measures.white_level(image, result),
            chroma_ratio=image_measures.chroma_ratio(image, result),
        )
    progress("night drives")
    for path in data.night_videos:
        for frame in read_frames(path, count=NIGHT_FRAMES, every=NIGHT_EVERY):
            note(**_night("night", frame, enhance(engine, frame)))
    progress("night clips")
    for path in data.day_videos:
        day = [_at_height(f, CLIP_HEIGHT) for f in read_frames(path, count=CLIP_FRAMES)]
        for crf in CLIP_CRF:
            frames, _ = night_clip(day, crf=crf)
            results = [enhance(engine, frame) for frame in frames]
            for frame, result in zip(frames[1::3], results[1::3], strict=True):
                note(**_night("clip", frame, result))
            note(clip_flicker=temporal.luma_flicker(results))
    progress("exposure stacks")
    for stack in data.stacks:
        low, reference = read_8_bit(stack.low), read_8_bit(stack.reference)
        result = enhance(engine, low)
        kind = "fused" if stack.is_fused else "single"
        values = {f"{kind}_psnr": fidelity.psnr(reference, result)}
        values[f"{kind}_gt_mean"] = fidelity.psnr(
            *fidelity.apply_protocol("gt_mean", reference, result)
        )
        values[f"{kind}_brightness"] = float(result.mean() / reference.mean())
        note(**values)
    progress("ramps")
    note(order=max(order_violation(image, enhance(engine, image)) for _, image in ramps()))
    return {name: float(np.mean(found[name])) for name in COLUMNS if name in found}


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return the results as a Markdown table, a model in each row.

    Args:
        rows: Name of the model -> what `measure_road` returned.
    """
    columns = [name for name in COLUMNS if any(name in row for row in rows.values())]
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for model, row in rows.items():
        numbers = (f"{row[name]:.2f}" if name in row else "-" for name in columns)
        lines.append(f"| {model} | " + " | ".join(numbers) + " |")
    return "\n".join(lines) + "\n"


def _night(kind: str, frame: np.ndarray, result: np.ndarray) -> dict[str, float]:
    black = image_measures.black_blocks(frame, result)
    return {
        f"{kind}_burned": image_measures.clipping_percent(frame, result),
        f"{kind}_lift": image_measures.lift(frame, result),
        **{f"{kind}_black_{name}": black[name] for name in ("level", "grain", "step")},
    }


def _at_height(frame: np.ndarray, height: int) -> np.ndarray:
    width = round(frame.shape[1] * height / frame.shape[0] / 2) * 2
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
