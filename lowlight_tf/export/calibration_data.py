"""Images for calibrating a quantized export and for comparing it with its Keras model."""

import dataclasses
import math
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE_WITH_BRIGHTNESS, MEMORY, Contract, Port
from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.pairing import Pair, pair_folder
from lowlight_tf.fileio import read_json
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.dtypes import img_as_uint8
from lowlight_tf.imaging.raw import raw_image, unprocess
from lowlight_tf.imaging.registration import infrared
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.develop import auto_exposure_ratio
from lowlight_tf.runtime.engine import bytes_as_float32, float32_as_bytes
from lowlight_tf.runtime.packed_engine import fold_image
from lowlight_tf.runtime.rgb_engine import split_planes

NIGHT_GAMMA = 3.0
"""Exponent that darkens a daylight image enough to calibrate with it."""

EXPOSURE_GAINS = {
    "enhance": (0.5, 1.0, 2.0, 4.0, 8.0),
    "fuse": (0.5, 1.0, 2.0, 4.0, 8.0),
    "raw_to_rgb": (0.5, 1.0, 2.0),  # whose exposure ratio is known
}
"""Task -> factors on the calibration images: the exposures that a model must handle."""

MAX_RAW_SIDE = 1024
"""Height and width (packed pixels) up to which the center of a RAW image is used."""

PAST_NOISE = 2 / 255
"""Standard deviation of the noise between an image and its past."""

MAX_DIFFERENCE = 0.125
"""Largest difference between them: the steps of 8 bits stay fine, and what differs by more, which
they cut off, is motion all the same."""

MIN_SAMPLES = 16
"""Number of calibration samples below which images are repeated with other gains."""

Images = Mapping[str, np.ndarray]
"""Port name -> (H, W, C) float32 in [0, 1]."""


def calibration_images(
    contract: Contract,
    *,
    run: Path | None = None,
    folder: Path | None = None,
    max_images: int = 32,
    preprocessing: PairPreprocessing | None = None,
    report: Callable[[str], None] | None = None,
) -> list[Images]:
    """Return images like those that the model will be used on: port name -> (H, W, C) float32.

    They come from `folder` (one image folder, or a subfolder per port), else from the training
    pairs of `run`, else from the sample photographs of the [train] extra. For a RAW model they are
    exposed RAW files, or synthetic RAW made from photographs. Images of two cameras are
    preprocessed as on the device; the sample photographs are aligned already.

    Args:
        contract: The ports.
        run: A run folder with `pairs_training.json`.
        folder: Images to use in place of the run's.
        max_images: Number of images, evenly spaced, at most.
        preprocessing: Preprocessing of the images of two cameras; default: none.
        report: Called with one line for each image that is passed over: it cannot be read, or has
            no partner. None raises instead.

    Raises:
        UsageError: If `folder` has no images, most have no partner, or none can be read.
    """
    contract = _image_contract(contract)
    preprocessing = preprocessing or PairPreprocessing()
    if folder is not None:
        sources = _sources_from_folder(folder, contract, report)
    else:
        sources = (run and _sources_from_pairs(run / "pairs_training.json", contract)) or None
    if sources is None:
        return _sample_images(contract, max_images, preprocessing)
    return _read_images(sources, contract, max_images, preprocessing, report)


def representative_dataset(
    images: Sequence[Images], contract: Contract, size: tuple[int, int]
) -> list[Images]:
    """Return calibration samples of one size at several exposures: port name -> (1, H, W, C).

    Each image is cropped to the size at its center and multiplied by the next of the exposure
    gains; few images are repeated with other gains. Of two cameras, only the image of the first is
    multiplied: infrared does not depend on visible light. In the first sample one pixel is black
    and one white, so that the range of each input is exactly [0, 1] and its 8-bit quantization
    equals the camera's. (Of planes, it is set by `export.convert`.)

    Args:
        images: At least one, of any size.
        contract: The ports.
        size: Height and width (pixels).
    """
    if contract.is_planar:
        samples = representative_dataset(images, ENHANCE_WITH_BRIGHTNESS, size)
        return [
            _add_states(split_planes(sample), contract, number)
            for number, sample in enumerate(samples)
        ]
    gains = EXPOSURE_GAINS[contract.task]
    repeats = min(len(gains), -(-MIN_SAMPLES // len(images)))
    first = contract.image_inputs[0].name
    exposed = {
        first,
        *(port.name for port in contract.thumbnail_inputs if contract.source_of(port) == first),
    }
    samples = []
    for repeat in range(repeats):
        for index, image in enumerate(images):
            gain = gains[(index + repeat) % len(gains)]
            batch = _crop_with_thumbnails(image, contract, size)
            sample = {
                name: np.clip(array * gain, 0, 1) if name in exposed else array.copy()
                for name, array in batch.items()
            }
            for control in contract.controls:  # automatic, highest and lowest in turn
                setting = len(samples) % (control.channels + 1)
                if setting:
                    sample[control.name][..., setting - 1] = 1
            samples.append(sample)
    for array in samples[0].values():
        array[0, 0, 0], array[0, -1, -1] = 0, 1
    return samples


def parity_samples(
    images: Sequence[Images], contract: Contract, size: tuple[int, int], *, max_images: int = 4
) -> list[Images]:
    """Return some of the images as batches of one size: port name -> (1, H, W, C) uint8."""
    if contract.is_planar:
        return [
            _add_states(split_planes(batch), contract)
            for batch in parity_samples(
                images, ENHANCE_WITH_BRIGHTNESS, size, max_images=max_images
            )
        ]
    return [
        {
            name: img_as_uint8(array.clip(0, 1))
            for name, array in _crop_with_thumbnails(image, contract, size).items()
        }
        for image in _pick_evenly(images, max_images)
    ]


def _add_states(planes: Images, contract: Contract, number: int = 0) -> Images:
    """Return the inputs of a model of planes with those that carry its past, if it has states.

    The past is the same image with other noise; in every other sample it is moved as well.
    """
    if not contract.states:
        return planes
    rng = np.random.default_rng(number)
    shift = number % 2 * 4 * (1 + number // 2 % 2)
    past = {MEMORY: np.ones((1, 1, 1, 1), np.float32)}
    for port, name in zip(contract.states, ("luma", "chroma"), strict=True):
        now = bytes_as_float32(planes[name], port)
        channels = now.shape[3]  # chroma has two, and half as many columns
        moved = np.roll(now, shift // channels, axis=2)
        plane = np.clip(moved, now - MAX_DIFFERENCE, now + MAX_DIFFERENCE)
        plane = plane + rng.normal(0, PAST_NOISE, plane.shape).astype(np.float32)
        past[port.name] = fold_image(plane, math.isqrt(port.channels // channels))
    if planes["luma"].dtype == np.uint8:
        ports = {port.name: port for port in contract.inputs}
        past = {name: float32_as_bytes(image, ports[name]) for name, image in past.items()}
    return {**planes, **past}


def batch_as_float32(batch: Images, contract: Contract) -> Images:
    """Return 8-bit images by port name as float32."""
    return {port.name: bytes_as_float32(batch[port.name], port) for port in contract.inputs}


def _image_contract(contract: Contract) -> Contract:
    """Return the ports that images are read for."""
    return ENHANCE_WITH_BRIGHTNESS if contract.is_planar else contract


def enlarge_and_center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the center of an image, (H, W, C) -> (*size, C); a smaller one is enlarged first."""
    factor = max(size[0] / image.shape[0], size[1] / image.shape[1])
    if factor > 1:
        height, width = (
            max(round(length * factor), target)
            for length, target in zip(image.shape[:2], size, strict=True)
        )
        image = cv2.resize(image, (width, height)).reshape(height, width, -1)
    top, left = (
        (length - target) // 2 for length, target in zip(image.shape[:2], size, strict=True)
    )
    return image[top : top + size[0], left : left + size[1]]


def _crop_with_thumbnails(images: Images, contract: Contract, size: tuple[int, int]) -> Images:
    """Return the center of each image as a batch of one, and thumbnails of the full images."""
    batch = {
        port.name: enlarge_and_center_crop(images[port.name], size)[None]
        for port in contract.image_inputs
    }
    full_images = (images[port.name] for port in contract.image_inputs)
    return {**batch, **input_geometry.make_thumbnails(contract, *full_images)}


class _ImageSource(NamedTuple):
    """Where the image of one port comes from.

    Attributes:
        path: The image file.
        darken: Whether it is a daylight image to be darkened on reading.
        target: The target of a RAW file, from which its exposure ratio follows.
    """

    path: Path
    darken: bool = False
    target: Path | None = None

    def read(self, port: Port) -> np.ndarray:
        """Return the image in the color space of the port, (H, W, C) float32 in [0, 1]."""
        if port.color_space == "bayer":
            return self._read_raw()
        if port.color_space == "thermal":
            return infrared.read_thermal(self.path)
        image = image_io.read_float_rgb(self.path)
        return image**NIGHT_GAMMA if self.darken else image

    def _read_raw(self) -> np.ndarray:
        """Return a RAW file, or synthetic RAW made from a photograph, packed and exposed."""
        if not exposure_pairs.is_raw(self.path):
            rng = np.random.default_rng(zlib.crc32(self.path.name.encode()))
            sample = unprocess.sample_pair(image_io.read_float_rgb(self.path), rng)
            return raw_image.amplify(sample.packed, sample.metadata, sample.ratio)
        image = raw_image.read_raw(self.path)
        if self.target:
            pair = Pair(self.path.stem, {exposure_pairs.RAW_PORT: self.path}, self.target)
            ratio = exposure_pairs.exposure_ratio(pair)
        else:
            ratio = auto_exposure_ratio(image)
        size = tuple(min(side, MAX_RAW_SIDE) for side in image.raw_values.shape[:2])
        packed = image.metadata.normalize(enlarge_and_center_crop(image.raw_values, size))
        return raw_image.amplify(packed, image.metadata, ratio)


def _sample_images(
    contract: Contract, max_images: int, preprocessing: PairPreprocessing
) -> list[Images]:
    """Return images made from the sample photographs of the [train] extra."""
    from lowlight_tf.datasets import synthetic  # imports scikit-image

    with tempfile.TemporaryDirectory() as temp_dir:
        if contract.task == "fuse":
            folder = synthetic.sample_camera_pairs(Path(temp_dir)) / "train"
        else:  # RAW is made of the bright photographs
            side = "high" if contract.task == "raw_to_rgb" else "low"
            folder = synthetic.sample_pairs(Path(temp_dir)) / "train" / side
        aligned = dataclasses.replace(preprocessing, align="none")
        sources = _sources_from_folder(folder, contract)
        return _read_images(sources, contract, max_images, aligned)


def _sources_from_folder(
    folder: Path, contract: Contract, report: Callable[[str], None] | None = None
) -> list[dict[str, _ImageSource]]:
    """Return the images of a folder, or the pairs of its subfolders named after the ports."""
    checks.check_dir("calibration", folder)
    ports = [port.name for port in contract.image_inputs]
    if len(ports) > 1:
        pairs = pair_folder(folder, inputs=ports, target=None, report=report)
        return [{name: _ImageSource(pair.inputs[name]) for name in ports} for pair in pairs]
    (port,) = contract.image_inputs
    subfolder = folder / port.name
    place = subfolder if subfolder.is_dir() else folder
    paths = image_io.find_images(place)
    if port.color_space == "bayer":
        paths = image_io.find_images(place, suffixes=raw_image.SUFFIXES) or paths
    if not paths:
        raise UsageError(
            f"`calibration` must hold images ({', '.join(image_io.SUFFIXES)}). Received: {folder}."
        )
    return [{port.name: _ImageSource(path)} for path in paths]


def _sources_from_pairs(path: Path, contract: Contract) -> list[dict[str, _ImageSource]]:
    """Return those images of a run's list of pairs whose files still exist."""
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
    max_images: int,
    preprocessing: PairPreprocessing,
    report: Callable[[str], None] | None = None,
) -> list[Images]:
    """Read some of the sources; what cannot be read is reported, or raised if nothing can be."""
    result, problems = [], []
    for source in _pick_evenly(sources, max_images):
        try:
            result.append(_read_source(source, contract, preprocessing))
        except UsageError as error:
            if report is None:
                raise
            problems.append(str(error))
    if not result:
        raise UsageError(problems[0])
    for problem in problems:
        report(problem)
    return result


def _read_source(
    source: dict[str, _ImageSource], contract: Contract, preprocessing: PairPreprocessing
) -> Images:
    """Read the images of one source; those of two cameras are brought to one size."""
    uses_rig = Path(preprocessing.align).suffix == ".json"
    images = [source[port.name].read(port) for port in contract.image_inputs]
    if preprocessing.size == "same" and not uses_rig:  # both cameras have one field of view
        size = min((image.shape[:2] for image in images), key=math.prod)
        images = [resize_image(image, size) for image in images]
    if len(images) > 1:
        images = preprocess_pair(*images, preprocessing)
    return {
        port.name: color.luma(image)[..., None] if image.shape[2] > port.channels else image
        for port, image in zip(contract.image_inputs, images, strict=True)
    }


def _pick_evenly(items: Sequence, max_items: int) -> list:
    """Return at most `max_items`, evenly spaced."""
    indices = np.linspace(0, len(items) - 1, min(max_items, len(items))).round().astype(int)
    return [items[index] for index in np.unique(indices)]
