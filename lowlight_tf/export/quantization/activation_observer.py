"""What goes through a net: shown to whoever wants to know, operation by operation."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras

from lowlight_tf.export.quantization.post_training import Sample

MAX_SAMPLES = 16
"""How many samples are looked at."""


def observe_activations(
    model: keras.Model,
    samples: Sequence[Sample],
    callback: Callable[[keras.Operation, tuple[Any, ...], Any], None],
) -> None:
    """Run a net on at most `MOST` of some samples, evenly chosen.

    Args:
        model: A functional model.
        samples: Pictures that span what it will see.
        callback: Told of each operation, what it was given by position, and what it gave.
    """

    def run(operation: keras.Operation, *args, **kwargs):
        result = operation(*args, **kwargs)
        callback(operation, args, result)
        return result

    for sample in samples[:: -(-len(samples) // MAX_SAMPLES)]:
        images = [sample[port.name] for port in model.inputs]
        # Keras has no public name for walking over its graph.
        model._run_through_graph(images, lambda operation: partial(run, operation))
