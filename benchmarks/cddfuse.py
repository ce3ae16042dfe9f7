"""Measure fusion models on the test images of CDDFuse, by its metrics: cddfuse.py FOLDER MODEL...

FOLDER is test_img of github.com/Zhaozixiang1228/MMIF-CDDFuse: 25 pairs of TNO and 50 of RoadScene.
Each MODEL is a pretrained model, baseline or .tflite file. The first rows are those of the paper.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import structural_similarity
from vifb import of_fused, read_rgb

from lowlight_tf.metrics import fusion, fusion_structure
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.runtime.loading import load_model

PUBLISHED = {
    "TNO": (7.12, 46.0, 13.15, 2.19, 1.76, 0.77, 0.54, 1.03),
    "RoadScene": (7.44, 54.67, 16.36, 2.30, 1.81, 0.69, 0.52, 0.98),
}
"""Means of CDDFuse in its README, whose results are stretched to 0 to 255 before."""


def main() -> None:
    if len(sys.argv) < 3 or not all((Path(sys.argv[1]) / name).is_dir() for name in PUBLISHED):
        sys.exit(__doc__)
    engines = {name: load_model(name, threads=2) for name in sys.argv[2:]}
    print(f"| images | method | {' | '.join(METRICS)} |")
    print(f"|---|---|{'---:|' * len(METRICS)}")
    for dataset, published in PUBLISHED.items():
        pairs = [
            (read_rgb(path), read_rgb(Path(sys.argv[1]) / dataset / "ir" / path.name))
            for path in sorted((Path(sys.argv[1]) / dataset / "vi").iterdir())
        ]
        rows = {"CDDFuse": published}
        for name, engine in engines.items():
            fused = [(*pair, fuse(engine, *pair)) for pair in pairs]
            rows[f"`{name}`"] = np.mean(
                [[metric(*map(gray, images)) for metric in METRICS.values()] for images in fused],
                axis=0,
            )
        for name, values in rows.items():
            print(f"| {dataset} | {name} | {' | '.join(f'{value:.2f}' for value in values)} |")


def gray(image: np.ndarray) -> np.ndarray:
    """Return the luma of an image, (H, W) uint8."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def mutual_information(*images: np.ndarray) -> float:
    """Return ours in nats."""
    return math.log(2) * fusion.mutual_information(*images)


def source_ssim(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the SSIM to both sources as scikit-image computes it of floats from 0 to 255.

    It takes their range for 2, so that the constants of SSIM nearly vanish: flat regions count as
    dissimilar for their noise.
    """
    fused = np.float32(fused)
    return sum(
        structural_similarity(fused, np.float32(source), data_range=2)
        for source in (visible, infrared)
    )


METRICS: dict[str, Callable[..., float]] = {
    "EN": of_fused(fusion.entropy),
    "SD": of_fused(fusion.standard_deviation),
    "SF": of_fused(fusion.spatial_frequency),
    "MI": mutual_information,
    "SCD": fusion.scd,
    "VIF": fusion_structure.vif,
    "Qabf": fusion_structure.qabf,
    "SSIM": source_ssim,
}


if __name__ == "__main__":
    main()
