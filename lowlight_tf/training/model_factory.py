"""Nets as a recipe asks for them."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from lowlight_tf.checks import UsageError
from lowlight_tf.registry import Registry, closest_match


def create_model(
    registry: Registry,
    name: str,
    options: Mapping[str, Any],
    *given: Any,
    precision: str = "float32",
) -> keras.Model:
    """Build the net that a registry knows by a name.

    Args:
        registry: MODELS or CRITICS of the catalog.
        name: A name in it.
        options: What the recipe says of it.
        given: What it is built with before its options.
        precision: "float32", "mixed_float16" or "mixed_bfloat16".

    Raises:
        UsageError: If there is none, or it has no such options.
    """
    build = registry.find(name).load()
    parameters = inspect.signature(build).parameters.values()
    known = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} - {"name"}
    for option in options:
        if option not in known:
            raise UsageError(
                f"{name} has no option {option!r}. Known: {closest_match(option, known)}."
            )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return build(*given, **options)
    except TypeError as error:
        raise UsageError(f"`options` of {name} do not fit: {error}.") from None
    finally:
        keras.config.set_dtype_policy(before)
