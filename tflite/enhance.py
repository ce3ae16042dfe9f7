"""Enhance one image on a device: python enhance.py NAME.tflite DARK BRIGHT."""

import sys
import time
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import escape_unencodable
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.litert_engine import LiteRTEngine

escape_unencodable()
if len(sys.argv) != 4:
    print(
        "Expected: python enhance.py NAME.tflite DARK BRIGHT, with NAME.json next to the file.",
        file=sys.stderr,
    )
    sys.exit(2)
model_path, input_path, output_path = map(Path, sys.argv[1:])
try:
    engine = LiteRTEngine(model_path, threads=4)
    image = image_io.load_image(input_path)
    started = time.perf_counter()
    enhance(engine, image.pixels, out=image.pixels)
    elapsed = time.perf_counter() - started
    image_io.save_image(output_path, image)
except UsageError as error:
    print(f"enhance.py: {error}", file=sys.stderr)
    sys.exit(2)
height, width = image.pixels.shape[:2]
print(f"{output_path}: {width}x{height} in {1000 * elapsed:.0f} ms with {engine.name}")
