"""Walks over the graph of a functional Keras model: the only user of Keras's private graph API.

`keras.models.clone_model(call_function=)` is the public alternative, but it cannot replace these
walks. It passes symbolic tensors only, where the walks here pass feature-map descriptors, eager
tensors or tensors of tf_keras; its copies of the layers allocate weights and draw from the global
random generator; and without copies each walk adds a node to every layer of the model, after which
`layer.output` raises.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
from keras import KerasTensor


def walk_graph(model: keras.Model, inputs: Any, call: Callable[..., Any]) -> Any:
    """Evaluate a model on values of any type, one operation at a time, in topological order.

    Args:
        model: A functional model.
        inputs: One value for each input, in the structure of `model.input` or as a flat list.
        call: (operation, *args, **kwargs) -> value, or one value for each output of the operation.

    Returns:
        The values of the outputs, in the structure of `model.output`.
    """
    return model._run_through_graph(inputs, lambda operation: partial(call, operation))


def graph_edges(model: keras.Model) -> Iterator[tuple[keras.Operation, keras.Operation]]:
    """Yield (producer, consumer) for each tensor that an operation of a model reads."""
    for nodes in model._nodes_by_depth.values():
        for node in nodes:
            for tensor in node.input_tensors:
                yield producer(tensor), node.operation


def producer(tensor: KerasTensor) -> keras.Operation:
    """Return the operation that a symbolic tensor is an output of."""
    return tensor._keras_history.operation


def last_inputs(operation: keras.Operation) -> list[KerasTensor]:
    """Return the symbolic tensors that an operation was last called on."""
    return operation._inbound_nodes[-1].input_tensors


def count_outputs(operation: keras.Operation) -> int:
    """Return how many tensors an operation of a model returns."""
    return len(operation._inbound_nodes[0].output_tensors)
