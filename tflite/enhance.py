"""Enhance one picture on a device: python enhance.py net.tflite dark.jpg bright.jpg."""

import sys
import time
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.litert_engine import LiteRTEngine

if len(sys.argv) != 4:
    sys.exit("Expected: python enhance.py NET.tflite DARK BRIGHT, with NET.json beside the net.")
net, source, target = map(Path, sys.argv[1:])
try:
    engine = LiteRTEngine(net, threads=4)
    picture = image_io.load_image(source)
    begun = time.perf_counter()
    enhance(engine, picture.pixels, out=picture.pixels)
    passed = time.perf_counter() - begun
    image_io.save_image(target, picture)
except UsageError as error:
    sys.exit(f"enhance.py: {error}")
height, width = picture.pixels.shape[:2]
print(f"{target}: {width}x{height} in {1000 * passed:.0f} ms with {engine.name}")
