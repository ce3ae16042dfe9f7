"""Building models of the catalog with the options of a recipe."""

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
    *args: Any,
    precision: str = "float32",
) -> keras.Model:
    """Build a model by its name.

    Args:
        registry: MODELS or DISCRIMINATORS of the catalog.
        name: A name in it.
        options: Keyword arguments of the function that builds it, from the recipe.
        args: Its positional arguments.
        precision: "float32", "mixed_float16" or "mixed_bfloat16".

    Raises:
        UsageError: If there is no such model, or it has no such option.
    """
    build = registry.find(name).load()
    parameters = inspect.signature(build).parameters.values()
    supported = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} - {"name"}
    for option in options:
        if option not in supported:
            raise UsageError(
                f"{name} has no option {option!r}. Known: {closest_match(option, supported)}."
            )
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return build(*args, **options)
    except TypeError as error:
        raise UsageError(f"`options` of {name} do not fit: {error}.") from None
    finally:
        keras.config.set_dtype_policy(policy)
