"""How fast batches are made, beside bare decoding: python benchmarks/pipeline.py."""

import importlib.util
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from side_by_side import side_by_side

from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets import pairing, synthetic
from lowlight_tf.imaging import image_io
from lowlight_tf.pipeline.paired import paired_dataset

BATCHES = 30


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        pairs = pairing.pair_folder(synthetic.sample_pairs(Path(place)) / "train")
        recipe = Recipe.load("driving_unet_embedded")
        plain = recipe.replace(["pipeline.exposure_ev=0", "pipeline.blur=0", "pipeline.noise=0"])
        paths = [path for pair in pairs for path in (*pair.inputs.values(), pair.target)]

        def decode() -> int:
            with ThreadPoolExecutor() as pool:
                return len(list(pool.map(image_io.load_image, paths))) // 2

        def feed(chosen: Recipe, cache_mb: int):
            cached = chosen.replace([f"pipeline.cache_mb={cache_mb}"])
            stream = iter(paired_dataset(pairs, cached, ENHANCE))

            def work() -> int:
                for _ in range(BATCHES):
                    next(stream)
                return BATCHES * cached.pipeline.batch_size

            return work

        ways = {
            "bare decoding": decode,
            "crops and turns, decoding each time": feed(plain, 0),
            "crops and turns": feed(plain, 4000),
            "the recipe": feed(recipe, 4000),
            "the recipe, always night": feed(recipe.replace(["pipeline.night=true"]), 4000),
        }
        if importlib.util.find_spec("imgaug"):  # the [augment] extra
            augmented = recipe.replace(["pipeline.augmenter=imgaug"])
            ways["the recipe, imgaug"] = feed(augmented, 4000)
        side_by_side(ways, unit="pairs")


if __name__ == "__main__":
    main()
