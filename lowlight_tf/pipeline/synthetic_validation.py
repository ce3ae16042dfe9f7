"""Dark twins of day pictures, written down once: a net is always judged by the same ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowlight_tf.config import Recipe
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.pipeline.image_cache import PairCache, dark_quantiles


def materialize_synthetic_inputs(
    pairs: Sequence[Pair], folder: Path, recipe: Recipe, *, port: str = "low"
) -> list[Pair]:
    """Give every day picture a dark twin; pairs that have an input stay as they are.

    Args:
        pairs: Some without inputs.
        folder: Where `low/` and `high/` are written (a night's headlights change the target too).
            Pictures that are there already are kept.
        recipe: Its `pipeline` and `seed` say what nights are like.
        port: Which input the dark picture becomes.

    Returns:
        As many pairs, in the same order, all with inputs.
    """
    store = PairCache(pairs, port=port, cache_mb=0)
    if all(pair.inputs for pair in pairs):
        return list(pairs)
    import tensorflow as tf

    from lowlight_tf.pipeline.lowlight_synthesis import synthesize_night

    quantiles = tf.constant(dark_quantiles(store))
    twins = []
    for index, pair in enumerate(pairs):
        if pair.inputs:
            twins.append(pair)
            continue
        paths = [folder / side / f"{pair.name}.png" for side in ("low", "high")]
        if not all(path.exists() for path in paths):
            day = np.float32(store.read(index)[1]) / 255
            seed = tf.constant([recipe.seed, index], tf.int32)
            for path, image in zip(
                paths, synthesize_night(day, quantiles, recipe.pipeline, seed), strict=True
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                image_io.write_float_rgb(path, image.numpy())
        twins.append(Pair(pair.name, {port: paths[0]}, paths[1]))
    return twins
