"""Observation of every operation's inputs and outputs while a model runs on samples."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from lowlight_tf.export.quantization.post_training import Sample
from lowlight_tf.layers.graph_walk import walk_graph

MAX_SAMPLES = 16
"""Number of samples, evenly spaced, that are run at most."""


def observe_activations(
    model: keras.Model,
    samples: Sequence[Sample],
    callback: Callable[[keras.Operation, tuple[Any, ...], Any], None],
) -> None:
    """Run a model on at most `MAX_SAMPLES` samples and call back for every operation.

    Args:
        model: A functional model.
        samples: Samples that span the model's inputs: port name -> (1, H, W, C).
        callback: Called as (operation, its positional arguments, its result).
    """

    def run(operation: keras.Operation, *args, **kwargs):
        result = operation(*args, **kwargs)
        callback(operation, args, result)
        return result

    for sample in samples[:: -(-len(samples) // MAX_SAMPLES)]:
        inputs = [sample[port.name] for port in model.inputs]
        walk_graph(model, inputs, run)
