"""Quantization-aware training: a net learns for some steps with what eight bits make of it.

The net is rebuilt in tf_keras (`shadow`) and wrapped by tensorflow-model-optimization: every kernel
and every result is rounded as the device will round it, and the gradient passes as if it were not.
The ranges of results are those of calibration pictures, as for a file without such training.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from lowlight_tf.contract import Contract
from lowlight_tf.export.convert import write_tflite
from lowlight_tf.export.quantization.post_training import RangeObserver, Sample
from lowlight_tf.export.tfmot.tf_keras_clone import (
    Keras3OpLayer,
    TfKerasClone,
    clone_to_tf_keras,
    import_tfmot,
)
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

MinMax = tuple[float, float]

LAYOUT_OPS = (SpaceToDepth, DepthToSpace)
"""What changes no value, and so keeps the scale that it finds; `SPLIT` is likewise."""

SPLIT_FUNCTION = "split"

FUSED_ACTIVATIONS = (keras.layers.ReLU, UnitClip)
"""What becomes part of the operation before it: eight bits that span [0, 1] limit by themselves."""

UNIT_RANGE: MinMax = (0.0, 1.0)
"""The range of pictures."""

LITERT_FIXED_RANGES: dict[str, MinMax] = {"sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""The ranges that LiteRT prescribes for what some functions give."""


def create_qat_clone(model: keras.Model, samples: Sequence[Sample]) -> TfKerasClone:
    """Return a tf_keras model that computes what a net will compute in eight bits.

    Args:
        model: A functional model, folded, on the TensorFlow backend.
        samples: Pictures that span what the net will see, as `pictures.calibration` makes.

    Returns:
        A model of the same ports, to be fine-tuned for a step at least and then converted.

    Raises:
        UsageError: If the net has a layer that cannot be rebuilt.
    """
    tools = import_tfmot().quantization.keras
    quantizers = tools.quantizers
    ends = activation_ranges(model, samples)

    class Rounded(tools.QuantizeConfig):
        """Kernels rounded for each output channel, results within a range."""

        def __init__(self, ends: MinMax | None) -> None:
            self.ends = ends

        def get_weights_and_quantizers(self, layer):
            per_channel = quantizers.LastValueQuantizer(
                num_bits=8, per_axis=True, symmetric=True, narrow_range=True
            )
            return [(layer.kernel, per_channel)] if hasattr(layer, "kernel") else []

        def set_quantize_weights(self, layer, quantize_weights):
            if quantize_weights:
                (layer.kernel,) = quantize_weights

        def get_activations_and_quantizers(self, layer):
            return []

        def set_quantize_activations(self, layer, quantize_activations):
            pass

        def get_output_quantizers(self, layer):
            return [quantizers.FixedQuantizer(8, *self.ends, False)] if self.ends else []

        def get_config(self):
            return {"ends": self.ends}

    def rounded(operation: keras.Operation, layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(operation, UnitClip):
            layer = _training_only_clip(layer)
        return tools.QuantizeWrapperV2(layer, Rounded(ends[layer.name]))

    return clone_to_tf_keras(model, rounded)


def activation_ranges(model: keras.Model, samples: Sequence[Sample]) -> dict[str, MinMax | None]:
    """Return the range of the result of each layer of a net's shadow, None where none is needed.

    Outliers are left out, as for a file without such training.
    What only an `ABSORBED` layer reads needs none: on the device both are one operation.
    """
    fixed: dict[str, MinMax | None] = {}

    def note(operation: keras.Operation, layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(operation, LAYOUT_OPS) or _function_name(operation) == SPLIT_FUNCTION:
            fixed[layer.name] = None
        elif isinstance(operation, (UnitClip, keras.layers.InputLayer)):
            fixed[layer.name] = UNIT_RANGE
        elif not layer.weights and _function_name(operation) in LITERT_FIXED_RANGES:
            fixed[layer.name] = LITERT_FIXED_RANGES[_function_name(operation)]
        if isinstance(operation, FUSED_ACTIVATIONS):
            absorbed.add(layer.name)
        return layer

    absorbed: set[str] = set()
    shadow = clone_to_tf_keras(model, note).model
    for layer in shadow.layers:
        readers = {node.layer.name for node in layer.outbound_nodes}
        if readers and readers <= absorbed:
            fixed[layer.name] = None
    free = [x for x in shadow.layers if x.name not in fixed and x.name not in shadow.input]
    results = [(layer.name, node.outputs) for layer in free for node in layer.inbound_nodes]
    probe = tf_keras.Model(shadow.input, [result for _, result in results])

    run = tf.function(probe, autograph=False)
    spans = {layer.name: RangeObserver() for layer in free}
    for sample in samples:
        for (name, _), result in zip(results, run(dict(sample)), strict=True):
            spans[name].update(result.numpy())
    found = {name: seen.min_max() for name, seen in spans.items()}
    # What is 0 always has a range too.
    found = {name: ends if ends[1] > ends[0] else (ends[0], 1.0) for name, ends in found.items()}
    return {**found, **fixed}


def convert_qat_model(
    model: tf_keras.Model, contract: Contract, path: Path, *, size: tuple[int, int]
) -> Path:
    """Write a quantization-aware model as a wholly integer .tflite file, uint8 in and out.

    Args:
        model: What `quantization_aware` gave, after some steps.
        contract: Its ports.
        path: The file to write.
        size: Height and width (pixels).

    Returns:
        `path`.
    """
    for weight in model.weights:
        values = weight.numpy()
        if "bias" in weight.name and values.any() and np.ptp(values) == 0:
            # The converter gives equal biases one scale, though each has that of its kernel.
            weight.assign(values * np.linspace(1, 1 + 1e-5, len(values), dtype=np.float32))

    def finish(converter: tf.lite.TFLiteConverter) -> bytes:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        return converter.convert()

    return write_tflite(model, model.weights, contract, path, size=size, convert_fn=finish)


def _training_only_clip(layer: Keras3OpLayer) -> Keras3OpLayer:
    """Return a limit that lets gradients through in training, and else leaves it to the range."""
    return Keras3OpLayer(
        lambda x, training: layer(x[0], training=True) if training else x[0], name=layer.name
    )


def _function_name(operation: keras.Operation) -> str:
    """Return the name of the function that an activation, or what is no layer, computes."""
    computed = getattr(operation, "activation", None) or type(operation)
    return computed.__name__.lower()
