"""Contact sheets: a row for each pair, a column for each model."""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation import raw_protocol
from lowlight_tf.evaluation.tasks import evaluation_of
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.resize import resize_area
from lowlight_tf.runtime.engine import Engine

HEADER_HEIGHT = 24  # pixels above the images, for the names of the columns
CAPTION_HEIGHT = 18  # pixels below each row
FONT_SCALE = 0.45  # of OpenCV's font; smaller where words are too long


def contact_sheet(
    engines: Sequence[Engine],
    pairs: Sequence[Pair],
    *,
    captions: Sequence[Sequence[str]] = (),
    height: int = 160,
) -> np.ndarray:
    """Draw the input, the result of each engine and the target next to each other.

    Where one of the engines fuses, the input is a visible and an infrared image; of RAW files it is
    what LibRaw develops without amplification.

    Args:
        engines: The columns between input and target.
        pairs: The rows. Where no pair has a target, there is no last column.
        captions: For each row the texts below its images, from the first column on; none for rows
            without captions.
        height: Of each image (pixels); all cells are as wide as the first image, and images of
            another shape get black margins.

    Returns:
        (HEADER_HEIGHT + rows * (height + CAPTION_HEIGHT), width, 3) float32 sRGB in [0, 1], without
        CAPTION_HEIGHT if there are no captions.
    """
    has_targets = any(pair.target for pair in pairs)
    task = evaluation_of(*(engine.contract for engine in engines))
    headings = list(task.preview_columns.values())
    names = [*headings, *(engine.name for engine in engines), *["target"] * has_targets]
    strips, width = [], 0
    for index, pair in enumerate(pairs):
        inputs = task.read_previews(pair)
        results = [evaluation_of(e.contract).preview(e, pair, inputs) for e in engines]
        row = [*inputs, *results]
        width = width or max(round(row[0].shape[1] * height / row[0].shape[0]), 1)
        if has_targets:
            row.append(read_target(pair) if pair.target else np.zeros_like(row[0]))
        strips.append(np.hstack([_fit_into_cell(image, width, height) for image in row]))
        if captions:
            strips.append(_draw_texts(captions[index], CAPTION_HEIGHT, width, len(names)))
    return np.vstack([_draw_texts(names, HEADER_HEIGHT, width, len(names)), *strips])


def read_inputs(engines: Sequence[Engine], pair: Pair) -> dict[str, np.ndarray]:
    """Return the inputs of a pair: heading -> (H, W, 3) float32 sRGB in [0, 1].

    Raises:
        UsageError: If a file cannot be read.
    """
    task = evaluation_of(*(engine.contract for engine in engines))
    return dict(zip(task.preview_columns.values(), task.read_previews(pair), strict=True))


def read_target(pair: Pair) -> np.ndarray:
    """Return a pair's target, (H, W, 3) float32 sRGB in [0, 1].

    Raises:
        UsageError: If it cannot be read.
    """
    return dtypes.img_as_float32(raw_protocol.read_upright_target(pair))


def _fit_into_cell(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return an image resized into a cell, centered."""
    factor = min(width / image.shape[1], height / image.shape[0])
    rows, columns = (max(round(side * factor), 1) for side in image.shape[:2])
    resized = resize_area(image, (rows, columns)).clip(0, 1)
    cell = np.zeros((height, width, 3), np.float32)
    top, left = (height - rows) // 2, (width - columns) // 2
    cell[top : top + rows, left : left + columns] = resized
    return cell


def _draw_texts(texts: Sequence[str], height: int, width: int, columns: int) -> np.ndarray:
    """Return a black strip with one text for each column, shrunk to fit."""
    strip = np.zeros((height, width * columns, 3), np.uint8)
    font, margin = cv2.FONT_HERSHEY_SIMPLEX, 6
    for column, text in enumerate(texts):
        text_width = cv2.getTextSize(text, font, FONT_SCALE, 1)[0][0]
        scale = FONT_SCALE * min(1, (width - 2 * margin) / max(text_width, 1))
        origin = (column * width + margin, height - 6)
        cv2.putText(strip, text, origin, font, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return dtypes.img_as_float32(strip)
