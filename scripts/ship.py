"""Add a .tflite file to the shipped models: python scripts/ship.py FILE.tflite NAME.

With the file, its card is copied under the new name, and a golden pair of a small photograph is
written, which `lowlight-tf selftest` reproduces on any machine. Of a large output only the center
is stored, and inputs that the pair of a model before it in the alphabet contains are not stored
again; other inputs of a full frame have fewer levels, which are smaller when compressed. The pair
of a model that is shipped already is replaced.
"""

import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.export.calibration_data import calibration_images, parity_samples
from lowlight_tf.export.exporter import save_golden
from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.engine import Images
from lowlight_tf.runtime.golden import find_equal
from lowlight_tf.runtime.litert_engine import LiteRTEngine

GOLDEN_SIZE = 96, 144
"""Height and width (pixels) of the inputs if any size is accepted."""

OUTPUT_SIZE = 64, 96
"""Height and width (pixels) of the stored center of each output."""

LEVEL_STEP = 4
"""Step of the levels of inputs of a fixed size."""


def find_pair_with_inputs(images: Images, name: str) -> Path | None:
    """Return the golden pair, of a model that precedes `name`, that holds most of the inputs."""
    preceding = sorted(pair for pair in pretrained.MODEL_DIR.glob("*.npz") if pair.stem < name)
    sizes = [sum(images[port].size for port in find_equal(images, pair)) for pair in preceding]
    return preceding[int(np.argmax(sizes))] if any(sizes) else None


if len(sys.argv) != 3:
    sys.exit("Expected: python scripts/ship.py FILE.tflite NAME, with FILE.json next to the file.")
source, target = Path(sys.argv[1]), pretrained.MODEL_DIR / f"{sys.argv[2]}.tflite"
try:
    engine = LiteRTEngine(source)
    card = dataclasses.replace(engine.card, name=target.stem)
    size = engine.size or GOLDEN_SIZE
    (images,) = parity_samples(calibration_images(card.contract, max_images=1), card.contract, size)
    inputs_of = find_pair_with_inputs(images, target.stem)
    if engine.size and not inputs_of:
        images = {port: image // LEVEL_STEP * LEVEL_STEP for port, image in images.items()}
        inputs_of = find_pair_with_inputs(images, target.stem)
    save_golden(
        engine,
        images,
        target.with_suffix(".npz"),
        output_size=OUTPUT_SIZE,
        inputs_of=inputs_of,
    )
    card.save(target.with_suffix(".json"))
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)
except UsageError as error:
    sys.exit(f"ship.py: {error}")
parts = [target.with_suffix(suffix) for suffix in (".tflite", ".json", ".npz")]
print(f"{target}: {sum(part.stat().st_size for part in parts) / 1000:.0f} kB with card and golden")
