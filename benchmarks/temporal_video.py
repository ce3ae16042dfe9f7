"""Measure the noise that denoising over time leaves in the black of a real video.

python benchmarks/temporal_video.py VIDEO MODEL TEMPORAL_MODEL...: the first frames, filmed at night
by the two cameras of benchmarks/temporal.py if they are of a day, are enhanced in its ways.
Measured from frame 10 on, where the input is black: grain, as by the road suite, and the mean
absolute change from frame to frame, in 8-bit levels. A strip of frames is written to the working
folder: the input, without memory, and each temporal model.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from temporal import CAMERAS, FILTERS, FIRST, Clip, enhance_all

from lowlight_tf.evaluation.road.image_measures import BLACK_MEAN, BLOCK_SIZE, black_blocks
from lowlight_tf.evaluation.road.road_data import read_frames
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.motion import simulate_clip
from lowlight_tf.imaging.color import luma
from lowlight_tf.runtime.golden import center_crop

FRAMES, DAY_MEAN = 40, 60
STRIP_FRAMES, STRIP_SIZE = (12, 23, 34), (180, 270)


def measure_change(result: Clip, black: Sequence[np.ndarray]) -> float:
    """Return the mean absolute change of luma where a frame and the one before it are black."""
    lumas = [luma(frame) for frame in result]
    return float(
        np.mean(
            [
                np.abs(lumas[n] - lumas[n - 1])[black[n] & black[n - 1]].mean()
                for n in range(FIRST, len(result))
            ]
        )
    )


def make_strip(columns: Sequence[Clip]) -> np.ndarray:
    """Return the centers of some frames, a clip in each column."""
    rows = ([center_crop(clip[n], STRIP_SIZE) for clip in columns] for n in STRIP_FRAMES)
    return np.vstack([np.hstack(row) for row in rows])


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    path, model, temporal_models = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    frames = read_frames(path, count=FRAMES)
    clips = {"as it is": frames}
    if np.mean(frames[0]) > DAY_MEAN:
        clips = {
            name: simulate_clip(frames, camera, np.random.default_rng(1))[0]
            for name, camera in CAMERAS.items()
        }
    for camera, stored in clips.items():
        print(f"{path.name}, {camera}, {model}\n\n| before or in the model | grain | change |")
        print("|---|---:|---:|")
        columns = [stored]
        black = [cv2.blur(luma(frame), (BLOCK_SIZE,) * 2) < BLACK_MEAN for frame in stored]
        for name, result in enhance_all(stored, model, temporal_models):
            if name not in FILTERS:
                columns.append(result)
            pairs = zip(stored[FIRST:], result[FIRST:], strict=True)
            grain = np.mean([black_blocks(low, enhanced)["grain"] for low, enhanced in pairs])
            print(f"| {name} | {grain:.2f} | {measure_change(result, black):.2f} |")
        strip = Path(f"{path.stem}_{camera.replace(' ', '_')}.jpg")
        image_io.save_image(strip, make_strip(columns), overwrite=True)
        print()


if __name__ == "__main__":
    main()
