"""Synthetic RAW pairs from photographs, written as files so that evaluations are repeatable."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.exposure_pairs import RATIOS_FILE, RAW_PORT, TARGET_DIR
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.fileio import read_json, write_json
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa, unprocess

SOURCES_FILE = "photographs.json"
"""Name -> checksum of the photograph that its files were made from; next to `raw/`."""

RATIO_RANGE = (100.0, 300.0)
"""Limits of the exposure ratio, as in See-in-the-Dark."""


def synthesize_raw_pairs(
    pairs: Sequence[Pair],
    folder: Path,
    *,
    seed: int = 1,
    ratio_range: tuple[float, float] = RATIO_RANGE,
) -> list[Pair]:
    """Simulate a short RAW exposure of each photograph.

    Writes FOLDER/raw/NAME.dng, FOLDER/high/NAME.png and FOLDER/ratios.json. Camera, noise and ratio
    are drawn as `unprocess.sample_pair` draws them, from the seed and the bytes of the photograph:
    neither its name nor the other photographs matter.

    Args:
        pairs: Their targets are the photographs, sRGB; their inputs are ignored.
        folder: Destination, to be read by `exposure_pairs.pair_raw_folder`, or `pair_folder`.
            Pairs that exist already are kept.
        seed: Seed of cameras, noise and ratios.
        ratio_range: Limits of the random exposure ratio.

    Returns:
        As many pairs, in the same order and with the same names; if several photographs share a
        name, all but the first get the checksum of their file (CRC-32) as suffix.

    Raises:
        UsageError: If a photograph cannot be read, or a limit is not positive.
    """
    for limit in ratio_range:
        checks.check_positive("ratio_range", limit)
    for subfolder in (RAW_PORT, TARGET_DIR):
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
    ratios, sources = (
        read_json(folder / file) if (folder / file).is_file() else {}
        for file in (RATIOS_FILE, SOURCES_FILE)
    )
    raw_pairs = []
    for pair in pairs:
        checksum = f"{zlib.crc32(_read_bytes(pair.target)):08x}"
        name = pair.name
        if sources.setdefault(name, checksum) != checksum:
            name = f"{name}_{checksum}"
            sources[name] = checksum
        short, high = folder / RAW_PORT / f"{name}.dng", folder / TARGET_DIR / f"{name}.png"
        if name not in ratios or not short.is_file() or not high.is_file():
            for path in (short, high):
                path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([seed, int(checksum, 16)])
            photograph = image_io.read_float_rgb(pair.target)
            ratios[name] = _write_pair(photograph, short, high, rng, ratio_range)
            write_json(folder / SOURCES_FILE, sources)
            write_json(folder / RATIOS_FILE, ratios)
        raw_pairs.append(Pair(name, {RAW_PORT: short}, high))
    return raw_pairs


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _write_pair(
    photograph: np.ndarray,
    short: Path,
    high: Path,
    rng: np.random.Generator,
    ratio_range: tuple[float, float],
) -> float:
    """Write the short exposure and the target; return the exposure ratio."""
    camera, noise = unprocess.random_camera(rng), unprocess.random_noise(rng)
    ratio = float(rng.uniform(*ratio_range))
    height, width = (side // 2 * 2 for side in photograph.shape[:2])
    target = photograph[:height, :width]
    light = unprocess.unprocess(target, camera)
    image = unprocess.simulate_capture(light, camera=camera, noise=noise, ratio=ratio, rng=rng)
    dng.write(
        short,
        cfa.unpack(image.raw_values, camera.cfa_pattern, image.metadata.size),
        camera.cfa_pattern,
        bit_depth=camera.bit_depth,
        black_level=(camera.black_level,),
        camera_wb=camera.camera_wb,
        xyz_to_camera=np.array(camera.xyz_to_camera),
    )
    image_io.write_float_rgb(high, target)
    return ratio
