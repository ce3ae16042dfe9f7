"""Measure what detectors find at night in the images of a camera that stands still, or turns.

python benchmarks/detection_over_time.py IMAGES LABELS DETECTORS MODEL...: each labeled image is
filmed for 12 frames by the two cameras of benchmarks/temporal.py at two exposures, still or moving
sideways by two pixels from frame to frame up to the image itself, and enhanced as a live video by
each MODEL; DETECTORS (names or .tflite files, comma-separated) look at the last frame. mAP@.5 in
percent, and the interval that it is in with 95 % confidence (bootstrap over the images); "day" is
the image itself, "input" the dark frame, and filters over time are before the first MODEL.
"""

import dataclasses
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from temporal import CAMERAS, FILTERS, enhance_clip

from lowlight_tf.evaluation.detection.annotations import read_annotations
from lowlight_tf.evaluation.detection.detector import load_detector
from lowlight_tf.evaluation.detection.mean_average_precision import (
    average_precisions,
    bootstrap_map50,
    mean_ap,
)
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.motion import LEAD_FRAMES, Motion, animate, simulate_clip
from lowlight_tf.imaging.camera.simulation import Capture

FRAMES = 12
BEFORE = "running average of 0.25", "hqdn3d", "atadenoise"
MOTIONS = {"still": Motion(), "turning": Motion(camera="pan", velocity=(0.0, 2.0))}
EXPOSURES = (-5.0, -6.0)
"""Stops of light that are missing."""


def film(
    path: Path, camera: Capture, motion: Motion, number: int, models: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the last frame of a clip that ends at an image: the image, as filmed, enhanced."""
    image = image_io.load_image(path).pixels
    rng = np.random.default_rng(number)
    count = FRAMES + LEAD_FRAMES
    clip, _ = animate(image, motion, size=image.shape[:2], frames=count, rng=rng)
    stored, _, _ = simulate_clip(clip[::-1], camera, rng)
    frames = {"day": image, "input": stored[-1]}
    for name in BEFORE:
        frames[name] = enhance_clip(models[0], FILTERS[name](stored))[-1]
    return frames | {model: enhance_clip(model, stored)[-1] for model in models}


def main() -> None:
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    folder, labels, names, *models = sys.argv[1:]
    images = {path.stem: path for path in image_io.find_images(Path(folder))}
    truth = read_annotations(Path(labels), images, report=print)
    detectors = [load_detector(name) for name in names.split(",")]
    known = {
        each: [
            [label for label in labels if label.name in each.classes] for labels in truth.values()
        ]
        for each in detectors
    }
    columns = [(exposure, each) for exposure in EXPOSURES for each in detectors]
    for (camera_name, camera), (motion_name, motion) in itertools.product(
        CAMERAS.items(), MOTIONS.items()
    ):
        found: dict[tuple, list] = {}
        for exposure in EXPOSURES:
            dark = dataclasses.replace(camera, exposure_ev=exposure, lamps=())
            for number, path in enumerate(images[name] for name in truth):
                for row, frame in film(path, dark, motion, number, models).items():
                    for each in detectors:
                        found.setdefault((row, exposure, each), []).append(each(frame))
        print(f"{camera_name}, {motion_name}: {len(truth)} images; columns: EV, detector\n")
        print(f"| images | {' | '.join(f'{ev:g} EV, {each.name}' for ev, each in columns)} |")
        print("|---" + "|---:" * len(columns) + "|")
        for row in ("day", "input", *BEFORE, *models):
            cells = []
            for column in columns:
                compared = found[row, *column], known[column[1]]
                map50, _ = mean_ap(average_precisions(*compared))
                low, high = bootstrap_map50(*compared)
                cells.append(f"{100 * map50:.1f} ({100 * low:.0f} to {100 * high:.0f})")
            print(f"| {row} | {' | '.join(cells)} |", flush=True)
        print()


if __name__ == "__main__":
    main()
