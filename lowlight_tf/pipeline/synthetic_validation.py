"""Synthetic night inputs, written as files so that every validation uses the same ones."""

from collections.abc import Sequence
from pathlib import Path

from lowlight_tf.config import Recipe
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.pipeline.image_cache import PairCache, dark_quantiles


def materialize_synthetic_inputs(
    pairs: Sequence[Pair], folder: Path, recipe: Recipe, *, port: str = "low"
) -> list[Pair]:
    """Synthesize and write an input for each pair without one; the others are unchanged.

    Args:
        pairs: Pairs, some without inputs.
        folder: Destination of `low/` and `high/` (headlights change the target too). Existing files
            are kept.
        recipe: Its `pipeline` and `seed` control the synthesis.
        port: Port of the synthetic input.

    Returns:
        As many pairs, in the same order, all with inputs.
    """
    if all(pair.inputs for pair in pairs):
        return list(pairs)
    import tensorflow as tf

    from lowlight_tf.pipeline.lowlight_synthesis import synthesize_night

    cache = PairCache(pairs, port=port, cache_mb=0)
    quantiles = tf.constant(dark_quantiles(cache))
    complete = []
    for index, pair in enumerate(pairs):
        if pair.inputs:
            complete.append(pair)
            continue
        paths = [folder / subfolder / f"{pair.name}.png" for subfolder in ("low", "high")]
        if not all(path.exists() for path in paths):
            target = dtypes.img_as_float32(cache.read(index)[1])
            seed = tf.constant([recipe.seed, index], tf.int32)
            images = synthesize_night(target, quantiles, recipe.pipeline, seed)
            for path, image in zip(paths, images, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                image_io.write_float_rgb(path, image.numpy())
        complete.append(Pair(pair.name, {port: paths[0]}, paths[1]))
    return complete
