"""The pictures that an export is calibrated and compared with."""

import dataclasses
import math
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract, Port
from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.fileio import read_json
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.raw import raw_image, unprocess
from lowlight_tf.imaging.registration import infrared
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.develop import auto_exposure_ratio

NIGHT_GAMMA = 3.0
"""Exponent that makes a night of a day picture, dark enough to take ranges from."""

EXPOSURE_GAINS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Exposures that a net must bear, as factors on the calibration pictures."""

RAW_EXPOSURE_GAINS = (0.5, 1.0, 2.0)
"""The same for RAW pictures, whose exposure is told."""

MAX_RAW_SIDE = 1024
"""Most packed pixels of a RAW picture that are looked at, down and across: its middle."""

Images = Mapping[str, np.ndarray]
"""Port name -> (H, W, C) float32 in [0, 1]."""


def calibration_images(
    contract: Contract,
    *,
    run: Path | None = None,
    folder: Path | None = None,
    max_images: int = 32,
    preprocessing: PairPreprocessing | None = None,
) -> list[Images]:
    """Return pictures like those that the net will see.

    They come from `folder` (one picture folder, or a folder for each port), else from the training
    pairs of `run`, else from the photographs that come with the [train] extra. For a net that
    develops they are RAW files, exposed, or made of photographs. What two cameras saw is prepared
    as on the device; the photographs of the extra lie over each other already.

    Raises:
        UsageError: If `folder` has no pictures, or its ports' folders do not match.
    """
    preprocessing = preprocessing or PairPreprocessing()
    if folder is not None:
        sources = _sources_from_folder(folder, contract)
    else:
        sources = (run and _sources_from_pairs(run / "pairs_training.json", contract)) or None
    if sources is None:
        from lowlight_tf.datasets import synthetic  # brings scikit-image

        with tempfile.TemporaryDirectory() as place:
            if contract.is_raw:
                dark = synthetic.sample_pairs(Path(place)) / "train" / "high"
            elif contract.is_fusion:
                dark = synthetic.sample_camera_pairs(Path(place)) / "train"
            else:
                dark = synthetic.sample_pairs(Path(place)) / "train" / "low"
            lying = dataclasses.replace(preprocessing, align="none")
            return _read_images(_sources_from_folder(dark, contract), contract, max_images, lying)
    return _read_images(sources, contract, max_images, preprocessing)


def representative_dataset(
    images: Sequence[Images], contract: Contract, size: tuple[int, int]
) -> list:
    """Return samples of one size that span exposures: port name -> (1, H, W, C).

    Each picture is cut to the size around its center and exposed by the next of `GAINS`; where
    there are few, they are taken again with other gains. Of two cameras, only the first one's
    picture is exposed: infrared light knows no night. One pixel is black and one white, so that the
    range of each input is exactly [0, 1], whose eight bits are the camera's own.

    Args:
        images: Of any size, at least one.
        contract: The ports.
        size: Height and width (pixels).
    """
    gains = RAW_EXPOSURE_GAINS if contract.is_raw else EXPOSURE_GAINS
    turns = min(len(gains), -(-16 // len(images)))
    first = contract.image_inputs[0].name
    exposed = {
        first,
        *(port.name for port in contract.thumbnail_inputs if contract.source_of(port) == first),
    }
    samples = []
    for turn in range(turns):
        for index, picture in enumerate(images):
            gain = gains[(index + turn) % len(gains)]
            samples.append(
                {
                    name: np.clip(image * gain, 0, 1) if name in exposed else image.copy()
                    for name, image in _crop_with_thumbnails(picture, contract, size).items()
                }
            )
    for image in samples[0].values():
        image[0, 0, 0], image[0, -1, -1] = 0, 1
    return samples


def parity_samples(
    images: Sequence[Images], contract: Contract, size: tuple[int, int], *, max_images: int = 4
) -> list[Images]:
    """Return some of the pictures as 8-bit batches of one size: port name -> (1, H, W, C)."""
    return [
        {
            name: np.rint(image.clip(0, 1) * 255).astype(np.uint8)
            for name, image in _crop_with_thumbnails(picture, contract, size).items()
        }
        for picture in _pick_evenly(images, max_images)
    ]


def _crop_with_thumbnails(picture: Images, contract: Contract, size: tuple[int, int]) -> Images:
    """Return the middle of a picture as a batch of one, and the thumbnails of the whole of it."""
    batch = {
        port.name: enlarge_and_center_crop(picture[port.name], size)[None] for port in contract.image_inputs
    }
    wholes = (picture[port.name] for port in contract.image_inputs)
    return {**batch, **input_geometry.make_thumbnails(contract, *wholes)}


def batch_as_float32(picture: Images) -> Images:
    """Return an 8-bit picture as float32 in [0, 1]."""
    return {name: np.divide(image, 255, dtype=np.float32) for name, image in picture.items()}


def enlarge_and_center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of a picture, (H, W, C) -> (*size, C); a smaller one is enlarged first."""
    enlarged = max(size[0] / image.shape[0], size[1] / image.shape[1])
    if enlarged > 1:
        height, width = (
            max(round(have * enlarged), want)
            for have, want in zip(image.shape[:2], size, strict=True)
        )
        image = cv2.resize(image, (width, height)).reshape(height, width, -1)
    top, left = ((have - want) // 2 for have, want in zip(image.shape[:2], size, strict=True))
    return image[top : top + size[0], left : left + size[1]]


class _ImageSource(NamedTuple):
    """A picture file; `darken` if the net is to see its night, which is not on disk."""

    path: Path
    darken: bool = False
    target: Path | None = None

    def read(self, port: Port) -> np.ndarray:
        if port.color_space == "bayer":
            return self._read_raw()
        if port.color_space == "thermal":
            return infrared.read_thermal(self.path)
        image = image_io.read_float_rgb(self.path)
        return image**NIGHT_GAMMA if self.darken else image

    def _read_raw(self) -> np.ndarray:
        """Return what a net sees of a RAW file, or of one that is made of a photograph."""
        if not exposure_pairs.is_raw(self.path):
            rng = np.random.default_rng(zlib.crc32(self.path.name.encode()))
            found = unprocess.sample_pair(image_io.read_float_rgb(self.path), rng)
            return raw_image.amplify(found.packed, found.metadata, found.ratio)
        picture = raw_image.read_raw(self.path)
        if self.target:
            pair = Pair(self.path.stem, {exposure_pairs.RAW_PORT: self.path}, self.target)
            ratio = exposure_pairs.exposure_ratio(pair)
        else:
            ratio = auto_exposure_ratio(picture)
        size = tuple(min(side, MAX_RAW_SIDE) for side in picture.raw_values.shape[:2])
        light = picture.metadata.normalize(enlarge_and_center_crop(picture.raw_values, size))
        return raw_image.amplify(light, picture.metadata, ratio)


def _sources_from_folder(folder: Path, contract: Contract) -> list[dict[str, _ImageSource]]:
    checks.check_dir("calibration", folder)
    found = {}
    for port in contract.image_inputs:
        own = folder / port.name
        place = own if own.is_dir() else folder
        paths = image_io.find_images(place, suffixes=raw_image.SUFFIXES) if contract.is_raw else []
        found[port.name] = [_ImageSource(path) for path in paths or image_io.find_images(place)]
    counts = {name: len(paths) for name, paths in found.items()}
    if min(counts.values()) < 1 or len(set(counts.values())) > 1:
        raise UsageError(
            f"`calibration` must hold pictures ({', '.join(image_io.SUFFIXES)}), as many for each "
            f"port. Received: {folder} with {counts}."
        )
    return [dict(zip(found, paths, strict=True)) for paths in zip(*found.values(), strict=True)]


def _sources_from_pairs(path: Path, contract: Contract) -> list[dict[str, _ImageSource]]:
    """Return the pictures of a run's list that are still there."""
    if not path.is_file():
        return []
    pairs = read_json(path)["pairs"]
    sources = [
        {
            port.name: _ImageSource(
                Path(pair["inputs"].get(port.name, pair["target"])),
                not pair["inputs"],
                pair["target"] and Path(pair["target"]),
            )
            for port in contract.image_inputs
        }
        for pair in pairs
    ]
    return [source for source in sources if all(each.path.is_file() for each in source.values())]


def _read_images(
    sources: Sequence[dict[str, _ImageSource]],
    contract: Contract,
    most: int,
    preparation: PairPreprocessing,
) -> list[Images]:
    by_rig = Path(preparation.align).suffix == ".json"
    pictures = []
    for source in _pick_evenly(sources, most):
        images = [source[port.name].image(port) for port in contract.image_inputs]
        if preparation.size == "same" and not by_rig:  # they show one field
            size = min((image.shape[:2] for image in images), key=math.prod)
            images = [resize_image(image, size) for image in images]
        if contract.is_fusion:
            images = preprocess_pair(*images, preparation)
        pictures.append(
            {
                port.name: color.luma(image)[..., None] if image.shape[2] > port.channels else image
                for port, image in zip(contract.image_inputs, images, strict=True)
            }
        )
    return pictures


def _pick_evenly(items: Sequence, most: int) -> list:
    """Return at most so many, evenly spread."""
    indices = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[index] for index in indices]
