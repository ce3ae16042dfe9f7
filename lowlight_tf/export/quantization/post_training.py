"""Fewer bits: how each kind of .tflite file is made, and what of it stays in float."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python.convert import mlir_quantize

from lowlight_tf.tflite_graph.clamp_ranges import remove_redundant_minimum, set_clamp_ranges
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model, write_model

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorT

QUANTIZATIONS = ("float32", "float16", "dynamic_range", "int8", "int16x8")

FLOAT_FALLBACK_OPS = {"MEAN", "SUB", "MUL", "ADD", "RSQRT", "LEAKY_RELU", "LOGISTIC"}
"""What normalizations and activations are made of."""

NORMALIZATION_OPS = {"RSQRT", "SQRT", "DIV"}
"""What tells a net with normalizations: their results span more than eight bits hold."""

OUTLIER_FRACTION = 1e-5
"""Share of the values of one picture that may lie beyond either end of eight bits."""

OUTLIER_IMAGE_PERCENT = 5.0
"""Share of the pictures (percent) whose values may lie there, however many they are."""

MIN_RANGE_WIDTH = 1e-6
"""Width of a range below which a value never moved; runtimes refuse the scale of such a one."""

Sample = Mapping[str, np.ndarray]
"""Port name -> (1, H, W, C) float32 in [0, 1]."""


def quantize_model(
    converter: tf.lite.TFLiteConverter, quantization: str, samples: Sequence[Sample]
) -> bytes:
    """Convert with the weights and activations of the kind asked for.

    "int8" takes and gives uint8. A net without normalizations becomes integer altogether; of one
    with normalizations, what eight bits cannot hold stays in float32: see `_fragile`. "int16x8" has
    16-bit activations where the operation has such a kernel.

    Args:
        converter: A converter of a graph of fixed size.
        quantization: One of `QUANTIZATIONS`.
        samples: What the ranges of activations are taken from; "int8" and "int16x8" need some.

    Returns:
        The bytes of the .tflite file.
    """
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS]
    if quantization == "float32":
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
    # The public converter can neither leave single operations in float nor be told a range; the
    # function under it can.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    graph = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    if not NORMALIZATION_OPS & {code for _, code in _iter_operators(graph)}:
        integer = mlir_quantize(
            set_clamp_ranges(_clip_calibration_ranges(calibrated, samples, set())),
            input_data_type=tf.uint8,
            output_data_type=tf.uint8,
        )
        return remove_redundant_minimum(integer)
    fragile = _quantization_sensitive_ops(calibrated)
    return mlir_quantize(
        _clip_calibration_ranges(calibrated, samples, fragile),
        input_data_type=tf.uint8,
        output_data_type=tf.uint8,
        denylisted_ops=FLOAT_FALLBACK_OPS,
        denylisted_nodes=fragile,
    )


class RangeObserver:
    """The range that a tensor gets, from its values for some pictures: without outliers.

    One lamp in the dark lies 30 deviations away from all else, and a picture that is all but black
    is noise made large by normalization: were the range to reach them, 256 steps would be too
    coarse for the rest. But values that stand for a whole picture, (1, 1, 1, C), are all spanned:
    cut there, an odd picture would come out wrong altogether.
    """

    def __init__(self) -> None:
        self._lows: list[float] = []
        self._highs: list[float] = []
        self._odd = 0.0

    def update(self, values: np.ndarray) -> None:
        """Take note of one picture's values, (1, ..., C)."""
        whole = values.size == values.shape[-1]
        share, self._odd = (0.0, 0.0) if whole else (OUTLIER_FRACTION, OUTLIER_IMAGE_PERCENT)
        low, high = np.quantile(values, (share, 1 - share))
        self._lows.append(low)
        self._highs.append(high)

    def min_max(self) -> tuple[float, float]:
        """Return the lower and the upper end; 0 lies between them."""
        low = np.percentile(self._lows, self._odd)
        high = np.percentile(self._highs, 100 - self._odd)
        return min(float(low), 0.0), max(float(high), 0.0)


def _quantization_sensitive_ops(calibrated: bytes) -> set[str]:
    """Return the names of the convolutions that lose more in eight bits than they gain.

    These are the first one (between a dark and a bright picture its outputs differ a hundredfold
    before they are normalized), those that average statistics (on pictures of 1 x 1), and 1 x 1
    convolutions at the largest size, which are cheap but stand close to the result.
    """
    convolutions = list(_iter_convolutions(schema.ModelT.InitFromPackedBuf(calibrated, 0)))
    largest = max((area for _, area, _ in convolutions), default=0)
    spatial = [name for _, area, name in convolutions if area > 1]
    pointwise = [name for kernel, area, name in convolutions if kernel == 1 and area == largest]
    averages = [name for _, area, name in convolutions if area == 1]
    return {*spatial[:1], *pointwise, *averages}


def _clip_calibration_ranges(
    calibrated: bytes, samples: Sequence[Sample], float_ops: set[str]
) -> bytes:
    """Return the calibrated file with their `Span` as the range of tensors that get eight bits."""
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    ranged = {tensor.name.decode(): tensor for tensor in _int8_activations(model, float_ops)}
    interpreter = Interpreter(
        model_content=calibrated,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner("serving_default")
    indices = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
    spans = {name: RangeObserver() for name in ranged}
    for sample in samples:
        runner(**sample)
        for name, seen in spans.items():
            seen.update(interpreter.get_tensor(indices[name]))
    for name, tensor in ranged.items():
        low, high = spans[name].min_max()
        tensor.quantization.min, tensor.quantization.max = [low], [high]
    for tensor in model.subgraphs[0].tensors:
        ends = tensor.quantization
        ranged_alone = ends is not None and ends.min is not None and len(ends.min) == 1
        if ranged_alone and ends.max[0] - ends.min[0] < MIN_RANGE_WIDTH:
            ends.max = [1.0]  # always 0: any range will do, but one of no width
    return write_model(model)


def _int8_activations(model: schema.ModelT, float_ops: set[str]) -> Iterator[schema.TensorT]:
    """Return the tensors that get eight bits, but pictures in [0, 1]: those have all they need."""
    tensors = model.subgraphs[0].tensors
    indices = set()
    for operator, code in _iter_operators(model):
        if (
            code not in FLOAT_FALLBACK_OPS
            and tensors[operator.outputs[0]].name.decode() not in float_ops
        ):
            indices.update((*operator.inputs, *operator.outputs))
    for index in sorted(indices - {-1}):
        ends = tensors[index].quantization
        if ends is None or ends.min is None or len(ends.min) != 1:
            continue  # a constant
        if ends.min[0] < 0 or ends.max[0] > 1:
            yield tensors[index]


def _iter_convolutions(model: schema.ModelT) -> Iterator[tuple[int, int, str]]:
    """Return kernel area, output area (pixels) and output name of each convolution, in order."""
    tensors = model.subgraphs[0].tensors
    for operator, code in _iter_operators(model):
        if code == "CONV_2D":
            kernel, output = tensors[operator.inputs[1]], tensors[operator.outputs[0]]
            areas = (int(shape[1] * shape[2]) for shape in (kernel.shape, output.shape))
            yield (*areas, output.name.decode())


def _iter_operators(model: schema.ModelT) -> Iterator[tuple[schema.OperatorT, str]]:
    """Return each operation of a file and what it is called, in order."""
    for operator in model.subgraphs[0].operators:
        yield operator, operator_name(model, operator)
