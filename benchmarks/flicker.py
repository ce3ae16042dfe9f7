"""Measure the flicker of an enhanced video, frame by frame and with smoothed exposure.

python benchmarks/flicker.py VIDEO MODEL [SECONDS]: a daytime video is darkened with a sensor model
and a slowly varying exposure; then enhanced by MODEL (pretrained model, .tflite file or run
folder), each frame separately and with exposure smoothed over SECONDS. The daytime video is the
target of the PSNR (mean over the frames) and the source of the optical flow of the warping error.
"""

import sys

import av
import cv2
import numpy as np

from lowlight_tf.imaging import noise
from lowlight_tf.metrics import fidelity, temporal
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.pipeline import DEFAULT_SMOOTHING_S

EXPOSURE = 1 / 12  # fraction of the light
DRIFT_EV, DRIFT_PERIOD_S = 0.15, 1.2  # sinusoidal change of the exposure, in stops
JITTER_EV = 0.03  # standard deviation of the exposure error of each frame, in stops


def darken_video(frames: list[np.ndarray], times: list[float]) -> list[np.ndarray]:
    """Darken a video with a sensor model, deterministically."""
    dark = []
    for index, (frame, time) in enumerate(zip(frames, times, strict=True)):
        rng = np.random.default_rng(index)
        stops = DRIFT_EV * np.sin(2 * np.pi * time / DRIFT_PERIOD_S) + JITTER_EV * rng.normal()
        image = np.divide(frame, 255, dtype=np.float32)
        image = noise.darken(image, exposure=EXPOSURE * 2**stops, rng=rng)
        dark.append(np.rint(image * 255).astype(np.uint8))
    return dark


def enhance_video(
    engine: Engine, frames: list[np.ndarray], times: list[float], seconds: float
) -> list[np.ndarray]:
    """Enhance as `video.pipeline` does, without writing a file."""
    ports = engine.contract.thumbnail_inputs
    smooth_thumbnails = temporal_smoothing.ThumbnailSmoother(ports, seconds)
    stabilize = temporal_smoothing.LumaStabilizer(seconds)
    results = []
    for frame, time in zip(frames, times, strict=True):
        thumbnails = input_geometry.make_thumbnails(engine.contract, frame)
        result = enhance(engine, frame, thumbnails=smooth_thumbnails(thumbnails, time))
        if seconds:
            factor = stabilize(temporal_smoothing.mean_luma(result), time)
            cv2.convertScaleAbs(result, result, factor)
        results.append(result)
    return results


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else DEFAULT_SMOOTHING_S
    with av.open(sys.argv[1]) as container:
        decoded = list(container.decode(video=0))
    day = [frame.to_ndarray(format="rgb24") for frame in decoded]
    times = [frame.time for frame in decoded]
    night = darken_video(day, times)
    engine = load_model(sys.argv[2])
    clips = {
        "day": day,
        "night": night,
        "frame by frame": enhance_video(engine, night, times, 0),
        f"smoothed over {seconds:g} s": enhance_video(engine, night, times, seconds),
    }
    print(f"{engine.name}, {len(day)} frames\n")
    print("| video | flicker of mean luma | warping error | PSNR dB (plain) |")
    print("|---|---:|---:|---:|")
    for name, clip in clips.items():
        psnr = np.mean([fidelity.psnr(*pair) for pair in zip(day, clip, strict=True)])
        flicker, error = temporal.luma_flicker(clip), temporal.warping_error(clip, day)
        print(f"| {name} | {flicker:.3f} | {error:.2f} | {psnr:.2f} |")


if __name__ == "__main__":
    main()
