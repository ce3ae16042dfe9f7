"""Clone of a Keras 3 model in tf_keras, the Keras that tensorflow-model-optimization supports.

Layers with weights are created again in tf_keras. All other Keras 3 operations are wrapped: they
run on TensorFlow tensors of either Keras.
"""

import inspect
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

import keras
import tensorflow as tf
import tf_keras

from lowlight_tf.checks import UsageError
from lowlight_tf.layers.graph_walk import walk_graph

LayerHook = Callable[[keras.Operation, tf_keras.layers.Layer], tf_keras.layers.Layer]
"""(operation of the model, its tf_keras layer) -> the layer to use in its place."""

WEIGHTED_LAYERS = {
    keras.layers.Conv2D: (
        tf_keras.layers.Conv2D,
        ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
    ),
    keras.layers.PReLU: (tf_keras.layers.PReLU, ("shared_axes",)),
}
"""Keras layer with weights -> tf_keras layer, and the fields of its config to copy."""

FUSED_ACTIVATIONS = {
    keras.activations.linear: tf_keras.activations.linear,
    keras.activations.relu: tf_keras.activations.relu,
}
"""Activations that are fused into the convolution; others become layers of their own."""

Batch = tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]
"""(port -> images, "target" -> images), (B, H, W, C) in [0, 1]."""

LossFn = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]
"""All images of a batch (inputs, outputs and target) by name -> the scalar loss."""

LEGACY_ENV = "TF_USE_LEGACY_KERAS"
"""Environment variable by which TensorFlow chooses Keras 2."""

_TfKerasTensor = type(tf_keras.Input(()))  # the class has no public name


class Keras3OpLayer(tf_keras.layers.Layer):
    """A Keras 3 operation without weights as a layer of tf_keras.

    Args:
        run: (tensors, training) -> tensor.
    """

    def __init__(self, run: Callable[[list[tf.Tensor], bool], tf.Tensor], *, name: str) -> None:
        super().__init__(name=name)
        self._run = tf.autograph.experimental.do_not_convert(run)

    def call(self, inputs: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        """Run one batch."""
        return self._run(tf.nest.flatten(inputs), bool(training))


def import_tfmot() -> ModuleType:
    """Return tensorflow-model-optimization, imported without a change of the environment.

    Its import sets `LEGACY_ENV`, which would make `tf.keras` Keras 2 for all code that uses it
    later, in this process and its subprocesses.
    """
    before = {name: value for name, value in os.environ.items() if name == LEGACY_ENV}
    getattr(tf.keras, "version", None)  # resolves the lazy module to Keras 3
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it imports distutils
            import tensorflow_model_optimization as tfmot
    finally:
        os.environ.pop(LEGACY_ENV, None)
        os.environ.update(before)
    return tfmot


class TfKerasClone(NamedTuple):
    """A tf_keras clone of a model.

    Attributes:
        model: The tf_keras model.
        weights: Name of the original layer -> weights of its clone.
        frozen: Names of the layers that are not trained, see `frozen_layers`.
    """

    model: tf_keras.Model
    weights: dict[str, list[tf.Variable]]
    frozen: frozenset[str] = frozenset()

    def copy_weights_to(self, model: keras.Model) -> None:
        """Copy the weights into the model that was cloned."""
        for name, weights in self.weights.items():
            model.get_layer(name).set_weights([weight.numpy() for weight in weights])


def clone_to_tf_keras(
    model: keras.Model, hook: LayerHook = lambda operation, layer: layer
) -> TfKerasClone:
    """Return a tf_keras clone that computes the same as a model, with weights of its own.

    Args:
        model: A functional model, reparameterized, on the TensorFlow backend.
        hook: Called for each operation, inputs included; may wrap the tf_keras layer.

    Returns:
        A clone with the same ports and layer names. A layer with weights that the model calls
        several times is one layer of the clone; for one without weights, each further call is a
        layer "NAME_call2".

    Raises:
        UsageError: If the model has a layer with weights that is not in `WEIGHTED_LAYERS`.
    """
    supported = ", ".join(kind.__name__ for kind in WEIGHTED_LAYERS)
    for layer in model.layers:
        if layer.weights and type(layer) not in WEIGHTED_LAYERS:
            raise UsageError(
                f"{model.name} cannot be cloned to tf_keras: its layer {layer.name!r} is a "
                f"{type(layer).__name__}; with weights only {supported} are supported. Leave out "
                "quantization-aware training and pruning for this model."
            )
    weights: dict[str, list[tf.Variable]] = {}
    layers: dict[str, tf_keras.layers.Layer] = {}
    calls: Counter[str] = Counter()

    def convert(operation: keras.Operation, *args, **kwargs):
        tensors = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, _TfKerasTensor)]
        inputs = tensors[0] if len(tensors) == 1 else tensors
        if type(operation) not in WEIGHTED_LAYERS:
            calls[operation.name] += 1
            suffix = f"_call{calls[operation.name]}" if calls[operation.name] > 1 else ""
            layer = Keras3OpLayer(
                _bind_arguments(operation, args, kwargs), name=f"{operation.name}{suffix}"
            )
            return hook(operation, layer)(inputs)
        if operation.name not in layers:
            layer = _convert_layer(operation, inputs.shape)
            weights[operation.name] = layer.weights
            layers[operation.name] = hook(operation, layer)
        result = layers[operation.name](inputs)
        activation = getattr(operation, "activation", None)
        if activation in (None, *FUSED_ACTIVATIONS):
            return result
        return convert(keras.layers.Activation(activation, name=f"{operation.name}_active"), result)

    inputs = {name: tf_keras.Input(port.shape[1:], name=name) for name, port in model.input.items()}
    start = {
        name: hook(
            model.get_layer(name), Keras3OpLayer(lambda x, training: x[0], name=f"{name}_input")
        )(x)
        for name, x in inputs.items()
    }
    outputs = walk_graph(model, start, convert)
    clone = tf_keras.Model(inputs, outputs, name=model.name)
    return TfKerasClone(clone, weights, frozen_layers(model))


def frozen_layers(model: keras.Model) -> frozenset[str]:
    """Return the names of the layers of a model that must not be trained.

    These are the layers with weights that are not trainable, and all layers before them: they were
    fitted to the outputs of those layers.
    """
    not_trainable = [layer for layer in model.layers if layer.weights and not layer.trainable]
    upstream = (keras.Model(model.inputs, layer.output).layers for layer in not_trainable)
    return frozenset(layer.name for layers in upstream for layer in layers if layer.weights)


def _convert_layer(
    layer: keras.layers.Layer, shape: tuple[int | None, ...]
) -> tf_keras.layers.Layer:
    """Return a layer with weights as a built layer of tf_keras with the same weights."""
    kind, fields = WEIGHTED_LAYERS[type(layer)]
    config = layer.get_config()
    clone = kind(name=layer.name, **{field: config[field] for field in fields})
    if getattr(layer, "activation", None) in FUSED_ACTIVATIONS:
        clone.activation = FUSED_ACTIVATIONS[layer.activation]
    clone.build(shape)
    clone.set_weights(layer.get_weights())
    return clone


def _bind_arguments(operation: keras.Operation, args: tuple, kwargs: dict) -> Callable:
    """Return an operation as a function of its tensors, its other arguments bound."""
    placeholder = object()
    pattern = keras.tree.map_structure(
        lambda x: placeholder if isinstance(x, _TfKerasTensor) else x, (args, kwargs)
    )
    function = getattr(operation, "call", operation)
    has_training = "training" in inspect.signature(function).parameters

    def run(tensors: list[tf.Tensor], training: bool) -> tf.Tensor:
        remaining = iter(tensors)
        args, kwargs = keras.tree.map_structure(
            lambda x: next(remaining) if x is placeholder else x, pattern
        )
        mode = {"training": training} if has_training else {}
        return operation(*args, **{**kwargs, **mode})

    return run


def fine_tune(
    clone: TfKerasClone,
    batches: Iterable[Batch],
    loss_fn: LossFn,
    *,
    steps: int,
    learning_rate: float,
    callback: tf_keras.callbacks.Callback | None = None,
) -> None:
    """Train a clone for some steps by Adam, with cosine decay of the learning rate to zero.

    Args:
        clone: The clone to train.
        batches: At least as many as `steps`.
        loss_fn: The loss to minimize.
        steps: Number of batches to train on.
        learning_rate: Initial learning rate.
        callback: Called at each step and at the end, as by `fit`.
    """
    model, callback = clone.model, callback or tf_keras.callbacks.Callback()
    trainable = [name for name in clone.weights if name not in clone.frozen]
    variables = [weight for name in trainable for weight in clone.weights[name]]
    schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = tf_keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(inputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor]) -> None:
        with tf.GradientTape() as tape:
            loss = loss_fn({**inputs, **targets, **model(inputs, training=True)})
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    model.optimizer = optimizer  # callbacks read the step from it
    callback.set_model(model)
    callback.on_train_begin()
    for number, (inputs, targets) in zip(range(steps), batches, strict=False):
        callback.on_train_batch_begin(number)
        step(inputs, targets)
    callback.on_epoch_end(0)
