"""Quantization-aware training: a model is fine-tuned with 8-bit rounding in its forward pass.

The model is cloned to tf_keras (`tf_keras_clone`) and wrapped by tensorflow-model-optimization:
every kernel and activation is rounded as on the device, with straight-through gradients. Activation
ranges are taken from calibration samples, as in post-training quantization.
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
"""Layers that only rearrange values and keep their scale, as `SPLIT_FUNCTION` does."""

SPLIT_FUNCTION = "split"
"""Name of the Keras operation that splits a tensor."""

FUSED_ACTIVATIONS = (keras.layers.ReLU, UnitClip)
"""Layers that are fused into the operation before them: the range of its 8-bit output clips."""

UNIT_RANGE: MinMax = (0.0, 1.0)
"""The range of images."""

LITERT_FIXED_RANGES: dict[str, MinMax] = {"sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""Function -> the output range that LiteRT's quantization specification requires."""


def create_qat_clone(model: keras.Model, samples: Sequence[Sample]) -> TfKerasClone:
    """Return a tf_keras clone of a model that simulates 8-bit kernels and activations.

    Args:
        model: A functional model, reparameterized, on the TensorFlow backend.
        samples: Samples that span the model's inputs: port name -> (1, H, W, C).

    Returns:
        A clone with the same ports, to be fine-tuned for at least one step and then converted.

    Raises:
        UsageError: If the model has a layer that cannot be cloned.
    """
    tfmot_quantization = import_tfmot().quantization.keras
    quantizers = tfmot_quantization.quantizers
    ranges = activation_ranges(model, samples)

    class FakeQuantizeConfig(tfmot_quantization.QuantizeConfig):
        """Kernels quantized per output channel, outputs within a fixed range."""

        def __init__(self, output_range: MinMax | None) -> None:
            self.output_range = output_range

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
            if self.output_range is None:
                return []
            return [quantizers.FixedQuantizer(8, *self.output_range, False)]

        def get_config(self):
            return {"output_range": self.output_range}

    def wrap(operation: keras.Operation, layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(operation, UnitClip):
            layer = _training_only_clip(layer)
        return tfmot_quantization.QuantizeWrapperV2(layer, FakeQuantizeConfig(ranges[layer.name]))

    return clone_to_tf_keras(model, wrap)


def activation_ranges(model: keras.Model, samples: Sequence[Sample]) -> dict[str, MinMax | None]:
    """Return the output range of each layer of a model's clone, None where none is needed.

    Outliers are excluded, as in post-training quantization. A layer that only feeds
    `FUSED_ACTIVATIONS` needs no range: on the device both are one operation.
    """
    fixed: dict[str, MinMax | None] = {}
    fused: set[str] = set()

    def classify(operation: keras.Operation, layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(operation, LAYOUT_OPS) or _function_name(operation) == SPLIT_FUNCTION:
            fixed[layer.name] = None
        elif isinstance(operation, (UnitClip, keras.layers.InputLayer)):
            fixed[layer.name] = UNIT_RANGE
        elif not layer.weights and _function_name(operation) in LITERT_FIXED_RANGES:
            fixed[layer.name] = LITERT_FIXED_RANGES[_function_name(operation)]
        if isinstance(operation, FUSED_ACTIVATIONS):
            fused.add(layer.name)
        return layer

    clone = clone_to_tf_keras(model, classify).model
    for layer in clone.layers:
        readers = {node.layer.name for node in layer.outbound_nodes}
        if readers and readers <= fused:
            fixed[layer.name] = None
    observed = [x for x in clone.layers if x.name not in fixed and x.name not in clone.input]
    outputs = [(layer.name, node.outputs) for layer in observed for node in layer.inbound_nodes]
    probe = tf_keras.Model(clone.input, [tensor for _, tensor in outputs])

    run = tf.function(probe, autograph=False)
    observers = {layer.name: RangeObserver() for layer in observed}
    for sample in samples:
        for (name, _), values in zip(outputs, run(dict(sample)), strict=True):
            observers[name].update(values.numpy())
    ranges = {name: observer.min_max() for name, observer in observers.items()}
    # A layer that is always 0 needs a range, too.
    ranges = {name: (low, high if high > low else 1.0) for name, (low, high) in ranges.items()}
    return {**ranges, **fixed}


def convert_qat_model(
    model: tf_keras.Model, contract: Contract, path: Path, *, size: tuple[int, int]
) -> Path:
    """Write a quantization-aware model as an integer-only .tflite file with uint8 ports.

    Args:
        model: The model of `create_qat_clone`, after some steps of training.
        contract: Its ports.
        path: The file to write.
        size: Height and width (pixels).

    Returns:
        `path`.
    """
    for weight in model.weights:
        values = weight.numpy()
        if "bias" in weight.name and values.any() and np.ptp(values) == 0:
            # The converter gives equal biases one common scale, but each needs its kernel's.
            weight.assign(values * np.linspace(1, 1 + 1e-5, len(values), dtype=np.float32))

    def convert_fn(converter: tf.lite.TFLiteConverter) -> bytes:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        return converter.convert()

    return write_tflite(model, model.weights, contract, path, size=size, convert_fn=convert_fn)


def _training_only_clip(layer: Keras3OpLayer) -> Keras3OpLayer:
    """Return a clip for the gradients of training; in inference the 8-bit range clips."""
    return Keras3OpLayer(
        lambda x, training: layer(x[0], training=True) if training else x[0], name=layer.name
    )


def _function_name(operation: keras.Operation) -> str:
    """Return the name of the function of an activation layer or of a layerless operation."""
    function = getattr(operation, "activation", None) or type(operation)
    return function.__name__.lower()
