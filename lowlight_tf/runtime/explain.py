"""Explanation maps as images: a model's attention, or the illumination that it estimated."""

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import EXPLANATION_SUFFIX
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.raw.raw_image import RawImage, amplify
from lowlight_tf.imaging.registration.infrared import to_single_channel
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.runtime import input_checks, input_geometry, tiled_inference
from lowlight_tf.runtime.engine import DelegatingEngine, Engine, Images
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.fuse import fuse


def explain(
    engine: Engine,
    image: np.ndarray | RawImage,
    infrared: np.ndarray | None = None,
    *,
    preprocessing: PairPreprocessing | None = None,
    ratio: float = 1.0,
) -> dict[str, np.ndarray]:
    """Return what a model based its result on, as color images of the input's size.

    A map of one channel is drawn in colors from dark blue (0) to yellow (1); one of three is the
    blue, green and red of its image: for `am_fusion` dark regions are blue, normal ones green and
    glare red. An image too large to be run at once is resized for this.

    Args:
        engine: A model with outputs that explain: see `contract.EXPLANATION_SUFFIX`.
        image: What `enhance`, `fuse` or `develop` takes: (H, W, 3) sRGB, or a `RawImage`.
        infrared: The infrared image, for a model that fuses; as `fuse` takes it.
        preprocessing: As `fuse` takes it.
        ratio: As `develop` takes it.

    Returns:
        Name of the map -> (H, W, 3) float32 sRGB in [0, 1]; of a RAW image upright.

    Raises:
        UsageError: If the model has no such outputs, or the images do not fit it.
    """
    recorder = _RecordingEngine(engine)
    if isinstance(image, RawImage):
        return _explain_raw(recorder, image, ratio)
    images = [dtypes.img_as_float32(image)]
    if infrared is not None:
        preprocessing = preprocessing or engine.preprocessing or PairPreprocessing()
        images = [*preprocess_pair(*images, to_single_channel(infrared), preprocessing)]
    size = _size_without_tiles(engine, images[0].shape[:2])
    resized = [resize_image(each, size) for each in images]
    if infrared is None:
        enhance(recorder, *resized)
    else:
        fuse(recorder, *resized, preprocessing=PairPreprocessing())
    return _render_maps(recorder, size, image.shape[:2])


def _explain_raw(
    recorder: "_RecordingEngine", image: RawImage, ratio: float
) -> dict[str, np.ndarray]:
    contract, raw_values, metadata = recorder.contract, image.raw_values, image.metadata
    input_checks.check_raw_model(contract)
    size = _size_without_tiles(recorder, raw_values.shape[:2])
    light = amplify(metadata.normalize(resize_image(raw_values, size)), metadata, ratio)
    unused = np.empty((*(contract.scale * side for side in size), 3), np.float32)
    (port,) = contract.image_inputs
    tiled_inference.run_tiled(recorder, {port.name: light}, unused, thumbnails={})
    maps = _render_maps(recorder, size, (2 * raw_values.shape[0], 2 * raw_values.shape[1]))
    return {name: metadata.crop_and_orient(each) for name, each in maps.items()}


def check_explanation(engine: Engine) -> None:
    """Refuse an engine without outputs that explain. It is run once, on black.

    Raises:
        UsageError: If it has none.
    """
    size = engine.size or (4 * engine.contract.multiple_of,) * 2
    ports = engine.contract.inputs
    black = {port.name: np.zeros((1, *port.shape(size)), np.float32) for port in ports}
    if not engine.explanation_maps(black):
        raise _no_maps_error(engine.name)


def _no_maps_error(name: str) -> UsageError:
    return UsageError(
        f"{name} has no outputs that explain its result. Leave out --explain, or use a model with "
        "attention, such as did_fuse, am_fusion or attention_unet."
    )


class _RecordingEngine(DelegatingEngine):
    """An engine that keeps the explanation maps of its last run, and returns black.

    Attributes:
        maps: Name -> (h, w, C) of the last run.
        input_size: Height and width of the last run's input.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.maps: dict[str, np.ndarray] = {}
        self.input_size = (0, 0)

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        self.input_size = images[self.contract.image_inputs[0].name].shape[1:3]
        maps = self.engine.explanation_maps(images)
        self.maps = {name: batch[0] for name, batch in maps.items()}
        size = tuple(self.contract.scale * side for side in self.input_size)
        return {
            port.name: np.zeros((1, *size, port.channels), np.float32)
            for port in self.contract.outputs
        }


def _render_maps(
    recorder: _RecordingEngine, size: tuple[int, int], shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return the recorded maps as color images of (height, width) `shape`."""
    if not recorder.maps:
        raise _no_maps_error(recorder.name)
    transposed = (
        input_geometry.needs_transpose(recorder.input_size, size) and not recorder.contract.is_raw
    )
    return {
        name.removesuffix(EXPLANATION_SUFFIX): _render_map(
            image, recorder.input_size, size, shape, transposed=transposed
        )
        for name, image in recorder.maps.items()
    }


def _size_without_tiles(engine: Engine, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which an engine takes an image at once: its own, or smaller."""
    step = engine.contract.multiple_of
    height, width = shape
    if engine.size:
        factor = min(engine.size[0] / height, engine.size[1] / width, 1)
    else:
        most = (input_geometry.MAX_UNTILED_PIXELS / (height * width)) ** 0.5
        factor = min(most / engine.contract.scale, 1)
    if factor == 1:
        return shape
    return max(int(height * factor), step), max(int(width * factor), step)


def _render_map(
    image: np.ndarray,
    input_size: tuple[int, int],
    size: tuple[int, int],
    shape: tuple[int, int],
    *,
    transposed: bool,
) -> np.ndarray:
    """Return a map without its padding, resized to the image's shape, in colors."""
    if transposed:
        image, input_size = image.swapaxes(0, 1), input_size[::-1]
    rows, columns = (
        max(round(have * unpadded / padded), 1)
        for have, unpadded, padded in zip(image.shape[:2], size, input_size, strict=True)
    )
    resized = cv2.resize(image[:rows, :columns], shape[::-1], interpolation=cv2.INTER_LINEAR)
    if resized.ndim == 3:
        return resized[..., ::-1].clip(0, 1)
    levels = dtypes.img_as_uint8(resized.clip(0, 1))
    return dtypes.img_as_float32(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1])
