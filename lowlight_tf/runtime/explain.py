"""Pictures of what a net went by: where it attended, and where it saw which light."""

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import EXPLANATION_SUFFIX
from lowlight_tf.datasets import multi_camera
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.imaging.raw.raw_image import RawImage
from lowlight_tf.imaging.registration.infrared import to_single_channel
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.runtime import input_checks, input_geometry, tiled_inference
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.fuse import fuse


def explain(
    engine: Engine,
    picture: np.ndarray | RawImage,
    infrared: np.ndarray | None = None,
    *,
    preparation: PairPreprocessing | None = None,
    ratio: float = 1.0,
) -> dict[str, np.ndarray]:
    """Return what a net went by in one picture, as pictures of its size.

    A map of one channel is drawn in colors from dark blue (0) to yellow (1); one of three is the
    blue, the green and the red of its picture: for `am_fusion` dark is blue, normal green, glare
    red. A picture too large to be run at once is shown to the net smaller.

    Args:
        engine: A net that tells what it goes by: one with outputs called as `contract.EXPLANATION_SUFFIX` says.
        picture: (H, W, 3) sRGB, what `enhance` or `fuse` takes; what `develop` takes, for a net
            that develops.
        infrared: The infrared partner, for a net that fuses; as `fuse` takes it.
        preparation: As `fuse` takes it.
        ratio: As `develop` takes it.

    Returns:
        What is explained -> (H, W, 3) float32 sRGB in [0, 1]; of a RAW picture upright.

    Raises:
        UsageError: If the engine does not tell, or the pictures do not fit it.
    """
    listener = _RecordingEngine(engine)
    if isinstance(picture, RawImage):
        input_checks.check_raw_model(engine.contract)
        digits, shot = picture.raw_values, picture.metadata
        size = _match_size(engine, digits.shape[:2])
        light = raw_image.amplify(
            shot.normalize(multi_camera.resize_area(digits, size)), shot, ratio
        )
        room = np.empty((*(engine.contract.scale * side for side in size), 3), np.float32)
        (port,) = engine.contract.image_inputs
        tiled_inference.run_tiled(listener, {port.name: light}, room, thumbnails={})
        drawn = _render_maps(listener, size, (2 * digits.shape[0], 2 * digits.shape[1]))
        return {name: shot.crop_and_orient(image) for name, image in drawn.items()}
    shape = picture.shape[:2]
    shown = [dtypes.img_as_float32(picture)]
    if infrared is not None:
        how = preparation or getattr(engine, "preparation", None) or PairPreprocessing()
        shown = [*preprocess_pair(*shown, to_single_channel(infrared), how)]
    size = _match_size(engine, shown[0].shape[:2])
    small = [multi_camera.resize_area(image, size) for image in shown]
    if infrared is None:
        enhance(listener, *small)
    else:
        fuse(listener, *small, preparation=PairPreprocessing())
    return _render_maps(listener, size, shape)


def check(engine: Engine) -> None:
    """Refuse an engine that does not tell what it goes by. It is run once, on black.

    Raises:
        UsageError: If it does not tell.
    """
    size = engine.size or (4 * engine.contract.multiple_of,) * 2
    ports = engine.contract.inputs
    black = {port.name: np.zeros((1, *port.shape(size)), np.float32) for port in ports}
    tell = getattr(engine, "maps", None)
    if not tell or not tell(black):
        raise _no_maps_error(engine.name)


def _no_maps_error(name: str) -> UsageError:
    return UsageError(
        f"{name} does not tell what it goes by. Leave out --explain, or take a net with attention, "
        "such as did_fuse, am_fusion or attention_unet."
    )


class _RecordingEngine:
    """An engine that keeps the maps of what it is run on. It answers black: nobody looks at it."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.contract, self.size = engine.name, engine.contract, engine.size
        self.preparation = getattr(engine, "preparation", None)
        self._engine = engine
        self.maps: dict[str, np.ndarray] = {}
        self.ran = (0, 0)

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        tell = getattr(self._engine, "maps", None)
        self.ran = images[self.contract.image_inputs[0].name].shape[1:3]
        self.maps = {name: image[0] for name, image in tell(images).items()} if tell else {}
        size = tuple(self.contract.scale * side for side in self.ran)
        return {
            port.name: np.zeros((1, *size, port.channels), np.float32)
            for port in self.contract.outputs
        }


def _render_maps(
    listener: _RecordingEngine, size: tuple[int, int], shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    if not listener.maps:
        raise _no_maps_error(listener.name)
    turned = input_geometry.needs_transpose(listener.ran, size) and not listener.contract.is_raw
    return {
        name.removesuffix(EXPLANATION_SUFFIX): _render_map(
            image, listener.ran, size, shape, turned=turned
        )
        for name, image in listener.maps.items()
    }


def _match_size(engine: Engine, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which an engine takes a picture at once: its own, or smaller."""
    step = engine.contract.multiple_of
    height, width = shape
    if engine.size:
        share = min(engine.size[0] / height, engine.size[1] / width, 1)
    else:
        share = min(
            (input_geometry.MAX_UNTILED_PIXELS / (height * width)) ** 0.5 / engine.contract.scale, 1
        )
    if share == 1:
        return shape
    return max(int(height * share), step), max(int(width * share), step)


def _render_map(
    image: np.ndarray,
    ran: tuple[int, int],
    size: tuple[int, int],
    shape: tuple[int, int],
    *,
    turned: bool,
) -> np.ndarray:
    """Return a map without what lies beyond the picture, at the picture's size, in colors."""
    if turned:  # the picture was run on its side
        image, ran = image.swapaxes(0, 1), ran[::-1]
    rows, columns = (
        max(round(have * wanted / whole), 1)
        for have, wanted, whole in zip(image.shape[:2], size, ran, strict=True)
    )
    seen = cv2.resize(image[:rows, :columns], shape[::-1], interpolation=cv2.INTER_LINEAR)
    if seen.ndim == 3:
        return seen[..., ::-1].clip(0, 1)
    eight = np.uint8(np.rint(seen.clip(0, 1) * 255))
    return np.float32(cv2.applyColorMap(eight, cv2.COLORMAP_VIRIDIS)[..., ::-1]) / 255
