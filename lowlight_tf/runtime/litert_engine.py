"""Running a .tflite file with the LiteRT interpreter. TensorFlow is never loaded here."""

from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import EXPLANATION_SUFFIX, Port
from lowlight_tf.fileio import sha256
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.tflite_graph.io_quantization import strip_io_quantize_ops
from lowlight_tf.tflite_graph.macs import count_macs
from lowlight_tf.tflite_graph.resize_model import resize_model_bytes

UINT8_CODES = np.arange(256)
"""All values of a uint8."""

SIGN_BIT = np.uint8(128)
"""The bit in which a uint8 differs from the int8 of the same meaning."""


class LiteRTEngine(Engine):
    """An `Engine` over a .tflite file and the card next to it.

    Images are passed and returned as float32 in [0, 1] or as uint8, for any type of the file. They
    are written directly into the interpreter's input and read directly from its output; on the way
    8-bit values are converted by lookup tables made from the file's scales and zero points, or
    copied where the table is the identity, as in a file of scale 1/255. An integer file is run
    without the quantize operations at its uint8 ports: see `tflite_graph.io_quantization`.

    A resizable file (see its card) takes images of any size; a change of size
    reallocates its tensors, which takes a few milliseconds.

    Args:
        path: The .tflite file; its card is the .json next to it.
        threads: Processor threads for the interpreter.

    Attributes:
        path: The file.
        card: Its card.
        weights: Number of trained weights.
        preprocessing: What is done to the images of two cameras before they go in.
        size: The (height, width) that the file takes; None if it is resizable.

    Raises:
        UsageError: If the file or its card is missing or damaged, or they do not match.
    """

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        checks.check_min("threads", threads, 1)
        if not path.is_file():
            raise UsageError(f"No file {path}. Pass a .tflite file that exists, with its card.")
        self.path = path
        self.card = ModelCard.load(path.with_suffix(".json"))
        if sha256(path) != self.card.sha256:
            raise UsageError(
                f"{path} does not match its card: the checksums differ. "
                "Copy both again, or export again."
            )
        checks.check_choice("dtype of the card", self.card.dtype, ("float32", "uint8"))
        self.name, self.weights = self.card.name, self.card.weights
        self.contract = self.card.contract
        self.preprocessing = _read_preprocessing(self.card, path)
        self._allocated_size = (self.card.height, self.card.width)
        self.size = None if self.card.resizable else self._allocated_size
        self._interpreter, self._threads = _interpreter(path, self.card.dtype, threads), threads
        self._find_ports()

    def __call__(self, images: Images, *, out: Images | None = None) -> Images:
        """Run one batch, image by image. See `Engine`.

        Args:
            images: Port name -> (B, H, W, C). The type of the first is that of the result.
            out: Where results are written, by port name: contiguous arrays that fit. A loop that
                passes the same ones each time allocates nothing.

        Returns:
            `out`, or new arrays.

        Raises:
            UsageError: If an image is missing, or has a wrong size, type or count.
        """
        first = self.contract.image_inputs[0].name
        size = self._size_of(images.get(first))
        for port in self.contract.inputs:
            self._check(port, images.get(port.name), size)
            if len(images[port.name]) != len(images[first]):
                raise UsageError(
                    f"{self.name} needs as many {port.name!r} as {first!r}. "
                    f"Received: {len(images[port.name])} and {len(images[first])}."
                )
        if size != self._allocated_size:
            self._allocate(size)
        count, dtype = len(images[first]), images[first].dtype
        if out is None:
            out = {
                name: np.empty((count, *tensor.shape), dtype)
                for name, tensor in self._outputs.items()
            }
        for name, tensor in self._outputs.items():
            _check_output(name, out.get(name), (count, *tensor.shape), dtype)
        for index in range(count):
            for name, tensor in self._inputs.items():
                tensor.write(images[name][index])
            self._invoke()
            for name, tensor in self._outputs.items():
                tensor.read(out[name][index])
        return out

    def run_into(self, images: Images, out: Images) -> None:
        """See `Engine`: without copies."""
        (port, *_) = self.contract.image_inputs
        size = self.size or self.contract.round_up(images[port.name].shape[1:3])
        if size != self._allocated_size:
            self._allocate(size)
        for name, tensor in self._inputs.items():
            tensor.write(images[name][0])
        self._invoke()
        for name, tensor in self._outputs.items():
            tensor.read(out[name][0])

    def explanation_maps(self, images: Images) -> Images:
        """Return the outputs that explain the result for one image, (1, h, w, C) float32 in [0, 1].

        Empty if the file has none.
        """
        self({name: image[:1] for name, image in images.items()})
        maps = {}
        for name, details in self._signature("outputs").items():
            if name.endswith(EXPLANATION_SUFFIX):
                tensor = _Tensor(self._interpreter, details, Port(name, 1))
                maps[name] = np.empty((1, *tensor.shape), np.float32)
                tensor.read(maps[name][0])
        return maps

    def count_macs(self, size: tuple[int, int]) -> int:
        """Return the multiply-adds of one image of (height, width) `size`."""
        content = self.path.read_bytes()
        if size != (self.card.height, self.card.width):
            content = resize_model_bytes(content, self.contract, size)
        return count_macs(content)

    def _invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise _load_error(self.path, error) from None

    def _size_of(self, image: np.ndarray | None) -> tuple[int, int]:
        """Return the size that an image is run at; that of the tensors if it is no image."""
        if self.size or image is None or image.ndim != 4:
            return self._allocated_size
        size = image.shape[1:3]
        if 0 in size or size != self.contract.round_up(size):
            raise UsageError(
                f"{self.name} takes heights and widths that are multiples of "
                f"{self.contract.multiple_of}. "
                f"Received: {size[0]}x{size[1]}. `enhance` takes images of any size."
            )
        return size

    def _allocate(self, size: tuple[int, int]) -> None:
        """Reallocate the tensors for images of another size."""
        if self.contract.is_planar:  # whose enlarging operations state the size of their results
            content = resize_model_bytes(self.path.read_bytes(), self.contract, size)
            self._interpreter = _open_content(content, self.card.dtype, self._threads)
            self._interpreter.allocate_tensors()
            self._allocated_size = size
            self._find_ports()
            return
        for port in self.contract.image_inputs:
            index = self._inputs[port.name].index
            self._interpreter.resize_tensor_input(index, (1, *port.shape(size)))
        self._inputs, self._outputs = {}, {}  # no view of the old memory may be left
        self._interpreter.allocate_tensors()
        self._allocated_size = size
        self._find_ports()

    def _find_ports(self) -> None:
        size = self._allocated_size
        height, width = (self.contract.scale * side for side in size)
        self._inputs = self._ports("inputs", self.contract.inputs, size)
        self._outputs = self._ports("outputs", self.contract.outputs, (height, width))

    def _ports(
        self, side: str, ports: tuple[Port, ...], size: tuple[int, int]
    ) -> dict[str, "_Tensor"]:
        """Return the tensor of each port, found by name in the file's signature."""
        details = getattr(self._interpreter, f"get_{side[:-1]}_details")()
        only_one = len(ports) == len(details) == 1
        named = {ports[0].name: details[0]} if only_one else self._signature(side)
        missing = [port.name for port in ports if port.name not in named]
        if missing:
            raise UsageError(
                f"{self.path}: its card names the {side} {', '.join(missing)}; the file has "
                f"{', '.join(named)}. Export again."
            )
        return {port.name: self._tensor(port, named[port.name], size) for port in ports}

    def _signature(self, side: str) -> dict[str, dict]:
        """Return name -> details of the file's "inputs" or "outputs"."""
        signature = next(iter(self._interpreter.get_signature_list()), "serving_default")
        runner = self._interpreter.get_signature_runner(signature)
        return getattr(runner, f"get_{side[:-1]}_details")()

    def _tensor(self, port: Port, details: dict, size: tuple[int, int]) -> "_Tensor":
        """Return the tensor of one port; refuse one that does not match the card."""
        shape, dtype = tuple(map(int, details["shape"])), np.dtype(details["dtype"]).name
        dtype = "uint8" if dtype == "int8" else dtype  # see `tflite_graph.io_quantization`
        expected = (1, *port.shape(size))
        if (shape, dtype) != (expected, self.card.dtype):
            raise UsageError(
                f"{self.path}: {port.name!r} is {dtype} {shape}, its card specifies "
                f"{self.card.dtype} {expected}. Export again."
            )
        if dtype == "uint8" and not 0 < details["quantization"][0] < np.inf:
            raise UsageError(f"{self.path}: {port.name!r} has no quantization scale. Export again.")
        return _Tensor(self._interpreter, details, port)

    def _check(self, port: Port, image: np.ndarray | None, size: tuple[int, int]) -> None:
        expected = port.shape(size)
        if image is None:
            raise UsageError(f"{self.name} needs an image called {port.name!r}. Received none.")
        if image.ndim != 4 or image.shape[1:] != expected:
            raise UsageError(
                f"{self.name} takes {port.name!r} as (batch, {', '.join(map(str, expected))}). "
                f"Received: {image.shape}. `enhance` takes images of any size."
            )
        if image.dtype not in (np.float32, np.uint8):
            raise UsageError(
                f"{self.name} takes float32 in [0, 1] or uint8. Received: {image.dtype}."
            )


def _check_output(
    name: str, image: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype
) -> None:
    if image is None or (image.shape, image.dtype) != (shape, dtype):
        received = "none" if image is None else f"{image.dtype} {image.shape}"
        raise UsageError(f"`out` must hold {name!r}, {dtype} {shape}. Received: {received}.")
    if not image.flags.c_contiguous or not image.flags.writeable:
        raise UsageError(f"`out` must hold {name!r} contiguous and writeable. Pass another array.")


def _read_preprocessing(card: ModelCard, path: Path) -> PairPreprocessing:
    try:
        return PairPreprocessing(**card.preprocessing)
    except TypeError as error:
        raise UsageError(f"The card of {path} asks for unknown preprocessing: {error}.") from None


def _interpreter(path: Path, dtype: str, threads: int) -> Interpreter:
    """Open a file, or raise an error of one line."""
    try:
        Interpreter(model_path=str(path))  # verifies the structure of the file
        interpreter = _open_content(path.read_bytes(), dtype, threads)
        # LiteRT verifies the structure only. A file that is partly overwritten with zeros can pass,
        # with empty tensors; on some of these LiteRT crashes the process.
        if not all(details["name"] for details in interpreter.get_tensor_details()):
            raise ValueError("tensors have no names: the file is damaged")
        interpreter.allocate_tensors()
    except Exception as error:  # of many types; all mean that the file is damaged
        raise _load_error(path, error) from None
    return interpreter


def _open_content(content: bytes, dtype: str, threads: int) -> Interpreter:
    if dtype == "uint8":
        content = strip_io_quantize_ops(content)
    return Interpreter(model_content=content, num_threads=threads)


def _load_error(path: Path, error: Exception) -> UsageError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UsageError(f"{path} cannot be run: {reason}. Export again.")


class _Tensor:
    """One input or output tensor of the file, and its quantization."""

    def __init__(self, interpreter: Interpreter, details: dict, port: Port) -> None:
        # No view may exist while the interpreter runs: each is made when it is needed.
        self.index = details["index"]
        self._view = interpreter.tensor(self.index)
        self.shape = tuple(map(int, details["shape"][1:]))
        self._is_integer = details["dtype"] in (np.uint8, np.int8)
        self._scale, self._zero = details["quantization"]
        self._flip = SIGN_BIT if details["dtype"] == np.int8 else 0
        self._zero += int(self._flip)
        self._black, white = port.levels
        self._levels = white - self._black
        self._range = port.value_range
        byte_values = (UINT8_CODES - self._black) / self._levels
        if self._is_integer:
            self._codes = _to_uint8(byte_values / self._scale + self._zero) ^ self._flip
            codes = ((UINT8_CODES ^ self._flip) - self._zero) * self._scale
            self._bytes = _to_uint8(codes * self._levels + self._black)
            values = np.clip(codes, *self._range)
        else:
            values = byte_values
        self._values = values.astype(np.float32)

    def write(self, image: np.ndarray) -> None:
        """Write an image, float32 in [0, 1] or uint8, into the tensor.

        Of one that is smaller, the lower and the right border are repeated.
        """
        tensor = self._view_as_uint8()
        height, width = image.shape[:2]
        target = tensor[:height, :width]
        if image.dtype == np.uint8:
            _apply_lut(image, self._codes if self._is_integer else self._values, target)
        elif self._is_integer:
            codes = np.rint(image / np.float32(self._scale) + self._zero)
            np.copyto(target, np.clip(codes, 0, 255), casting="unsafe")
            target ^= self._flip
        else:
            np.copyto(target, image)
        tensor[:height, width:] = target[:, -1:]
        tensor[height:] = tensor[height - 1]

    def read(self, image: np.ndarray) -> None:
        """Write the tensor, or as much of it as fits, into an image, float32 in [0, 1] or uint8."""
        height, width = image.shape[:2]
        tensor = self._view_as_uint8()[:height, :width]
        if self._is_integer:
            _apply_lut(tensor, self._bytes if image.dtype == np.uint8 else self._values, image)
        elif image.dtype == np.uint8:  # rounded and clipped to uint8 in one pass
            cv2.multiply(_flat(tensor), self._levels, _flat(image), dtype=cv2.CV_8U)
            if self._black:
                cv2.add(_flat(image), self._black, _flat(image))
        else:
            np.clip(tensor, *self._range, out=image)

    def _view_as_uint8(self) -> np.ndarray:
        return self._view()[0].view(np.uint8) if self._flip else self._view()[0]


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _apply_lut(image: np.ndarray, table: np.ndarray, target: np.ndarray) -> None:
    """Write `table[value]` of each 8-bit value into `target`."""
    if table.dtype == np.uint8 and np.array_equal(table, UINT8_CODES):
        np.copyto(target, image)
    elif table.dtype == np.uint8 and np.array_equal(table, UINT8_CODES ^ SIGN_BIT):
        np.bitwise_xor(image, SIGN_BIT, out=target)
    else:
        cv2.LUT(_flat(image), table, _flat(target))


def _flat(image: np.ndarray) -> np.ndarray:
    """Return an image of one channel, as wide as its rows are long."""
    return image.reshape(len(image), -1)
