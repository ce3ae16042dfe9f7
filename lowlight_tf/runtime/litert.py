"""Run a .tflite file with the LiteRT interpreter. TensorFlow is never loaded here."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Card, Port, sha256
from lowlight_tf.runtime.engine import Images


class LiteRTEngine:
    """An `Engine` over a .tflite file and the card beside it.

    Whatever type the file takes, images go in and come out as float32 in [0, 1] or as uint8: a
    quantized file is served by tables of 256 values, made from its own scales and zero points.

    Args:
        path: The .tflite file; its card is the .json beside it.
        threads: Processor threads for the interpreter.

    Raises:
        UsageError: If the file or its card is missing, damaged, or not of the other.
    """

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        checks.at_least("threads", threads, 1)
        if not path.is_file():
            raise UsageError(f"No file {path}. Pass a .tflite file that exists, with its card.")
        self.card = Card.load(path.with_suffix(".json"))
        if sha256(path) != self.card.sha256:
            raise UsageError(
                f"{path} is not the file that its card was written for: the checksums differ. "
                "Copy both again, or export again."
            )
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"{path} cannot be run: {reason}. Export again.") from None
        self.name = self.card.name
        self.contract = self.card.contract
        self.size = (self.card.height, self.card.width)
        self._inputs = self._ports("inputs", self.contract.inputs)
        self._outputs = self._ports("outputs", self.contract.outputs)

    def __call__(self, images: Images) -> Images:
        """Run one batch, picture by picture. See `Engine`.

        Raises:
            UsageError: If a port's image is missing, or of another size, channels or type.
        """
        ports = self.contract.inputs
        for port in ports:
            self._check(port, images.get(port.name))
        whole = images[ports[0].name].dtype == np.uint8
        results = [
            self._run({port.name: images[port.name][index] for port in ports}, whole)
            for index in range(len(images[ports[0].name]))
        ]
        return {name: np.stack([one[name] for one in results]) for name in self._outputs}

    def _run(self, images: Images, whole: bool) -> Images:
        for name, details in self._inputs.items():
            self._interpreter.set_tensor(details["index"], _into(images[name], details)[None])
        self._interpreter.invoke()
        return {
            name: _out_of(self._interpreter.get_tensor(details["index"])[0], details, whole)
            for name, details in self._outputs.items()
        }

    def _ports(self, side: str, ports: tuple[Port, ...]) -> dict[str, dict]:
        """Return the interpreter's details of each port, found by name in the file's signature."""
        details = getattr(self._interpreter, f"get_{side[:-1]}_details")()
        if len(ports) == len(details) == 1:
            return {ports[0].name: details[0]}
        signature = next(iter(self._interpreter.get_signature_list()), "serving_default")
        runner = self._interpreter.get_signature_runner(signature)
        named = getattr(runner, f"get_{side[:-1]}_details")()
        missing = [port.name for port in ports if port.name not in named]
        if missing:
            raise UsageError(
                f"{self.name}: the card names the {side} {', '.join(missing)}; the file has "
                f"{', '.join(named)}. Export again."
            )
        return {port.name: named[port.name] for port in ports}

    def _check(self, port: Port, image: np.ndarray | None) -> None:
        expected = port.shape(self.size)
        if image is None:
            raise UsageError(f"{self.name} needs an image called {port.name!r}. Received none.")
        if image.ndim != 4 or image.shape[1:] != expected:
            raise UsageError(
                f"{self.name} takes {port.name!r} as (batch, {', '.join(map(str, expected))}). "
                f"Received: {image.shape}. `enhance` fits pictures of any size."
            )
        if image.dtype not in (np.float32, np.uint8):
            raise UsageError(
                f"{self.name} takes float32 in [0, 1] or uint8. Received: {image.dtype}."
            )


def _into(image: np.ndarray, details: dict) -> np.ndarray:
    """Return an image as the type that the file takes."""
    if details["dtype"] == np.float32:
        return image if image.dtype == np.float32 else np.divide(image, 255, dtype=np.float32)
    scale, zero = details["quantization"]
    if image.dtype == np.uint8:
        return _look_up(image, _table(lambda grey: grey / 255 / scale + zero))
    return np.clip(np.rint(image / np.float32(scale) + zero), 0, 255).astype(np.uint8)


def _out_of(image: np.ndarray, details: dict, whole: bool) -> np.ndarray:
    """Return what the file gave as uint8 if `whole`, else as float32 in [0, 1]."""
    scale, zero = details["quantization"]
    if details["dtype"] == np.float32:
        image = np.clip(image, 0, 1, out=image)
        return np.rint(np.multiply(image, 255, out=image)).astype(np.uint8) if whole else image
    if whole:
        return _look_up(image, _table(lambda code: (code - zero) * scale * 255))
    values = np.clip((np.arange(256) - zero) * scale, 0, 1)
    return _look_up(image, values.astype(np.float32))


def _table(curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the 8-bit values that a curve gives to all 8-bit values."""
    return np.clip(np.rint(curve(np.arange(256))), 0, 255).astype(np.uint8)


def _look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return what `table` says of each 8-bit value, without 64-bit indices as NumPy makes."""
    return cv2.LUT(image, table).reshape(image.shape)
