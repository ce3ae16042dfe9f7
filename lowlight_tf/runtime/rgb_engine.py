"""Running a model of luma and chroma on RGB images."""

import cv2
import numpy as np

from lowlight_tf.contract import ENHANCE_PLANES, ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.imaging.yuv import YuvFormat
from lowlight_tf.runtime.engine import DelegatingEngine, Engine, Images
from lowlight_tf.runtime.frame_memory import FrameMemory, zero_states

BT709 = YuvFormat(matrix=1, full_range=False)


class RgbEngine(DelegatingEngine):
    """An engine of planes, such as `contract.ENHANCE_PLANES`, as one from a color image to one.

    Images are converted to BT.709 and back, with halved chroma, as in a video: what a model of
    planes makes of photographs can be looked at and measured like what any other makes.

    Args:
        engine: The model of planes.

    Attributes:
        contract: `contract.ENHANCE_WITH_BRIGHTNESS`.
        engine: The model of planes.
        memory: What a model with states remembers, if it is called with the frames of a video, one
            after another; by default nothing.
    """

    memory: FrameMemory | None = None

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.contract, self.weights = ENHANCE_WITH_BRIGHTNESS, engine.weights

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        planes = split_planes(images)
        count, height, width, _ = planes["luma"].shape
        if self.memory:
            results = self.engine({**planes, **self.memory.inputs})
            self.memory.step(results)
        else:
            states = zero_states(self.engine.contract, (height, width), planes["luma"].dtype, count)
            results = self.engine({**planes, **states})
        luma, chroma = (results[port.name] for port in ENHANCE_PLANES.outputs)
        (port,) = self.contract.outputs
        return {port.name: np.stack(list(map(_to_rgb, luma, chroma)))}


def split_planes(images: Images) -> Images:
    """Return the inputs of a model of planes for those of `contract.ENHANCE_WITH_BRIGHTNESS`."""
    low, small, brightness = (images[port.name] for port in ENHANCE_WITH_BRIGHTNESS.inputs)
    planes = zip(*map(_to_planes, low), strict=True)
    thumbnails = [np.concatenate(_to_planes(image, halved=False), 2) for image in small]
    batches = (*map(np.stack, planes), np.stack(thumbnails), brightness)
    names = (port.name for port in ENHANCE_PLANES.inputs)
    return dict(zip(names, batches, strict=True))


def _to_planes(image: np.ndarray, *, halved: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return luma, (H, W, 1), and chroma, (H / 2, W / 2, 2), in the number format of the image."""
    matrix = BT709.rgb_to_yuv_matrix()
    if image.dtype == np.float32:  # numbers of which 16 is 0 and 235 is 1
        (port, *_) = ENHANCE_PLANES.inputs
        black, white = port.levels
        matrix[:, :3] *= 255 / (white - black)
        matrix[:, 3] = (matrix[:, 3] - black) / (white - black)
    yuv = cv2.transform(np.float32(image), np.float32(matrix))
    chroma = yuv[..., 1:]
    if halved:
        height, width = image.shape[:2]
        chroma = cv2.resize(chroma, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    planes = yuv[..., :1], chroma
    if image.dtype == np.uint8:
        return tuple(np.uint8(np.rint(plane).clip(0, 255)) for plane in planes)
    return planes


def _to_rgb(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Return the RGB image of planes, (H, W, 3), in their number format: see `_to_planes`."""
    (port, *_) = ENHANCE_PLANES.inputs
    black, white = port.levels if luma.dtype == np.float32 else (0, 1)
    height, width = luma.shape[:2]
    yuv = np.empty((height, width, 3), np.float32)
    yuv[..., :1] = luma
    yuv[..., 1:] = cv2.resize(np.float32(chroma), (width, height))
    image = cv2.transform(yuv * (white - black) + black, np.float32(BT709.yuv_to_rgb_matrix()))
    if luma.dtype == np.uint8:
        return np.uint8(np.rint(image).clip(0, 255))
    return (image / 255).clip(0, 1)
