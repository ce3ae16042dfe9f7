"""A net rebuilt layer by layer in tf_keras, the only Keras that the optimization toolkit takes.

tensorflow-model-optimization wraps layers of Keras 2. Layers with weights are built anew there, and
all else is borrowed: a Keras 3 operation runs on TensorFlow's tensors wherever they come from.
"""

import inspect
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import NamedTuple

import keras
import tensorflow as tf
import tf_keras

from lowlight_tf.checks import UsageError

LayerHook = Callable[[keras.Operation, tf_keras.layers.Layer], tf_keras.layers.Layer]
"""(what stands in the net, its shadow) -> what takes the shadow's place."""

WEIGHTED_LAYERS = {
    keras.layers.Conv2D: (
        tf_keras.layers.Conv2D,
        ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
    ),
    keras.layers.PReLU: (tf_keras.layers.PReLU, ("shared_axes",)),
}
"""Layer with weights -> what stands for it, and what of its configuration makes it the same."""

FUSED_ACTIVATIONS = {
    keras.activations.linear: tf_keras.activations.linear,
    keras.activations.relu: tf_keras.activations.relu,
}
"""What is part of the convolution before it on a device; other activations are layers here."""

Batch = tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]
"""(port -> images, "target" -> images), (B, H, W, C) in [0, 1]."""

LossFn = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]
"""From all images of a batch, ports, outputs and target by name, to what is made small."""

LEGACY_ENV = "TF_USE_LEGACY_KERAS"

_KerasTensor = type(tf_keras.Input(()))  # the class has no public name


class Keras3OpLayer(tf_keras.layers.Layer):
    """What Keras 3 computes without weights, as a layer of tf_keras.

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
    """Return tensorflow-model-optimization, which leaves no trace in the environment.

    When it is imported it sets a variable that would give Keras 2 to whatever asks TensorFlow for
    Keras later, in this process or in one that it starts.
    """
    before = {name: value for name, value in os.environ.items() if name == LEGACY_ENV}
    getattr(tf.keras, "version", None)  # resolved to Keras 3 now, and so for good
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it reads versions by distutils
            import tensorflow_model_optimization as tools
    finally:
        os.environ.pop(LEGACY_ENV, None)
        os.environ.update(before)
    return tools


class TfKerasClone(NamedTuple):
    """A tf_keras model of a net.

    Attributes:
        model: It.
        weights: Its weights, by the names of the layers that they came from.
        frozen: Those of these layers that do not learn, see `fixed_layers`.
    """

    model: tf_keras.Model
    weights: dict[str, list[tf.Variable]]
    frozen: frozenset[str] = frozenset()

    def copy_weights_to(self, model: keras.Model) -> None:
        """Set the weights of the net whose shadow this is to those found here."""
        for name, weights in self.weights.items():
            model.get_layer(name).set_weights([weight.numpy() for weight in weights])


def clone_to_tf_keras(
    model: keras.Model, hook: LayerHook = lambda operation, layer: layer
) -> TfKerasClone:
    """Return a tf_keras model that computes what a net computes, with weights of its own.

    Args:
        model: A functional model, folded, on the TensorFlow backend.
        hook: Called for each operation, the inputs among them; it may wrap the layer that will
            stand for it.

    Returns:
        A model of the same ports, whose layers have the names of the net's. A layer that the net
        calls several times is one if it has weights; of what has none, each further call is a layer
        of its own, "NAME_call2".

    Raises:
        UsageError: If the net has a layer with weights that is not known here.
    """
    known = ", ".join(kind.__name__ for kind in WEIGHTED_LAYERS)
    for layer in model.layers:
        if layer.weights and type(layer) not in WEIGHTED_LAYERS:
            raise UsageError(
                f"{model.name} cannot be rebuilt in tf_keras: its layer {layer.name!r} is a "
                f"{type(layer).__name__}; with weights only {known} are known. Leave out "
                "quantization-aware training and pruning for this model."
            )
    weights: dict[str, list[tf.Variable]] = {}
    twins: dict[str, tf_keras.layers.Layer] = {}
    calls: Counter[str] = Counter()

    def follow(operation: keras.Operation, *args, **kwargs):
        tensors = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, _KerasTensor)]
        inputs = tensors[0] if len(tensors) == 1 else tensors
        if type(operation) not in WEIGHTED_LAYERS:
            calls[operation.name] += 1
            again = f"_call{calls[operation.name]}" if calls[operation.name] > 1 else ""
            layer = Keras3OpLayer(
                _bind_arguments(operation, args, kwargs), name=f"{operation.name}{again}"
            )
            return hook(operation, layer)(inputs)
        if operation.name not in twins:
            layer = _convert_layer(operation, inputs.shape)
            weights[operation.name] = layer.weights
            twins[operation.name] = hook(operation, layer)
        result = twins[operation.name](inputs)
        activation = getattr(operation, "activation", None)
        if activation in (None, *FUSED_ACTIVATIONS):
            return result
        return follow(keras.layers.Activation(activation, name=f"{operation.name}_active"), result)

    inputs = {name: tf_keras.Input(port.shape[1:], name=name) for name, port in model.input.items()}
    taken = {
        name: hook(
            model.get_layer(name), Keras3OpLayer(lambda x, training: x[0], name=f"{name}_taken")
        )(x)
        for name, x in inputs.items()
    }
    # Keras has no public name for walking over its graph.
    outputs = model._run_through_graph(taken, lambda operation: partial(follow, operation))
    return TfKerasClone(tf_keras.Model(inputs, outputs, name=model.name), weights, frozen_layers(model))


def frozen_layers(model: keras.Model) -> frozenset[str]:
    """Return the names of the layers of a net that must stay as they are.

    Those are the ones with weights that do not learn, and all that lies before them: they were
    fitted to what these give.
    """
    still = [layer for layer in model.layers if layer.weights and not layer.trainable]
    heard = (keras.Model(model.inputs, layer.output).layers for layer in still)
    return frozenset(layer.name for layers in heard for layer in layers if layer.weights)


def _convert_layer(layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> tf_keras.layers.Layer:
    """Return a layer with weights as one of tf_keras, built, with the same weights."""
    kind, fields = WEIGHTED_LAYERS[type(layer)]
    config = layer.get_config()
    twin = kind(name=layer.name, **{field: config[field] for field in fields})
    if getattr(layer, "activation", None) in FUSED_ACTIVATIONS:
        twin.activation = FUSED_ACTIVATIONS[layer.activation]
    twin.build(shape)
    twin.set_weights(layer.get_weights())
    return twin


def _bind_arguments(operation: keras.Operation, args: tuple, kwargs: dict) -> Callable:
    """Return an operation as a function of its tensors; all else is as it stands in the net."""
    holes = object()
    pattern = keras.tree.map_structure(
        lambda x: holes if isinstance(x, _KerasTensor) else x, (args, kwargs)
    )
    called = getattr(operation, "call", operation)
    learns = "training" in inspect.signature(called).parameters

    def run(tensors: list[tf.Tensor], training: bool) -> tf.Tensor:
        left = iter(tensors)
        args, kwargs = keras.tree.map_structure(lambda x: next(left) if x is holes else x, pattern)
        return operation(*args, **{**kwargs, **({"training": training} if learns else {})})

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
    """Let a shadow learn for some steps, by Adam, the rate falling by half a cosine to nothing.

    Args:
        clone: What learns.
        batches: At least as many as steps.
        loss_fn: What it learns to please.
        steps: How many batches to learn from.
        learning_rate: At the first step.
        callback: Told of each step and of the end, as `fit` would tell it.
    """
    model, callback = clone.model, callback or tf_keras.callbacks.Callback()
    learning = [name for name in clone.weights if name not in clone.frozen]
    variables = [weight for name in learning for weight in clone.weights[name]]
    rates = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = tf_keras.optimizers.Adam(rates, global_clipnorm=1.0)
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
