"""Make `lowlight_tf/weights/niqe.npz`: what good photographs look like to NIQE.

They are photographs that come inside scikit-image and may be used freely. Of each, those blocks
count whose sharpness is above half of its sharpest block's; the paper, with more photographs, takes
three quarters.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.naturalness import BLOCK, MODEL, block_features
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
SHARP = 0.5  # of the sharpest block


def main() -> None:
    """Gather the features of the sharp blocks; write their mean and covariance."""
    package = importlib.util.find_spec("skimage")
    folder = Path(package.submodule_search_locations[0]) / "data"
    gathered = []
    for name in PHOTOGRAPHS:
        gray = luma(quantize_8bit(image_io.read_float_rgb(folder / name)))
        step = BLOCK // 2
        found = [block_features(gray[top:, left:]) for top in (0, step) for left in (0, step)]
        features, sharpness = (np.concatenate(part) for part in zip(*found, strict=True))
        chosen = (sharpness > SHARP * sharpness.max()) & np.isfinite(features).all(1)
        print(f"{name}: {chosen.sum()} of {len(chosen)} blocks")
        gathered.append(features[chosen])
    features = np.concatenate(gathered)
    part = MODEL.with_suffix(".part.npz")
    np.savez(part, mean=features.mean(0), covariance=np.cov(features, rowvar=False))
    os.replace(part, MODEL)
    print(f"{MODEL}: {len(features)} blocks, {MODEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
