"""Paths -> arrays, kept in memory as far as there is room."""

import threading
from collections.abc import Callable, Hashable, Sequence

import cv2
import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.resize import resize_area


class ArrayCache:
    """Pictures that are made when asked for and kept while room lasts. Threads may share it.

    Args:
        capacity_mb: Room (MB); what does not fit is made each time.
    """

    def __init__(self, capacity_mb: int) -> None:
        self._room = capacity_mb * 10**6
        self._kept: dict[Hashable, tuple[np.ndarray, ...]] = {}
        self._lock = threading.Lock()

    def get(
        self, key: Hashable, make: Callable[[], tuple[np.ndarray, ...]]
    ) -> tuple[np.ndarray, ...]:
        """Return what is kept under a key, or else what `make` returns."""
        kept = self._kept.get(key)
        if kept is None:
            kept = make()
            size = sum(image.nbytes for image in kept)
            with self._lock:
                if key not in self._kept and size <= self._room:
                    self._room -= size
                    self._kept[key] = kept
        return kept


class PairCache:
    """The pictures of a list of pairs, decoded when asked for and kept as 8 bit while room lasts.

    Args:
        pairs: What to read. A pair without inputs is a day picture: its input is its target.
        port: Which input is read.
        cache_mb: Room for decoded pictures (MB); what does not fit is decoded each time.
    """

    def __init__(self, pairs: Sequence[Pair], *, port: str = "low", cache_mb: int = 4000) -> None:
        self._pairs = pairs
        self._port = port
        self._shelf = ArrayCache(cache_mb)
        self._glances: dict[tuple[int, tuple[int, int], bool], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def is_target_only(self, index: int) -> bool:
        """Say whether the pair's input has to be made from its target."""
        return not self._pairs[index].inputs

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (input, target) of one pair, each (H, W, 3) uint8 sRGB."""
        pair = self._pairs[index]
        place = str(pair.target), str(pair.inputs.get(self._port))  # a pair may be listed twice
        return self._shelf.get(place, lambda: self._decode(pair))

    def thumbnail(self, index: int, size: tuple[int, int], *, day: bool = False) -> np.ndarray:
        """Return a pair's whole input, or its target if `day`, as a thumbnail port sees it.

        (h, w, 3) uint8 sRGB, each pixel the mean of what it stands for.
        """
        key = index, size, day
        if key not in self._glances:
            image = self.read(index)[day]
            self._glances[key] = resize_area(image, size)
        return self._glances[key]

    def _decode(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        target = _as_uint8(image_io.load_image(pair.target).pixels)
        if not pair.inputs:
            return target, target
        return _as_uint8(image_io.load_image(pair.inputs[self._port]).pixels), target


def exposure_normalization_factors(store: PairCache, leveled: float) -> np.ndarray:
    """Return the factors that bring targets towards the geometric mean of their brightnesses.

    Args:
        store: Pairs; all are read.
        leveled: How far, from 0 (all factors are 1) to 1 (all come to the same brightness).

    Returns:
        (pairs,) float32 factors.
    """
    if not leveled:
        return np.ones(len(store), np.float32)
    means = [store.read(index)[1].mean() for index in range(len(store))]
    logs = np.log(np.maximum(means, 1))
    return np.exp(leveled * (logs.mean() - logs)).astype(np.float32)


def dark_quantiles(store: PairCache, *, most: int = 32) -> np.ndarray:
    """Return what a dark picture's tones are distributed like.

    Args:
        store: Pairs; the inputs of at most `most` of them are looked at.
        most: How many.

    Returns:
        (256, 3) float32 in [0, 1], rising: the tone below which 0, 1/255, ... 1 of the pixels lie.
        Without any dark picture, an exponential distribution of mean 0.05, which is what night
        streets come close to.
    """
    shares = np.linspace(0, 1, 256)
    dark = [index for index in range(len(store)) if not store.is_target_only(index)]
    if not dark:
        tones = -0.05 * np.log1p(-np.minimum(shares, 1 - 1e-6))
        return np.repeat(tones.clip(0, 1)[:, None], 3, axis=1).astype("float32")
    chosen = dark[:: -(-len(dark) // most)]
    small = [cv2.resize(store.read(i)[0], (96, 64), interpolation=cv2.INTER_AREA) for i in chosen]
    pixels = np.stack(small).reshape(-1, 3) / 255
    return np.quantile(pixels, shares, axis=0).astype("float32")


def _as_uint8(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.uint8(np.round(pixels / 257))
