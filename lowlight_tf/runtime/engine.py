"""One interface for everything that can be run on images: arrays in, arrays out."""

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lowlight_tf.contract import Contract, Port
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.model_card import ModelCard

if TYPE_CHECKING:
    from lowlight_tf.imaging.raw.raw_image import RawImage

Images = Mapping[str, np.ndarray]
"""Port name -> (B, H, W, C), float32, or uint8 straight from a camera: see `contract.Port`."""

MAX_UNTILED_PIXELS = 2**21
"""Output pixels up to which a model that takes any size is run on the full image."""


class Engine(abc.ABC):
    """A Keras model, a .tflite file or a baseline behind one interface.

    Attributes:
        name: What tables call it.
        contract: Its ports.
        size: The one (height, width) that it takes, or None where any size is accepted.
        max_untiled_pixels: For an engine of any size, output pixels up to which an image is run at
            once; larger ones are tiled.
        preprocessing: What is done to the images of two cameras before they go in; None where
            nothing is said.
        card: The card of a .tflite file; None for anything else.
        weights: Number of trained weights; None where there are none to count.
    """

    name: str
    contract: Contract
    size: tuple[int, int] | None = None
    max_untiled_pixels: int = MAX_UNTILED_PIXELS
    preprocessing: PairPreprocessing | None = None
    card: ModelCard | None = None
    weights: int | None = None

    @abc.abstractmethod
    def __call__(self, images: Images) -> Images:
        """Run one batch through `contract.inputs` to `contract.outputs`.

        Returns the type that it is given: float32 for float32, uint8 for uint8.
        """

    def run_into(self, images: Images, out: Images) -> None:
        """Run one image of each port and write the results into `out`.

        Args:
            images: As for a run, of any height and width: their lower and right borders are
                repeated up to the size that the model takes.
            out: Port name -> array for an output, or for its upper left part. Rows must be
                contiguous.
        """
        (port, *_) = self.contract.image_inputs
        size = self.size or self.contract.round_up(images[port.name].shape[1:3])
        results = self(
            {
                port.name: _repeat_border(images[port.name], port.shape(port.size or size))
                for port in self.contract.inputs
            }
        )
        for name, array in out.items():
            _, height, width, _ = array.shape
            array[...] = results[name][:, :height, :width]

    def explanation_maps(self, images: Images) -> Images:
        """Return the outputs that explain a result, (B, h, w, C) float32 each; empty if none."""
        return {}

    def count_macs(self, size: tuple[int, int]) -> int | None:
        """Return the multiply-adds of one image of `size`; None where they cannot be counted."""
        return None

    def develop(self, image: "RawImage", *, ratio: float) -> np.ndarray | None:
        """Return (2h, 2w, 3) float32 in [0, 1] of an entire RAW file.

        None for engines that take packed Bayer pixels instead, which `runtime.develop` tiles.
        """
        return None


class DelegatingEngine(Engine):
    """An engine that runs another one, to be subclassed by whatever watches or replaces its runs.

    Args:
        engine: The engine whose attributes are taken over and whose methods are called.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name, self.contract, self.size = engine.name, engine.contract, engine.size
        self.max_untiled_pixels = engine.max_untiled_pixels
        self.preprocessing, self.card = engine.preprocessing, engine.card

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        return self.engine(images)

    def explanation_maps(self, images: Images) -> Images:
        """See `Engine`."""
        return self.engine.explanation_maps(images)

    def count_macs(self, size: tuple[int, int]) -> int | None:
        """See `Engine`."""
        return self.engine.count_macs(size)

    def develop(self, image: "RawImage", *, ratio: float) -> np.ndarray | None:
        """See `Engine`."""
        return self.engine.develop(image, ratio=ratio)


def _repeat_border(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a batch whose images have `shape`: their lower and right borders are repeated."""
    missing = [(0, want - have) for want, have in zip(shape, images.shape[1:], strict=True)]
    return np.pad(images, [(0, 0), *missing], mode="edge") if np.any(missing) else images


def bytes_as_float32(image: np.ndarray, port: Port) -> np.ndarray:
    """Return what the bytes of a port stand for; float32 is returned itself."""
    if image.dtype == np.float32:
        return image
    black, white = port.levels
    return (np.float32(image) - black) / (white - black)


def float32_as_bytes(image: np.ndarray, port: Port) -> np.ndarray:
    """Return the bytes of a port, rounded and clipped, for float32."""
    black, white = port.levels
    return np.uint8(np.rint(image * (white - black) + black).clip(0, 255))
