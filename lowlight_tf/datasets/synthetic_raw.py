"""RAW pairs out of photographs, written down once: a net is always judged by the same ones."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.exposure_pairs import RATIOS, RAW_PORT, TARGETS
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.fileio import read_json, write_json
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa, unprocess

SOURCES = "photographs.json"
"""Name -> checksum of the photograph that its files were made of; lies beside `raw/`."""

RATIO = (100.0, 300.0)
"""Limits of the exposure ratio, as in See-in-the-Dark."""


def synthetic_raw(
    pairs: Sequence[Pair], folder: Path, *, seed: int = 1, ratio: tuple[float, float] = RATIO
) -> list[Pair]:
    """Take a short exposure of each photograph: FOLDER/raw/NAME.dng, high/NAME.png, ratios.json.

    Camera, noise and ratio are drawn as `unprocess.sample_pair` draws them, by the seed and what is in
    the photograph's file: the same gives the same, whatever it is called and others there are.

    Args:
        pairs: Their targets are the photographs, sRGB; their inputs do not count.
        folder: Where it goes; read by `exposures.raw_folder`, and with `pairing.pair_folder`.
            Pairs that are there already are kept.
        seed: Another seed gives other cameras, noise and ratios.
        ratio: Limits between which the exposure ratio is drawn.

    Returns:
        As many pairs, in the same order, called as they were; of several photographs of one name,
        all but the first with the checksum of their file (CRC-32) behind it.

    Raises:
        UsageError: If a photograph cannot be read, or a limit is not positive.
    """
    for limit in ratio:
        checks.check_positive("ratio", limit)
    for side in (RAW_PORT, TARGETS):
        (folder / side).mkdir(parents=True, exist_ok=True)
    ratios, sources = (
        read_json(folder / file) if (folder / file).is_file() else {} for file in (RATIOS, SOURCES)
    )
    made = []
    for pair in pairs:
        checksum = f"{zlib.crc32(_content(pair.target)):08x}"
        name = pair.name
        if sources.setdefault(name, checksum) != checksum:
            name = f"{name}_{checksum}"
            sources[name] = checksum
        short, high = folder / RAW_PORT / f"{name}.dng", folder / TARGETS / f"{name}.png"
        if name not in ratios or not short.is_file() or not high.is_file():
            rng = np.random.default_rng([seed, int(checksum, 16)])
            ratios[name] = _write_pair(
                image_io.read_float_rgb(pair.target), short, high, rng, ratio
            )
            write_json(folder / SOURCES, sources)
            write_json(folder / RATIOS, ratios)
        made.append(Pair(name, {RAW_PORT: short}, high))
    return made


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _write_pair(
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
    light = unprocess.unprocess(target, camera)
    picture = unprocess.simulate_capture(light, camera=camera, noise=noise, ratio=ratio, rng=rng)
    dng.write(
        short,
        cfa.unpack(picture.raw_values, camera.cfa_pattern, picture.metadata.size),
        camera.cfa_pattern,
        bit_depth=camera.bit_depth,
        black_level=(camera.black_level,),
        camera_wb=camera.camera_wb,
        xyz_to_camera=np.array(camera.xyz_to_camera),
    )
    image_io.write_float_rgb(high, target)
    return ratio
