"""Before and after beside each other: a row for each picture, a column for each model."""

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.datasets import exposure_pairs, multi_camera
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation import raw_protocol
from lowlight_tf.evaluation.evaluator import enhance_pair
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.runtime.engine import Engine

HEAD = 24  # pixels above the pictures, for the names of the columns
LINE = 18  # pixels below each row, for its captions
LETTER = 0.45  # size of letters, of OpenCV's font; smaller where words are too long


def contact_sheet(
    engines: Sequence[Engine],
    pairs: Sequence[Pair],
    *,
    captions: Sequence[Sequence[str]] = (),
    height: int = 160,
) -> np.ndarray:
    """Lay the dark picture, what each engine makes of it, and the target side by side.

    Where one of the engines fuses, the visible and the infrared picture stand in the place of the
    dark one; where they develop RAW files, what LibRaw makes of those unamplified.

    Args:
        engines: The columns between what is given and the target.
        pairs: The rows. Where no pair has a target, there is no last column.
        captions: For each row what stands below its pictures, from the first column on; none for
            rows without captions.
        height: Of each picture (pixels); all cells are as wide as the first picture, and another
            shape has black margins.

    Returns:
        (HEAD + rows * (height + LINE), width, 3) float32 sRGB in [0, 1], without LINE if there are
        no captions.
    """
    targets = any(pair.target for pair in pairs)
    given = inputs_of(engines)
    if exposure_pairs.RAW_PORT in given:
        columns = functools.partial(_developed, engines)
    else:
        columns = functools.partial(_enhanced, engines, list(given))
    names = [*given.values(), *(engine.name for engine in engines), *["target"] * targets]
    lines, width = [], 0
    for index, pair in enumerate(pairs):
        row = columns(pair)
        low = row[0]
        width = width or max(round(low.shape[1] * height / low.shape[0]), 1)
        if targets:
            row.append(target_of(pair) if pair.target else np.zeros_like(low))
        lines.append(np.hstack([_fitted(image, width, height) for image in row]))
        if captions:
            lines.append(_words(captions[index], LINE, width, len(names)))
    return np.vstack([_words(names, HEAD, width, len(names)), *lines])


def inputs_of(engines: Sequence[Engine]) -> dict[str, str]:
    """Return which pictures of a pair stand before what the engines make: port -> its heading."""
    if any(engine.contract.is_raw for engine in engines):
        return {exposure_pairs.RAW_PORT: "not amplified"}
    if any(engine.contract.is_fusion for engine in engines):
        return {"visible": "visible", "infrared": "infrared"}
    return {"low": "before"}


def reference_image(engines: Sequence[Engine], pair: Pair) -> dict[str, np.ndarray]:
    """Return what engines are given of a pair: heading -> (H, W, 3) float32 sRGB in [0, 1].

    Raises:
        UsageError: If a file cannot be read.
    """
    given = inputs_of(engines)
    shown = _developed([], pair) if exposure_pairs.RAW_PORT in given else _read(pair, list(given))
    return dict(zip(given.values(), shown, strict=True))


def target_of(pair: Pair) -> np.ndarray:
    """Return a pair's target, (H, W, 3) float32 sRGB in [0, 1].

    Raises:
        UsageError: If it cannot be read.
    """
    return dtypes.img_as_float32(raw_protocol.upright_target(pair))


def _enhanced(engines: Sequence[Engine], ports: list[str], pair: Pair) -> list[np.ndarray]:
    shown = _read(pair, ports)
    return [*shown, *(enhance_pair(engine, *shown) for engine in engines)]


def _developed(engines: Sequence[Engine], pair: Pair) -> list[np.ndarray]:
    """Return what LibRaw makes of a RAW file, and what each engine does under its own protocol."""
    path = pair.inputs[exposure_pairs.RAW_PORT]
    row = [
        raw_image.read_raw(path).metadata.orient(raw_image.develop_with_libraw(path, curve="srgb"))
    ]
    for engine in engines:
        protocol = raw_protocol.default_protocol(engine.contract)
        row.append(
            raw_protocol.protocol_images(engine, pair, [protocol], target=False)[protocol][
                "enhanced"
            ]
        )
    return list(map(dtypes.img_as_float32, row))


def _read(pair: Pair, ports: list[str]) -> list[np.ndarray]:
    """Return pictures of a pair as colors in [0, 1]; of a picture that is not there the first."""
    if any(pair.path_of(port) is None for port in ports):
        return [image_io.read_float_rgb(next(iter(pair.inputs.values())))] * len(ports)
    pictures = map(dtypes.img_as_float32, multi_camera.read_cameras(pair, ports).values())
    return [picture.repeat(3 // picture.shape[2], axis=2) for picture in pictures]


def _fitted(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return an image shrunk into a cell, in the middle of it."""
    share = min(width / image.shape[1], height / image.shape[0])
    sides = [max(round(side * share), 1) for side in image.shape[1::-1]]
    small = cv2.resize(image, sides, interpolation=cv2.INTER_AREA).clip(0, 1)
    cell = np.zeros((height, width, 3), np.float32)
    left, top = (width - sides[0]) // 2, (height - sides[1]) // 2
    cell[top : top + sides[1], left : left + sides[0]] = small
    return cell


def _words(words: Sequence[str], height: int, width: int, columns: int) -> np.ndarray:
    """Return a black line with a few words for each column, as large as they fit."""
    line = np.zeros((height, width * columns, 3), np.uint8)
    font, margin = cv2.FONT_HERSHEY_SIMPLEX, 6
    for column, word in enumerate(words):
        wide = cv2.getTextSize(word, font, LETTER, 1)[0][0]
        letter = LETTER * min(1, (width - 2 * margin) / max(wide, 1))
        place = (column * width + margin, height - 6)
        cv2.putText(line, word, place, font, letter, (255, 255, 255), 1, cv2.LINE_AA)
    return np.float32(line) / 255
