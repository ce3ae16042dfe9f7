"""Measure what detectors find in the images of a camera that stands still at night.

python benchmarks/detection_over_time.py IMAGES LABELS DETECTORS MODEL...: each labeled image is
filmed for 12 frames by the two cameras of benchmarks/temporal.py at three exposures, and enhanced
as a live video by each MODEL; DETECTORS (names or .tflite files, comma-separated) look at the last
frame. mAP@.5 in percent, and the interval that it is in with 95 % confidence (bootstrap over the
images); "day" is the image itself, "input" the dark frame.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from temporal import CAMERAS, enhance_clip

from lowlight_tf.evaluation.detection.annotations import read_annotations
from lowlight_tf.evaluation.detection.detector import load_detector
from lowlight_tf.evaluation.detection.mean_average_precision import (
    average_precisions,
    bootstrap_map50,
    mean_ap,
)
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.motion import LEAD_FRAMES, simulate_clip

FRAMES = 12
EXPOSURES = (-5.0, -6.0, -7.0)
"""Stops of light that are missing."""


def main() -> None:
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    folder, labels, names, *models = sys.argv[1:]
    images = {path.stem: path for path in image_io.find_images(Path(folder))}
    truth = read_annotations(Path(labels), images, report=print)
    detectors = [load_detector(name) for name in names.split(",")]
    columns = [(exposure, each) for exposure in EXPOSURES for each in detectors]
    for camera_name, camera in CAMERAS.items():
        found: dict[tuple, list] = {}
        for exposure in EXPOSURES:
            dark = dataclasses.replace(camera, exposure_ev=exposure, lamps=())
            for number, name in enumerate(truth):
                image = image_io.load_image(images[name]).pixels
                rng = np.random.default_rng(number)
                stored, _, _ = simulate_clip([image] * (FRAMES + LEAD_FRAMES), dark, rng)
                frames = {"day": image, "input": stored[-1]}
                frames |= {model: enhance_clip(model, stored)[-1] for model in models}
                for kind, frame in frames.items():
                    for each in detectors:
                        found.setdefault((kind, exposure, each), []).append(each(frame))
        print(f"{camera_name}: {len(truth)} images; columns: EV, detector\n")
        print(f"| images | {' | '.join(f'{ev:g} EV, {each.name}' for ev, each in columns)} |")
        print("|---" + "|---:" * len(columns) + "|")
        for kind in ("day", "input", *models):
            cells = []
            for column in columns:
                boxes = [
                    [label for label in truth[name] if label.name in column[1].classes]
                    for name in truth
                ]
                compared = found[kind, *column], boxes
                map50, _ = mean_ap(average_precisions(*compared))
                low, high = bootstrap_map50(*compared)
                cells.append(f"{100 * map50:.1f} ({100 * low:.0f} to {100 * high:.0f})")
            print(f"| {kind} | {' | '.join(cells)} |")
        print()


if __name__ == "__main__":
    main()
