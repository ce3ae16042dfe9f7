"""Compare denoising over time before and in a model, on simulated night clips with known truth.

python benchmarks/temporal.py PHOTOGRAPHS MODEL TEMPORAL_MODEL...: photographs (of scenes that no
model was trained on) become clips of a still camera with moving objects, and of a moving camera;
they are filmed at night by two cameras, one that stores what its sensor reads, and one with
in-camera denoising and H.264 at a rate factor of 23, and enhanced by MODEL: as it is, with a
running average, OpenCV's fastNlMeans of several frames or FFmpeg's hqdn3d or atadenoise before it;
and by each TEMPORAL_MODEL. All values are of frames 10 to 19:

- PSNR (dB, plain) against the photograph by day, and against what MODEL makes of the clip without
  noise and compression;
- noise: standard deviation over time of the difference from that where nothing moves, in 8-bit
  levels (still camera);
- warping error (`metrics.temporal`), in levels;
- ghosts: RMS difference from what MODEL makes of the clip without noise, where an object was in the
  last four frames and is no more, in levels (still camera);
- ms: of the filter alone, 1280x720, one thread, or what the temporal model takes more than MODEL.
"""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.evaluation.road.clips import LAMPS, NIGHT
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.motion import LEAD_FRAMES, Motion, Mover, animate, simulate_clip
from lowlight_tf.imaging.camera.simulation import Capture
from lowlight_tf.imaging.yuv import YuvConverter
from lowlight_tf.metrics import fidelity, temporal
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.runtime.rgb_engine import BT709
from lowlight_tf.video.frame_processor import LiveEnhancer

SIZE, FRAMES, FIRST = (288, 384), 20, 10
MAX_SCENES = 4
TIMED_SIZE, TIMED_RUNS = (720, 1280), 12
STILL = Motion(
    movers=(
        Mover((30, 22), (150, -20), (0, 14)),
        Mover((50, 40), (200, 400), (0, -9), source=1),
    ),
    lamp_velocity=(0.0, 0.002),
)
PAN = Motion(camera="pan", velocity=(0.3, 3.0), near=1.6, movers=STILL.movers)
CAMERAS = {
    "sensor": dataclasses.replace(NIGHT, lamps=LAMPS, denoise=0.0),
    "H.264": dataclasses.replace(NIGHT, lamps=LAMPS, codec="h264", quality=23),
}
FFMPEG = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]

Clip = list[np.ndarray]


def running_average(clip: Sequence[np.ndarray], weight: float = 0.25) -> Clip:
    """Average each frame with the ones before."""
    mean, result = np.float32(clip[0]), []
    for frame in clip:
        mean = cv2.addWeighted(np.float32(frame), weight, mean, 1 - weight, 0)
        result.append(np.uint8(np.rint(mean)))
    return result


def non_local_means(clip: Sequence[np.ndarray], window: int = 5, strength: float = 3.0) -> Clip:
    """Apply OpenCV's non-local means over the frames around each."""
    half, result = window // 2, []
    padded = [clip[0]] * half + list(clip) + [clip[-1]] * half
    for index in range(len(clip)):
        around = padded[index : index + window]
        result.append(
            cv2.fastNlMeansDenoisingColoredMulti(around, half, window, None, strength, strength)
        )
    return result


def ffmpeg_filter(name: str) -> Callable[[Sequence[np.ndarray]], Clip]:
    """Return a filter of the program ffmpeg."""

    def run(clip: Sequence[np.ndarray]) -> Clip:
        height, width = clip[0].shape[:2]
        size = ["-s", f"{width}x{height}", "-r", "25", "-i", "-"]
        planes = "scale=out_color_matrix=bt709,format=yuv420p"
        back = "scale=in_color_matrix=bt709,format=rgb24"
        done = subprocess.run(
            [*FFMPEG, *size, "-vf", f"{planes},{name},{back}", "-f", "rawvideo", "-"],
            input=b"".join(frame.tobytes() for frame in clip), capture_output=True, check=True,
        )  # fmt: skip
        return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3))

    return run


FILTERS: dict[str, Callable[[Sequence[np.ndarray]], Clip]] = {
    "running average of 0.25": running_average,
    "fastNlMeans of 5 frames": non_local_means,
    "hqdn3d": ffmpeg_filter("hqdn3d"),
    "atadenoise": ffmpeg_filter("atadenoise"),
}


def enhance_clip(model: str, clip: Sequence[np.ndarray]) -> Clip:
    """Enhance the frames of a clip as those of a live video."""
    enhancer = LiveEnhancer(clip[0].shape[:2], load_model(model), yuv_format=BT709)
    converter, result = YuvConverter(BT709), []
    height, width = clip[0].shape[:2]
    for number, frame in enumerate(clip):
        planes = [np.empty((height, width), np.uint8)]
        planes += [np.empty((height // 2, width // 2), np.uint8) for _ in range(2)]
        converter.to_yuv(frame, planes)
        image = np.empty_like(frame)
        converter.to_rgb([plane.copy() for plane in enhancer(planes, number / 25)], image)
        result.append(image)
    return result


def measure(result: Clip, clean: Clip, day: Clip, covers: Clip | None) -> dict[str, float]:
    """Return the measures of one clip; `covers` only of a still camera."""
    frames = range(FIRST, FRAMES)
    values = {
        "psnr_day": float(np.mean([fidelity.psnr(day[n], result[n]) for n in frames])),
        "psnr": float(np.mean([fidelity.psnr(clean[n], result[n]) for n in frames])),
        "warping": temporal.warping_error(result[FIRST:], clean[FIRST:]),
    }
    if covers is not None:
        still = np.max(covers, axis=0) == 0
        differences = np.float32(result[FIRST:]) - np.float32(clean[FIRST:])
        spread = np.std(differences, axis=0).mean(axis=2)
        values["noise"] = float(np.sqrt(np.mean(np.square(spread[still]))))
        squares = []
        for n in frames:
            uncovered = (np.max(covers[n - 4 : n], axis=0) > 0) & (covers[n] == 0)
            squares.append(np.square(np.float32(result[n]) - clean[n])[uncovered])
        values["ghosts"] = float(np.sqrt(np.mean(np.concatenate(squares))))
    return values


def milliseconds(work: Callable[[], object], frames: int) -> float:
    """Return the median time of a frame."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) / frames)
    return 1000 * float(np.median(times))


def filter_times(model: str, temporal_models: Sequence[str]) -> dict[str, float]:
    """Return the milliseconds of each row, 1280x720, one thread."""
    rng = np.random.default_rng(0)
    clip = list(rng.integers(0, 40, (TIMED_RUNS, *TIMED_SIZE, 3), np.uint8))
    cv2.setNumThreads(1)
    times = {
        name: milliseconds(lambda denoise=denoise: denoise(clip), TIMED_RUNS)
        for name, denoise in FILTERS.items()
        if name != "fastNlMeans of 5 frames"
    }
    times["fastNlMeans of 5 frames"] = milliseconds(lambda: non_local_means(clip[:2]), 2)
    names = (model, *temporal_models)
    enhancers = [LiveEnhancer(TIMED_SIZE, load_model(name, threads=1)) for name in names]
    height, width = TIMED_SIZE
    planes = [rng.integers(0, 60, (height, width), np.uint8)]
    planes += [rng.integers(120, 136, (height // 2, width // 2), np.uint8) for _ in range(2)]
    samples: list[list[float]] = [[] for _ in names]
    for run in range(3 * TIMED_RUNS):
        for enhancer, sample in zip(enhancers, samples, strict=True):
            begun = time.perf_counter()
            enhancer(planes, run / 25)
            sample.append(1000 * (time.perf_counter() - begun))
    base, *others = (float(np.median(sample)) for sample in samples)
    times |= {name: other - base for name, other in zip(temporal_models, others, strict=True)}
    return times


def compare(
    paths: Sequence[Path], camera: Capture, model: str, temporal_models: Sequence[str]
) -> dict[str, list[dict[str, float]]]:
    """Return the measures of each clip for each way to denoise."""
    rows: dict[str, list[dict[str, float]]] = {}
    for number, path in enumerate(paths):
        image = image_io.load_image(path).pixels
        image = cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
        for motion in (STILL, PAN):
            rng = np.random.default_rng(number)
            day, covers = animate(image, motion, size=SIZE, frames=FRAMES + LEAD_FRAMES, rng=rng)
            stored, noiseless, _ = simulate_clip(
                day, camera, rng, lamp_velocity=motion.lamp_velocity
            )
            day, covers = day[LEAD_FRAMES:], covers[LEAD_FRAMES:]
            clean = enhance_clip(model, noiseless)
            still = covers if motion is STILL else None
            for name, result in enhance_all(stored, model, temporal_models):
                rows.setdefault(name, []).append(measure(result, clean, day, still))
    return rows


def enhance_all(
    stored: Clip, model: str, temporal_models: Sequence[str]
) -> Iterator[tuple[str, Clip]]:
    """Yield each way to denoise, and what becomes of a clip."""
    yield "no memory", enhance_clip(model, stored)
    for name, denoise in FILTERS.items():
        yield name, enhance_clip(model, denoise(stored))
    for name in temporal_models:
        yield name, enhance_clip(name, stored)


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, model, *temporal_models = sys.argv[1:]
    paths = image_io.find_images(Path(folder))
    paths = [paths[n] for n in np.linspace(0, len(paths) - 1, MAX_SCENES).round().astype(int)]
    times = filter_times(model, temporal_models)
    for camera_name, camera in CAMERAS.items():
        rows = compare(paths, camera, model, temporal_models)
        print(f"{camera_name}: {len(paths)} scenes, {SIZE[1]}x{SIZE[0]}, {model}\n")
        print(
            "| before or in the model | PSNR to day | PSNR to noiseless | noise (dB) "
            "| warping error | ghosts | ms |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|")
        base = None
        for name, values in rows.items():
            mean = {key: np.mean([row[key] for row in values if key in row]) for key in values[0]}
            base = base or mean
            decibels = 20 * np.log10(mean["noise"] / base["noise"])
            print(
                f"| {name} | {mean['psnr_day']:.2f} | {mean['psnr']:.2f} "
                f"| {mean['noise']:.2f} ({decibels:+.1f}) | {mean['warping']:.2f} "
                f"| {mean['ghosts']:.2f} | {times.get(name, 0):.1f} |"
            )
        print()


if __name__ == "__main__":
    main()
