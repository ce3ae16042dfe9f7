"""In-memory caches of decoded images, with limited capacity."""

import threading
from collections.abc import Callable, Hashable, Sequence

import cv2
import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.imaging.resize import resize_area


class ArrayCache:
    """Thread-safe cache of arrays that stops storing when it is full; nothing is evicted.

    Args:
        capacity_mb: Capacity (MB).
    """

    def __init__(self, capacity_mb: int) -> None:
        self._free_bytes = capacity_mb * 10**6
        self._stored: dict[Hashable, tuple[np.ndarray, ...]] = {}
        self._lock = threading.Lock()

    def get(
        self, key: Hashable, create: Callable[[], tuple[np.ndarray, ...]]
    ) -> tuple[np.ndarray, ...]:
        """Return the arrays stored under a key, or else what `create` returns."""
        arrays = self._stored.get(key)
        if arrays is None:
            arrays = create()
            size = sum(array.nbytes for array in arrays)
            with self._lock:
                if key not in self._stored and size <= self._free_bytes:
                    self._free_bytes -= size
                    self._stored[key] = arrays
        return arrays


class PairCache:
    """Images of pairs, decoded on demand and cached as uint8.

    Args:
        pairs: Pairs to read; of a pair without inputs, the input is its target.
        port: Which input is read.
        cache_mb: Capacity (MB); images that do not fit are decoded each time.
    """

    def __init__(self, pairs: Sequence[Pair], *, port: str = "low", cache_mb: int = 4000) -> None:
        self._pairs = pairs
        self._port = port
        self._images = ArrayCache(cache_mb)
        self._thumbnails: dict[tuple[int, tuple[int, int], bool], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def is_target_only(self, index: int) -> bool:
        """Return whether the pair's input has to be synthesized from its target."""
        return not self._pairs[index].inputs

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (input, target) of one pair, each (H, W, 3) uint8 sRGB."""
        pair = self._pairs[index]
        key = str(pair.target), str(pair.inputs.get(self._port))  # a pair may be listed twice
        return self._images.get(key, lambda: self._decode(pair))

    def thumbnail(
        self, index: int, size: tuple[int, int], *, of_target: bool = False
    ) -> np.ndarray:
        """Return a pair's full input, or its full target, resized by area means.

        Args:
            index: Index of the pair.
            size: Height and width (pixels).
            of_target: Whether to resize the target.

        Returns:
            (*size, 3) uint8 sRGB.
        """
        key = index, size, of_target
        if key not in self._thumbnails:
            image = self.read(index)[of_target]
            self._thumbnails[key] = resize_area(image, size)
        return self._thumbnails[key]

    def _decode(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        target = dtypes.img_as_uint8(image_io.load_image(pair.target).pixels)
        if not pair.inputs:
            return target, target
        return dtypes.img_as_uint8(image_io.load_image(pair.inputs[self._port]).pixels), target


def exposure_normalization_factors(cache: PairCache, strength: float) -> np.ndarray:
    """Return factors that bring targets to the geometric mean of their mean brightnesses.

    Args:
        cache: Pairs; all are read.
        strength: From 0 (all factors are 1) to 1 (all targets get the same mean brightness).

    Returns:
        (pairs,) float32 factors.
    """
    if not strength:
        return np.ones(len(cache), np.float32)
    means = [cache.read(index)[1].mean() for index in range(len(cache))]
    logs = np.log(np.maximum(means, 1))
    return np.exp(strength * (logs.mean() - logs)).astype(np.float32)


def dark_quantiles(cache: PairCache, *, max_images: int = 32) -> np.ndarray:
    """Return the quantiles of the pixel values of dark images.

    Args:
        cache: Pairs; at most `max_images` of their inputs are read.
        max_images: Limit of the images that are read.

    Returns:
        (256, 3) float32 in [0, 1], rising: the 0, 1/255, ... 1 quantiles of each channel. Without
        any input, those of an exponential distribution of mean 0.05, which is close to images of
        streets at night.
    """
    fractions = np.linspace(0, 1, 256)
    dark = [index for index in range(len(cache)) if not cache.is_target_only(index)]
    if not dark:
        values = -0.05 * np.log1p(-np.minimum(fractions, 1 - 1e-6))
        return np.repeat(values.clip(0, 1)[:, None], 3, axis=1).astype("float32")
    chosen = dark[:: -(-len(dark) // max_images)]
    small = [cv2.resize(cache.read(i)[0], (96, 64), interpolation=cv2.INTER_AREA) for i in chosen]
    pixels = np.stack(small).reshape(-1, 3) / 255
    return np.quantile(pixels, fractions, axis=0).astype("float32")
