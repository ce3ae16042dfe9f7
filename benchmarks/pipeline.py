"""Speed of training batches, and of decoding alone: python benchmarks/pipeline.py."""

import importlib.util
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from side_by_side import side_by_side

from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets import pairing, synthetic
from lowlight_tf.imaging import image_io
from lowlight_tf.pipeline.paired import pair_dataset

BATCHES = 30


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = pairing.pair_folder(synthetic.sample_pairs(Path(folder)) / "train")
        recipe = Recipe.load("driving_unet_embedded")
        plain = recipe.replace(
            ["pipeline.random_exposure_ev=0", "pipeline.blur_prob=0", "pipeline.noise_sigma_max=0"]
        )
        paths = [path for pair in pairs for path in (*pair.inputs.values(), pair.target)]

        def decode() -> int:
            with ThreadPoolExecutor() as pool:
                return len(list(pool.map(image_io.load_image, paths))) // 2

        def take_batches(recipe: Recipe, cache_mb: int):
            cached = recipe.replace([f"pipeline.cache_mb={cache_mb}"])
            batches = iter(pair_dataset(pairs, cached, ENHANCE))

            def run() -> int:
                for _ in range(BATCHES):
                    next(batches)
                return BATCHES * cached.pipeline.batch_size

            return run

        cases = {
            "decoding alone": decode,
            "crops and flips, decoding each time": take_batches(plain, 0),
            "crops and flips": take_batches(plain, 4000),
            "the recipe": take_batches(recipe, 4000),
            "the recipe, always night": take_batches(
                recipe.replace(["pipeline.synthesize_night=true"]), 4000
            ),
        }
        if importlib.util.find_spec("imgaug"):  # the [augment] extra
            augmented = recipe.replace(["pipeline.augmentation=imgaug"])
            cases["the recipe, imgaug"] = take_batches(augmented, 4000)
        side_by_side(cases, unit="pairs")


if __name__ == "__main__":
    main()
