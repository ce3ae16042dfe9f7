"""How much an enhanced video flickers, frame by frame and held steady.

python benchmarks/flicker.py VIDEO MODEL [SECONDS]: a day video is darkened as a sensor would see it
at night, its exposure swaying slowly; then enhanced by MODEL (shipped name, .tflite file or run
folder), each frame by itself and with exposure averaged over SECONDS. The day video is the target
of the PSNR (mean of the frames) and the judge of motion of the warped error.
"""

import sys

import av
import numpy as np

from lowlight_tf.imaging import noise
from lowlight_tf.metrics import fidelity, temporal
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.pipeline import DEFAULT_SMOOTHING_S

EXPOSURE, SWAY, PERIOD = 1 / 12, 0.15, 1.2  # of the light; stops up and down; seconds
TREMBLE = 0.03  # stops by which each frame's exposure is off by itself


def darkened(frames: list[np.ndarray], times: list[float]) -> list[np.ndarray]:
    """Take the video again at night: the same for the same video, always."""
    dark = []
    for index, (frame, time) in enumerate(zip(frames, times, strict=True)):
        rng = np.random.default_rng(index)
        stops = SWAY * np.sin(2 * np.pi * time / PERIOD) + TREMBLE * rng.normal()
        image = np.divide(frame, 255, dtype=np.float32)
        image = noise.darken(image, exposure=EXPOSURE * 2**stops, rng=rng)
        dark.append(np.rint(image * 255).astype(np.uint8))
    return dark


def enhanced(
    engine: Engine, frames: list[np.ndarray], times: list[float], smoothing_s: float
) -> list[np.ndarray]:
    """Enhance like `video.pipeline.VideoPipeline`, without writing a file."""
    smooth_thumbnails = temporal_smoothing.ThumbnailSmoother(smoothing_s)
    stabilize_luma = temporal_smoothing.LumaStabilizer(smoothing_s)
    results = []
    for frame, time in zip(frames, times, strict=True):
        thumbnails = input_geometry.make_thumbnails(engine.contract, frame)
        result = enhance(engine, frame, thumbnails=smooth_thumbnails(thumbnails, time))
        if smoothing_s:
            stabilize_luma(result, time)
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
    night = darkened(day, times)
    engine = load_model(sys.argv[2])
    ways = {
        "day": day,
        "night": night,
        "frame by frame": enhanced(engine, night, times, 0),
        f"steady over {seconds:g} s": enhanced(engine, night, times, seconds),
    }
    print(f"{engine.name}, {len(day)} frames\n")
    print("| video | jitter of mean luma | warped error | PSNR dB (plain) |")
    print("|---|---:|---:|---:|")
    for name, clip in ways.items():
        psnr = np.mean([fidelity.psnr(*pair) for pair in zip(day, clip, strict=True)])
        jitter, error = temporal.luma_flicker(clip), temporal.warping_error(clip, day)
        print(f"| {name} | {jitter:.3f} | {error:.2f} | {psnr:.2f} |")


if __name__ == "__main__":
    main()
