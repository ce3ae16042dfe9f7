"""RAW pairs out of photographs, written down once: a net is always judged by the same ones."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowlight_tf import checks
from lowlight_tf.contract import read_json, write_json
from lowlight_tf.datasets.exposures import PORT, RATIOS, TARGETS
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import dng, files, mosaic, unprocess

RATIO = (100.0, 300.0)
"""Limits of the exposure ratio, as in See-in-the-Dark."""


def synthetic_raw(
    pairs: Sequence[Pair], folder: Path, *, seed: int = 1, ratio: tuple[float, float] = RATIO
) -> list[Pair]:
    """Take a short exposure of each photograph: FOLDER/raw/NAME.dng, high/NAME.png, ratios.json.

    Camera, noise and ratio are drawn as `unprocess.sample` draws them, by the seed and the name
    alone: the same photograph gives the same files, whatever others there are.

    Args:
        pairs: Their targets are the photographs, sRGB; their inputs do not count.
        folder: Where it goes; read by `exposures.raw_folder`, and with `pairing.pair_folder`.
            Pairs that are there already are kept.
        seed: Another seed gives other cameras, noise and ratios.
        ratio: Limits between which the exposure ratio is drawn.

    Returns:
        As many pairs, in the same order.

    Raises:
        UsageError: If a photograph cannot be read, or a limit is not positive.
    """
    for limit in ratio:
        checks.positive("ratio", limit)
    for side in (PORT, TARGETS):
        (folder / side).mkdir(parents=True, exist_ok=True)
    ratios = read_json(folder / RATIOS) if (folder / RATIOS).is_file() else {}
    made = []
    for pair in pairs:
        short, high = folder / PORT / f"{pair.name}.dng", folder / TARGETS / f"{pair.name}.png"
        if pair.name not in ratios or not short.is_file() or not high.is_file():
            rng = np.random.default_rng([seed, zlib.crc32(pair.name.encode())])
            ratios[pair.name] = _take(files.read(pair.target), short, high, rng, ratio)
            write_json(folder / RATIOS, ratios)
        made.append(Pair(pair.name, {PORT: short}, high))
    return made


def _take(
    photograph: np.ndarray,
    short: Path,
    high: Path,
    rng: np.random.Generator,
    limits: tuple[float, float],
) -> float:
    """Write both files; return by how much the first is to be amplified."""
    camera, noise = unprocess.random_camera(rng), unprocess.random_noise(rng)
    ratio = float(rng.uniform(*limits))
    height, width = (side // 2 * 2 for side in photograph.shape[:2])
    target = photograph[:height, :width]
    light = unprocess.unprocessed(target, camera)
    picture = unprocess.taken(light, camera=camera, noise=noise, ratio=ratio, rng=rng)
    dng.write(
        short,
        mosaic.unpack(picture.digits, camera.phase, picture.shot.size),
        camera.phase,
        bits=camera.bits,
        black=(camera.black,),
        wb=camera.wb,
        matrix=np.array(camera.from_xyz),
    )
    files.write(high, target)
    return ratio
