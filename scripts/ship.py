"""Put a .tflite file among the nets that ship: python scripts/ship.py FILE.tflite NAME.

Beside the file come its card, under the new name, and a golden pair of a small photograph, which
`lowlight-tf selftest` reproduces on any machine: of a large output the middle, and no inputs that
lie beside another net already. The pair of a net that ships is renewed.
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
from lowlight_tf.runtime.litert_engine import LiteRTEngine

SMALL = 96, 144
"""Height and width of the golden picture where any size will do, and of the outputs (pixels)."""


def holder(picture: Images, name: str) -> Path | None:
    """Return the golden pair of a net of an earlier name that holds the same inputs, if any."""
    earlier = (pair for pair in pretrained.MODEL_DIR.glob("*.npz") if pair.stem < name)
    for pair in sorted(earlier):
        with np.load(pair) as arrays:
            same = [
                port in arrays and np.array_equal(arrays[port], image[0])
                for port, image in picture.items()
            ]
        if all(same):
            return pair
    return None


if len(sys.argv) != 3:
    sys.exit("Expected: python scripts/ship.py FILE.tflite NAME, with FILE.json beside the file.")
source, target = Path(sys.argv[1]), pretrained.MODEL_DIR / f"{sys.argv[2]}.tflite"
try:
    engine = LiteRTEngine(source)
    card = dataclasses.replace(engine.card, name=target.stem)
    size = engine.size or SMALL
    (picture,) = parity_samples(
        calibration_images(card.contract, max_images=1), card.contract, size
    )
    pair = target.with_suffix(".npz")
    save_golden(engine, picture, pair, output_size=SMALL, inputs_of=holder(picture, target.stem))
    card.save(target.with_suffix(".json"))
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)
except UsageError as error:
    sys.exit(f"ship.py: {error}")
parts = [target.with_suffix(suffix) for suffix in (".tflite", ".json", ".npz")]
print(f"{target}: {sum(part.stat().st_size for part in parts) / 1000:.0f} kB with card and golden")
