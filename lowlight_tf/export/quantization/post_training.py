"""Post-training quantization of a .tflite file, and which operations stay in float."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python.convert import mlir_quantize

from lowlight_tf.tflite_graph.clamp_ranges import remove_redundant_minimum, set_clamp_ranges
from lowlight_tf.tflite_graph.control_ports import set_control_codes
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model, write_model
from lowlight_tf.tflite_graph.integer_elu import use_integer_elu
from lowlight_tf.tflite_graph.port_ranges import set_port_ranges

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import (
        ModelT,
        OperatorT,
        QuantizationParametersT,
        TensorT,
    )

QUANTIZATIONS = ("float32", "float16", "dynamic_range", "int8", "int16x8")
"""The kinds of .tflite file."""

FLOAT_FALLBACK_OPS = {"MEAN", "SUB", "MUL", "ADD", "RSQRT", "LEAKY_RELU", "LOGISTIC"}
"""Operations of normalizations and activations, which stay in float in a mixed file."""

NORMALIZATION_OPS = {"RSQRT", "SQRT", "DIV"}
"""Operations that only normalizations use: their results exceed the dynamic range of 8 bits."""

OUTLIER_FRACTION = 1e-5
"""Fraction of the values of one image that may be clipped at either end of a range."""

OUTLIER_IMAGE_PERCENT = 5.0
"""Percentage of images whose values may be clipped, however many values that is."""

MIN_RANGE_WIDTH = 1e-6
"""Width below which a range counts as constant; runtimes reject the scale of such a range."""

Sample = Mapping[str, np.ndarray]
"""Port name -> (1, H, W, C) float32 in [0, 1]."""


def quantize_model(
    converter: tf.lite.TFLiteConverter,
    quantization: str,
    samples: Sequence[Sample],
    *,
    controls: Collection[str] = (),
    port_ranges: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> bytes:
    """Convert to the given quantization and return the bytes of the .tflite file.

    "int8" has uint8 inputs and outputs. A model without normalizations becomes integer-only; in one
    with normalizations the operations of `_quantization_sensitive_ops` stay in float32. "int16x8"
    has 16-bit activations where an operation has such a kernel.

    Args:
        converter: A converter of a graph of fixed size.
        quantization: One of `QUANTIZATIONS`.
        samples: Samples to take activation ranges from; required by "int8" and "int16x8".
        controls: Ports that are settings: bytes of an "int8" file are 255 times their value.
        port_ranges: Port name -> the range of an "int8" file's port, where it is given.
    """
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS]
    if quantization == "float32":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization in ("int8", "int16x8"):
        converter.representative_dataset = lambda: (
            ("serving_default", dict(sample)) for sample in samples
        )
    if quantization == "int16x8":
        int16_ops = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [int16_ops, sets.TFLITE_BUILTINS]
    if quantization != "int8":
        return converter.convert()
    # The public converter can neither keep single operations in float nor take given ranges; the
    # function that it calls can.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    graph = read_model(calibrated)
    if not NORMALIZATION_OPS & {code for _, code in _iter_operators(graph)}:
        quantized = mlir_quantize(
            set_port_ranges(
                set_clamp_ranges(_clip_calibration_ranges(calibrated, samples)),
                port_ranges,
            ),
            input_data_type=tf.uint8,
            output_data_type=tf.uint8,
        )
        quantized = remove_redundant_minimum(quantized)
    else:
        float_ops = _quantization_sensitive_ops(calibrated)
        quantized = mlir_quantize(
            _clip_calibration_ranges(calibrated, samples, FLOAT_FALLBACK_OPS, float_ops),
            input_data_type=tf.uint8,
            output_data_type=tf.uint8,
            denylisted_ops=FLOAT_FALLBACK_OPS,
            denylisted_nodes=float_ops,
        )
    return set_control_codes(use_integer_elu(quantized), controls)


class RangeObserver:
    """Observes a tensor on samples and returns its range without outliers.

    A single lamp in a dark image lies 30 standard deviations from all other values, and a nearly
    black image is noise amplified by normalization. A range that included them would leave too few
    of the 256 steps for the rest. Global statistics, (1, 1, 1, C), are not clipped: that would
    distort an unusual image as a whole.
    """

    def __init__(self) -> None:
        self._lows: list[float] = []
        self._highs: list[float] = []
        self._outlier_percent = 0.0

    def update(self, values: np.ndarray) -> None:
        """Observe the values of one image, (1, ..., C)."""
        is_global = values.size == values.shape[-1]
        fraction = 0.0 if is_global else OUTLIER_FRACTION
        self._outlier_percent = 0.0 if is_global else OUTLIER_IMAGE_PERCENT
        low, high = np.quantile(values, (fraction, 1 - fraction))
        self._lows.append(low)
        self._highs.append(high)

    def min_max(self) -> tuple[float, float]:
        """Return the ends of the range, which includes 0."""
        low = np.percentile(self._lows, self._outlier_percent)
        high = np.percentile(self._highs, 100 - self._outlier_percent)
        return min(float(low), 0.0), max(float(high), 0.0)


def _quantization_sensitive_ops(calibrated: bytes) -> set[str]:
    """Return the output names of convolutions whose 8-bit error outweighs their speed-up.

    These are the first one (its outputs for a dark and a bright image differ a hundredfold before
    they are normalized), those of global statistics (1 x 1 outputs), and 1 x 1 convolutions at the
    largest size, which are cheap and close to the output.
    """
    convolutions = list(_iter_convolutions(read_model(calibrated)))
    largest = max((area for _, area, _ in convolutions), default=0)
    spatial = [name for _, area, name in convolutions if area > 1]
    pointwise = [name for kernel, area, name in convolutions if kernel == 1 and area == largest]
    of_statistics = [name for _, area, name in convolutions if area == 1]
    return {*spatial[:1], *pointwise, *of_statistics}


def _clip_calibration_ranges(
    calibrated: bytes,
    samples: Sequence[Sample],
    float_codes: Collection[str] = (),
    float_ops: Collection[str] = (),
) -> bytes:
    """Return the calibrated file with `RangeObserver` ranges for the tensors that become int8.

    Ranges of elementwise operations cannot be left as the converter found them: its calibration
    computes such operations in place and then reads the values of a later tensor.

    Args:
        calibrated: A .tflite file with the calibrated ranges of its tensors, not yet quantized.
        samples: Samples to observe.
        float_codes: Operations of which all stay in float.
        float_ops: Names of outputs whose operation stays in float.
    """
    model = read_model(calibrated)
    activations = {
        tensor.name.decode(): tensor for tensor in _int8_activations(model, float_codes, float_ops)
    }
    interpreter = Interpreter(
        model_content=calibrated,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner("serving_default")
    indices = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
    observers = {name: RangeObserver() for name in activations}
    for sample in samples:
        runner(**sample)
        for name, observer in observers.items():
            observer.update(interpreter.get_tensor(indices[name]))
    for name, tensor in activations.items():
        low, high = observers[name].min_max()
        tensor.quantization.min, tensor.quantization.max = [low], [high]
    for tensor in model.subgraphs[0].tensors:
        params = tensor.quantization
        if _has_range(params) and params.max[0] - params.min[0] < MIN_RANGE_WIDTH:
            params.max = [1.0]  # the tensor is always 0; any range of nonzero width is correct
    return write_model(model)


def _int8_activations(
    model: "ModelT", float_codes: Collection[str], float_ops: Collection[str]
) -> Iterator["TensorT"]:
    """Yield the activations that become int8, except those within [0, 1], which 8 bits hold."""
    tensors = model.subgraphs[0].tensors
    indices = set()
    for operator, code in _iter_operators(model):
        output_name = tensors[operator.outputs[0]].name.decode()
        if code not in float_codes and output_name not in float_ops:
            indices.update((*operator.inputs, *operator.outputs))
    for index in sorted(indices - {-1}):
        params = tensors[index].quantization
        if _has_range(params) and (params.min[0] < 0 or params.max[0] > 1):
            yield tensors[index]


def _has_range(params: "QuantizationParametersT | None") -> bool:
    """Return whether a tensor has one range: an activation, not a constant."""
    return params is not None and params.min is not None and len(params.min) == 1


def _iter_convolutions(model: "ModelT") -> Iterator[tuple[int, int, str]]:
    """Yield kernel area, output area (pixels) and output name of each convolution, in order."""
    tensors = model.subgraphs[0].tensors
    for operator, code in _iter_operators(model):
        if code == "CONV_2D":
            kernel, output = tensors[operator.inputs[1]], tensors[operator.outputs[0]]
            areas = (int(shape[1] * shape[2]) for shape in (kernel.shape, output.shape))
            yield (*areas, output.name.decode())


def _iter_operators(model: "ModelT") -> Iterator[tuple["OperatorT", str]]:
    """Yield each operation of a file and its name, in order."""
    for operator in model.subgraphs[0].operators:
        yield operator, operator_name(model, operator)
