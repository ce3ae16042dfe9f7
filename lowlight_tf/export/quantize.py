"""Fewer bits: how each kind of .tflite file is made, and the pictures that its ranges come from."""

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize

from lowlight_tf.contract import Contract

QUANTIZATIONS = ("none", "float16", "dynamic", "int8", "int16x8")

GAINS = (0.5, 1.0, 2.0, 4.0)
"""Exposures that a net must bear, as factors on the calibration pictures."""

FLOAT_OPERATIONS = {"MEAN", "SUB", "MUL", "ADD", "RSQRT", "LEAKY_RELU"}
"""What a normalization and its activation are made of."""

Sample = Mapping[str, np.ndarray]
"""Port name -> (1, H, W, C) float32 in [0, 1]."""


def quantized(
    converter: tf.lite.TFLiteConverter, quantization: str, samples: Sequence[Sample]
) -> bytes:
    """Convert with the weights and activations of the kind asked for.

    "int8" takes and gives uint8 and keeps in float32 what eight bits cannot hold, which costs no
    time: see `_fragile`. "int16x8" has 16-bit activations where the operation has such a kernel.

    Args:
        converter: A converter of a graph of fixed size.
        quantization: One of `QUANTIZATIONS`.
        samples: What the ranges of activations are taken from; "int8" and "int16x8" need some.

    Returns:
        The bytes of the .tflite file.
    """
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS]
    if quantization == "none":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization in ("int8", "int16x8"):
        converter.representative_dataset = lambda: (("serving_default", dict(s)) for s in samples)
    if quantization == "int16x8":
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide, sets.TFLITE_BUILTINS]
    if quantization != "int8":
        return converter.convert()
    # The public converter cannot leave single operations in float; the function under it can.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    return mlir_quantize(
        calibrated,
        input_data_type=tf.uint8,
        output_data_type=tf.uint8,
        denylisted_ops=FLOAT_OPERATIONS,
        denylisted_nodes=_fragile(calibrated),
    )


def calibration(
    pictures: Sequence[Mapping[str, np.ndarray]], contract: Contract, size: tuple[int, int]
) -> list[Sample]:
    """Return samples of one size that span exposures.

    Each picture is cut to the size around its center, and exposed by the next of `GAINS`; fewer
    pictures than 16 are taken again with other gains. One pixel is black and one white, so that the
    range of each input is exactly [0, 1], whose eight bits are the camera's own.

    Args:
        pictures: Port name -> (H, W, C) float32 in [0, 1], any size.
        contract: The ports.
        size: Height and width (pixels).
    """
    rounds = max(1, min(len(GAINS), -(-16 // len(pictures))))
    samples = []
    for turn in range(rounds):
        for index, picture in enumerate(pictures):
            gain = GAINS[(index + turn) % len(GAINS)]
            samples.append(
                {
                    port.name: np.clip(centered(picture[port.name], size) * gain, 0, 1)[None]
                    for port in contract.inputs
                }
            )
    for image in samples[0].values():
        image[0, 0, 0], image[0, -1, -1] = 0, 1
    return samples


def centered(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of a picture, (H, W, C) -> (*size, C), enlarged first if it is too small."""
    enlarged = max(size[0] / image.shape[0], size[1] / image.shape[1])
    if enlarged > 1:
        height, width = (round(side * enlarged) for side in image.shape[:2])
        image = cv2.resize(image, (max(width, size[1]), max(height, size[0])))
        image = image.reshape(*image.shape[:2], -1)
    top, left = ((have - want) // 2 for have, want in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]


def _fragile(calibrated: bytes) -> set[str]:
    """Return the names of the convolutions that lose more in eight bits than they gain.

    These are the first one (between a dark and a bright picture its outputs differ a hundredfold
    before they are normalized), those that average statistics (on pictures of 1 x 1), and 1 x 1
    convolutions at the largest size, which are cheap but stand close to the result.
    """
    convolutions = [
        (kernel, area, name) for kernel, area, name in _convolutions(calibrated) if area > 1
    ]
    largest = max((area for _, area, _ in convolutions), default=0)
    names = {name for _, area, name in _convolutions(calibrated) if area == 1}
    names.update(name for kernel, area, name in convolutions if kernel == 1 and area == largest)
    names.update(name for _, _, name in convolutions[:1])
    return names


def _convolutions(file: bytes) -> Iterator[tuple[int, int, str]]:
    """Return kernel area, output area (pixels) and output name of each convolution, in order."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.CONV_2D:
            kernel = graph.tensors[operator.inputs[1]].shape
            output = graph.tensors[operator.outputs[0]]
            yield (
                int(kernel[1] * kernel[2]),
                int(output.shape[1] * output.shape[2]),
                output.name.decode(),
            )
