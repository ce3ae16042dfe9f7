"""Detecting the 80 classes of COCO in an image with a .tflite file. TensorFlow is not loaded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.runtime import input_checks

DETECTOR_FILES = {"nanodet_g": Path(__file__).parents[2] / "weights" / "nanodet_g.tflite"}
"""Detectors of the package."""

LETTERBOX_VALUE = 114  # gray level of the padding of an image that is not square
MIN_SCORE = 0.01  # below which detections are dropped
PRE_NMS_TOP_K = 1000  # boxes of an image before non-maximum suppression
MAX_DETECTIONS = 100  # boxes of an image after it
IMAGENET = np.float32([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])  # mean and deviation, RGB

CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""The 80 classes of COCO, in its order."""


class Detection(NamedTuple):
    """One detected object.

    Attributes:
        name: One of `CLASSES`.
        box: Left, top, right, bottom, in pixels from the upper left corner of the image.
        score: Confidence in [0, 1].
    """

    name: str
    box: tuple[float, float, float, float]
    score: float


class Detector(Protocol):
    """Anything that detects objects in an image.

    Attributes:
        name: Its name in tables.
        classes: Names of the classes that it detects.
    """

    name: str
    classes: tuple[str, ...]

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the objects in an (H, W, 3) sRGB image, uint8, uint16 or float32; best first."""
        ...


class _DetectorFamily(NamedTuple):
    """Preprocessing and decoding of detectors of one kind.

    Attributes:
        preprocess: (S, S, 3) uint8 RGB -> the file's input.
        decode: Outputs, side S -> boxes (N, 4) in pixels of the square, scores (N, 80).
        nms_iou: IoU from which the worse of two boxes of a class is suppressed.
    """

    preprocess: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[Sequence[np.ndarray], int], tuple[np.ndarray, np.ndarray]]
    nms_iou: float


class LiteRTDetector:
    """A `Detector` over a .tflite file of NanoDet or YOLOX, trained on COCO.

    The image is letterboxed: resized to fit the file's square input, in its upper left corner.

    Args:
        path: The file; which of the two it is follows from its outputs.
        threads: Processor threads for the interpreter.

    Raises:
        UsageError: If there is no such file, or it is no such detector.
    """

    classes = CLASSES

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        checks.check_min("threads", threads, 1)
        if not path.is_file():
            raise UsageError(f"No file {path}. Pass the .tflite file of a detector.")
        self.name, self.path = path.stem, path
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        except Exception as error:  # of many types; all mean that the file is damaged
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"{path} cannot be run: {reason.rstrip('.')}. Fetch it again."
            ) from None
        (port, *others) = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        last = sorted(int(one["shape"][-1]) for one in outputs)
        if others or port["dtype"] != np.float32 or tuple(last) not in FAMILIES:
            raise UsageError(
                f"{path} must be a NanoDet (three outputs of 80 and of 44 columns) or a YOLOX "
                f"(three of 85) with one float32 input. Received: {len(others) + 1} inputs and "
                f"outputs of {', '.join(map(str, last))} columns."
            )
        self._interpreter.allocate_tensors()
        self._input, self._outputs = port["index"], [one["index"] for one in outputs]
        self._family = FAMILIES[tuple(last)]
        self._side = int(port["shape"][2])

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Detect the objects in an image. See `Detector`.

        Raises:
            UsageError: If the image's shape or type does not fit.
        """
        input_checks.check_image(image)
        height, width = image.shape[:2]
        ratio = self._side / max(height, width)
        rows, columns = (max(1, round(ratio * side)) for side in (height, width))
        square = np.full((self._side, self._side, 3), LETTERBOX_VALUE, np.uint8)
        square[:rows, :columns] = cv2.resize(_clip_to_uint8(image), (columns, rows))
        self._interpreter.set_tensor(self._input, self._family.preprocess(square))
        self._interpreter.invoke()
        outputs = [self._interpreter.get_tensor(index) for index in self._outputs]
        boxes, scores = self._family.decode(outputs, self._side)
        boxes = np.clip(boxes, 0, (columns, rows) * 2) * ((width / columns, height / rows) * 2)
        return _non_max_suppression(boxes, scores, self._family.nms_iou)


def load_detector(detector: str | Path, *, threads: int = 2) -> LiteRTDetector:
    """Open a shipped detector ("nanodet_g"), or the .tflite file of a NanoDet or YOLOX.

    Raises:
        UsageError: If there is no such thing.
    """
    path = DETECTOR_FILES.get(str(detector), Path(detector))
    if path.suffix != ".tflite":
        raise UsageError(
            f"A detector must be one of: {', '.join(DETECTOR_FILES)}, or a .tflite file. "
            f"Received: {detector}."
        )
    return LiteRTDetector(path, threads=threads)


def _clip_to_uint8(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    return dtypes.img_as_uint8(np.clip(dtypes.img_as_float32(image), 0, 1))


def _non_max_suppression(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> list[Detection]:
    """Return the detections among boxes (N, 4) with scores (N, classes)."""
    indices, classes = np.nonzero(scores >= MIN_SCORE)
    found = scores[indices, classes]
    order = np.argsort(-found, kind="stable")[:PRE_NMS_TOP_K]
    indices, classes, found = indices[order], classes[order], found[order]
    corners = boxes[indices]
    corner_and_size = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(
        corner_and_size.tolist(), found.tolist(), classes.tolist(), MIN_SCORE, overlap
    )
    return [
        Detection(CLASSES[classes[index]], tuple(corners[index].tolist()), float(found[index]))
        for index in sorted(kept)[:MAX_DETECTIONS]
    ]


def _grid_centers(count: int) -> np.ndarray:
    """Return (column, row) of each cell of a square grid, row by row."""
    side = round(count**0.5)
    rows, columns = np.divmod(np.arange(count), side)
    return np.stack([columns, rows], axis=1)


def _preprocess_nanodet(square: np.ndarray) -> np.ndarray:
    blue_first = (square[..., ::-1] - NANODET[0]) / NANODET[1]
    return np.ascontiguousarray(blue_first.transpose(2, 0, 1)[None], np.float32)


def _decode_nanodet(outputs: Sequence[np.ndarray], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode sides whose distances from the cell's center are means of predicted distributions."""
    sizes = sorted({output.shape[1] for output in outputs}, reverse=True)
    of = {output.shape[1:]: output[0] for output in outputs}
    boxes = []
    for count in sizes:
        stride = side / round(count**0.5)
        logits = of[count, 44].reshape(count, 4, 11)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distances = stride * (weights @ np.arange(11)) / weights.sum(axis=2)
        centers = (_grid_centers(count) + 0.5) * stride
        boxes.append(np.hstack([centers - distances[:, :2], centers + distances[:, 2:]]))
    return np.concatenate(boxes), np.concatenate([of[count, 80] for count in sizes])


def _preprocess_yolox(square: np.ndarray) -> np.ndarray:
    return ((np.float32(square) / 255 - IMAGENET[0]) / IMAGENET[1])[None]


def _decode_yolox(outputs: Sequence[np.ndarray], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode a center offset, a size, an objectness and class probabilities for each cell."""
    boxes, scores = [], []
    for output in outputs:
        stride = side / output.shape[1]
        cells = output.reshape(-1, 85)
        centers = (cells[:, :2] + _grid_centers(len(cells))) * stride
        halves = np.exp(cells[:, 2:4]) * stride / 2
        boxes.append(np.hstack([centers - halves, centers + halves]))
        scores.append(cells[:, 4:5] * cells[:, 5:])
    return np.concatenate(boxes), np.concatenate(scores)


NANODET = np.float32([[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]])  # mean, deviation, BGR
FAMILIES = {
    (44, 44, 44, 80, 80, 80): _DetectorFamily(_preprocess_nanodet, _decode_nanodet, 0.6),
    (85, 85, 85): _DetectorFamily(_preprocess_yolox, _decode_yolox, 0.45),
}
"""Sorted column counts of a file's outputs -> how to use it."""
