"""Write `lowlight_tf/weights/niqe.npz`: NIQE's natural scene statistics of good photographs.

The photographs are part of scikit-image and free to use. Of each, the blocks are used whose
sharpness is above half of its sharpest block's; the paper, with more photographs, uses three
quarters.
"""

import importlib.util
from pathlib import Path

import numpy as np

from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.naturalness import BLOCK_SIZE, NIQE_MODEL_PATH, block_features
from lowlight_tf.metrics.pixels import quantize_8bit

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "rocket.jpg",
)
MIN_SHARPNESS = 0.5  # as a fraction of the sharpest block's


def main() -> None:
    """Compute the features of the sharp blocks; write their mean and covariance."""
    package = importlib.util.find_spec("skimage")
    folder = Path(package.submodule_search_locations[0]) / "data"
    all_features = []
    for name in PHOTOGRAPHS:
        gray = luma(quantize_8bit(image_io.read_float_rgb(folder / name)))
        step = BLOCK_SIZE // 2
        blocks = [block_features(gray[top:, left:]) for top in (0, step) for left in (0, step)]
        features, sharpness = (np.concatenate(part) for part in zip(*blocks, strict=True))
        selected = (sharpness > MIN_SHARPNESS * sharpness.max()) & np.isfinite(features).all(1)
        print(f"{name}: {selected.sum()} of {len(selected)} blocks")
        all_features.append(features[selected])
    features = np.concatenate(all_features)
    with atomic_write(NIQE_MODEL_PATH) as part, part.open("wb") as file:
        np.savez(file, mean=features.mean(0), covariance=np.cov(features, rowvar=False))
    print(f"{NIQE_MODEL_PATH}: {len(features)} blocks, {NIQE_MODEL_PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
