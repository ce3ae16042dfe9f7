"""Measure whether enhancing helps to read: characters of plates that an OCR engine reads right.

python benchmarks/legibility.py PHOTOGRAPHS MODEL...: plates with random characters of three sizes
are drawn into photographs, filmed at night (still, 12 frames) at three exposures by the two cameras
of benchmarks/temporal.py, and enhanced as a live video by each MODEL; "input" is the dark frame,
"stretched" its plate with the contrast stretched to the full range. Tesseract (package
`tesseract-ocr` of Debian) reads the plate in the last frame, enlarged fourfold. The number is the
part of the characters that is right: 1 - edit distance / length, in percent.
"""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from temporal import CAMERAS, enhance_clip

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.motion import LEAD_FRAMES, simulate_clip
from lowlight_tf.imaging.camera.simulation import Capture

SIZE, FRAMES, SCENES = (360, 640), 12, 10
HEIGHTS = (8, 11, 16)
"""Heights of capital letters (pixels)."""

EXPOSURES = (-6.0, -7.0, -8.0)
"""Stops of light that are missing."""

CHARACTERS = "ABCDEFGHJKLMNPRSTUVWXYZ2346789"
LENGTH = 7
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
TESSERACT = ["tesseract", "-", "-", "--psm", "7", "-c", f"tessedit_char_whitelist={CHARACTERS}"]

Box = tuple[slice, slice]


def draw_plates(image: np.ndarray, rng: np.random.Generator) -> list[tuple[str, Box]]:
    """Draw a plate of each height into an image; return the characters and where they are."""
    plates = []
    for number, height in enumerate(HEIGHTS):
        text = "".join(rng.choice(list(CHARACTERS), LENGTH))
        font = ImageFont.truetype(str(FONT), round(height / 0.73))
        left, top, right, bottom = font.getbbox(text)
        margin = height // 2
        size = bottom - top + 2 * margin, right - left + 2 * margin
        plate = Image.new("RGB", size[::-1], (225, 225, 215))
        ImageDraw.Draw(plate).text((margin - left, margin - top), text, (20, 20, 25), font)
        row, column = 120 + 70 * number, int(rng.integers(40, SIZE[1] - size[1] - 40))
        box = slice(row, row + size[0]), slice(column, column + size[1])
        image[box] = np.array(plate)
        plates.append((text, box))
    return plates


def read_plate(plate: np.ndarray) -> str:
    """Return what Tesseract reads; nothing of an image that it crashes on."""
    enlarged = cv2.resize(plate, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    _, content = cv2.imencode(".png", enlarged[..., ::-1])
    done = subprocess.run(TESSERACT, input=content.tobytes(), capture_output=True)
    if done.returncode > 0:
        sys.exit(done.stderr.decode())
    if done.returncode < 0:
        print(f"Tesseract ended by signal {-done.returncode}: a plate is not read", file=sys.stderr)
        return ""
    return "".join(done.stdout.decode().split())


def score(text: str, read: str) -> float:
    """Return the part of the characters that is right."""
    row = list(range(len(read) + 1))
    for number, character in enumerate(text, 1):
        previous, row[0] = row[0], number
        for column, other in enumerate(read, 1):
            cost = min(row[column] + 1, row[column - 1] + 1, previous + (character != other))
            previous, row[column] = row[column], cost
    return max(0.0, 1 - row[-1] / len(text))


def stretch(plate: np.ndarray) -> np.ndarray:
    """Return a plate whose darkest and brightest hundredth are black and white."""
    low, high = np.percentile(plate, (1, 99))
    return np.uint8(np.clip(255 * (np.float32(plate) - low) / max(high - low, 1), 0, 255))


def read_all(
    paths: Sequence[Path], camera: Capture, models: Sequence[str]
) -> dict[tuple[str, float, int], list[float]]:
    """Return the part that is right of each plate by images, exposure and height."""
    scores: dict[tuple[str, float, int], list[float]] = {}
    for number, path in enumerate(paths):
        image = image_io.load_image(path).pixels
        image = cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_AREA)
        rng = np.random.default_rng(number)
        plates = draw_plates(image, rng)
        for exposure in EXPOSURES:
            dark = dataclasses.replace(camera, exposure_ev=exposure, lamps=())
            stored, _, _ = simulate_clip([image] * (FRAMES + LEAD_FRAMES), dark, rng)
            frames = {"day": image, "input": stored[-1], "stretched": stored[-1]}
            frames |= {name: enhance_clip(name, stored)[-1] for name in models}
            for name, frame in frames.items():
                for height, (text, box) in zip(HEIGHTS, plates, strict=True):
                    plate = stretch(frame[box]) if name == "stretched" else frame[box]
                    value = score(text, read_plate(plate))
                    scores.setdefault((name, exposure, height), []).append(value)
    return scores


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, *models = sys.argv[1:]
    paths = image_io.find_images(Path(folder))
    paths = [paths[index] for index in np.linspace(0, len(paths) - 1, SCENES).round().astype(int)]
    columns = [(exposure, height) for exposure in EXPOSURES for height in HEIGHTS]
    for camera_name, camera in CAMERAS.items():
        scores = read_all(paths, camera, models)
        print(f"{camera_name}: {SCENES} scenes; columns: EV, height of the letters\n")
        print(f"| images | {' | '.join(f'{ev:g} EV, {px} px' for ev, px in columns)} | mean |")
        print("|---" + "|---:" * (len(columns) + 1) + "|")
        for name in ("day", "input", "stretched", *models):
            values = [100 * np.mean(scores[name, *column]) for column in columns]
            print(f"| {name} | {' | '.join(f'{v:.0f}' for v in values)} | {np.mean(values):.0f} |")
        print()


if __name__ == "__main__":
    main()
