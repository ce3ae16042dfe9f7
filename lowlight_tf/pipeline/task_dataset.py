"""The training dataset of a model, by its task."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair


def make_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    cache_dir: Path,
    report: Callable[[str], None] = print,
    **options: Any,
) -> Any:
    """Return endless batches of ({input: image}, {name: image for the losses}).

    Args:
        pairs: Training pairs of the contract's task.
        recipe: Its `pipeline`, `preprocessing` and `seed` are read.
        contract: The model's ports.
        cache_dir: Folder of what is decoded once, such as RAW files.
        report: Called with one line for each pair that cannot be.
        **options: `first_sample`, `crop_size`, `batch_size` and `shard` of
            `pipeline.paired.pair_dataset`.

    Returns:
        A `tf.data.Dataset`; without TensorFlow, for enhancement, a `keras.utils.PyDataset`.
    """
    if contract.task == "fuse":
        from lowlight_tf.pipeline.fusion import fusion_dataset

        return fusion_dataset(pairs, recipe, contract, **options)
    if contract.task == "raw_to_rgb":
        from lowlight_tf.pipeline.raw import raw_dataset

        return raw_dataset(pairs, recipe, contract, cache_dir=cache_dir, report=report, **options)
    if importlib.util.find_spec("tensorflow"):
        from lowlight_tf.pipeline.paired import pair_dataset

        return pair_dataset(pairs, recipe, contract, **options)
    from lowlight_tf.pipeline.numpy_pipeline import NumpyPairDataset

    return NumpyPairDataset(pairs, recipe, contract, **options)
