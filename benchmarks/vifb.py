"""Compare fusion metrics and models with a published benchmark: vifb.py FOLDER [MODEL...].

FOLDER is a copy of github.com/xingchenzhang/VIFB: 21 pairs, what 25 methods make of them, and the
values of 13 metrics. The first table says how far each of our metrics, with VIFB's definition, is
from the published values. The second has our metrics of the methods and of each MODEL, a pretrained
model, baseline or .tflite file, with the rank among all.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.catalog import METRICS
from lowlight_tf.metrics import fusion, fusion_perception, fusion_structure
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.runtime.loading import load_model

REENCODED = "SwinFusion", "YDTR"
"""Methods whose pictures are not quite those that the published values were computed of."""

RANKED = (
    *("entropy", "standard_deviation", "mutual_information", "scd", "vif", "qabf", "source_ssim"),
)

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def main() -> None:
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "output/fused_images").is_dir():
        sys.exit(__doc__)
    folder, models = Path(sys.argv[1]), sys.argv[2:]
    pairs = {
        path.stem: (read_rgb(path), read_rgb(folder / "input/IR" / path.name))
        for path in sorted((folder / "input/VI").glob("*.jpg"))
    }
    first = next(iter(pairs))
    methods = [
        path.stem.removeprefix(f"{first}_")
        for path in sorted((folder / "output/fused_images").glob(f"{first}_*.jpg"))
    ]
    print_agreement(folder, pairs, methods)
    results = {method: measure(pairs, read_fused(folder, pairs, method)) for method in methods}
    for name in models:
        engine = load_model(name, threads=2)
        fused = {pair: fuse(engine, *images) for pair, images in pairs.items()}
        results[f"`{name}`"] = measure(pairs, fused)
    print_ranks(results)


def read_rgb(path: Path) -> np.ndarray:
    """Return an image as (H, W, 3) uint8."""
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_fused(folder: Path, pairs: Mapping[str, object], method: str) -> dict[str, np.ndarray]:
    """Return pair -> picture of a method."""
    return {pair: read_rgb(folder / f"output/fused_images/{pair}_{method}.jpg") for pair in pairs}


def print_agreement(folder: Path, pairs: Mapping, methods: list[str]) -> None:
    """Print how far our metrics, computed as VIFB does, are from the published values."""
    others = [method for method in methods if method not in REENCODED]
    print("| VIFB | ours | values | median difference, relative | largest | over 0.001 |")
    print("|---|---|---:|---:|---:|---:|")
    differences: dict[str, list[float]] = {name: [] for name in DEFINITIONS}
    for method in others:
        for pair, fused in read_fused(folder, pairs, method).items():
            for name, (_, compute) in DEFINITIONS.items():
                values = folder / f"output/evaluation_metrics_single/{pair}_{method}_{name}.txt"
                published = float(values.read_text())
                ours = compute(*pairs[pair], fused)
                differences[name].append(abs(ours - published) / abs(published))
    for name, (ours, _) in DEFINITIONS.items():
        values = np.array(differences[name])
        print(
            f"| {name} | `{ours}` | {len(values)} | {np.median(values):.1e} | {values.max():.1e} "
            f"| {(values > 1e-3).sum()} |"
        )


def measure(pairs: Mapping, fused: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the means of our metrics over all pairs."""
    means = {}
    for name in RANKED:
        metric = METRICS.find(name)
        compute, values = metric.load(), []
        for pair, (visible, infrared) in pairs.items():
            images = {"visible": visible, "infrared": infrared, "fused": fused[pair]}
            values.append(compute(**{port: images[port] for port in metric.inputs}))
        means[name] = float(np.mean(values))
    return means


def print_ranks(results: Mapping[str, Mapping[str, float]]) -> None:
    """Print the values of each method and its ranks."""
    print(f"\n| method, of {len(results)} | {' | '.join(RANKED)} |")
    print(f"|---|{'---:|' * len(RANKED)}")
    for method, values in results.items():
        cells = []
        for name, value in values.items():
            rank = 1 + sum(other[name] > value for other in results.values())
            cells.append(f"{value:.3f} ({rank})")
        print(f"| {method} | {' | '.join(cells)} |")


def by_channel(compute: Measure) -> Measure:
    """Return a metric as VIFB computes it: the mean of red, green and blue."""
    return lambda *images: float(np.mean([compute(*channels) for channels in channels_of(*images)]))


def channels_of(*images: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the three red channels, then green, then blue."""
    yield from zip(*(np.moveaxis(image, 2, 0) for image in images), strict=True)


def stretch(image: np.ndarray) -> np.ndarray:
    """Return a channel with levels from 0 to 255."""
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


def root_errors(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return what VIFB calls RMSE: roots of summed squares, divided by the number of pixels."""
    sources = np.float64(visible), np.float64(infrared)
    return sum(math.sqrt(np.square(source - fused).sum()) / fused.size for source in sources) / 2


def spatial_frequency(_: np.ndarray, __: np.ndarray, fused: np.ndarray) -> float:
    """Return the spatial frequency of the three channels side by side, over all their pixels."""
    levels = np.float64(np.hstack(np.moveaxis(fused, 2, 0)))
    squares = (np.square(np.diff(levels, axis=axis)).sum() for axis in (0, 1))
    return math.sqrt(sum(squares) / levels.size)


def average_gradient(_: np.ndarray, __: np.ndarray, fused: np.ndarray) -> float:
    """Return our sum of gradients, divided by (H - 1)(W - 1)."""
    height, width = fused.shape
    return fusion.average_gradient(fused) * height * width / ((height - 1) * (width - 1))


def mutual_information(*images: np.ndarray) -> float:
    """Return ours in nats, of channels with levels from 0 to 255."""
    return math.log(2) * fusion.mutual_information(*map(stretch, images))


def of_fused(compute: Callable[[np.ndarray], float]) -> Measure:
    """Return a metric of the fused image alone as one of three images."""
    return lambda _, __, fused: compute(fused)


DEFINITIONS: dict[str, tuple[str, Measure]] = {
    "Avg_gradient": ("average_gradient", by_channel(average_gradient)),
    "Cross_entropy": ("cross_entropy", by_channel(fusion.cross_entropy)),
    "Edge_intensity": ("edge_intensity", by_channel(of_fused(fusion.edge_intensity))),
    "Entropy": ("entropy", by_channel(of_fused(fusion.entropy))),
    "Mutinf": ("mutual_information", by_channel(mutual_information)),
    "Psnr": (
        "source_psnr",
        by_channel(lambda *images: 10 * math.log10(255**2 / root_errors(*images))),
    ),
    "Qabf": ("qabf", by_channel(fusion_structure.qabf)),
    "Qcb": ("qcb", by_channel(fusion_perception.qcb)),
    "Qcv": ("qcv", by_channel(fusion_perception.qcv)),
    "Rmse": ("source_mse", by_channel(root_errors)),
    "Spatial_frequency": ("spatial_frequency", spatial_frequency),
    "Ssim": ("source_ssim", by_channel(fusion_structure.source_ssim)),
    "Variance": ("standard_deviation", by_channel(of_fused(fusion.standard_deviation))),
}
"""VIFB's name -> our metric, and how ours makes VIFB's value."""


if __name__ == "__main__":
    main()
