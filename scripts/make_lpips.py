"""Write `lowlight_tf/weights/lpips_alex.tflite` from the published weights of LPIPS.

    python scripts/make_lpips.py lpips_alex_fp16.npz

The .npz contains AlexNet's convolutions as `conv1_kernel` (height, width, in, out), `conv1_bias` to
`conv5_bias`, and the linear heads of LPIPS as `lin0` to `lin4` (channels,), all float16.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from lowlight_tf.fileio import atomic_write

STRIDES, MAX_POOLING = (4, 1, 1, 1, 1), (False, True, True, False, False)
EPSILON = 1e-4  # lower bound of a feature vector's norm; representable in float16
OUTPUT = Path(__file__).parents[1] / "lowlight_tf" / "weights" / "lpips_alex.tflite"


def build(weights: dict[str, np.ndarray]) -> keras.Model:
    """Return the model from two images, (2, H, W, 3), to their distance, (1, 1).

    Its inputs are normalized by `lowlight_tf.metrics.perceptual`: float16 constants in the file
    would not be exact.
    """
    # The input of the file is named "pictures" since its first version.
    features = images = keras.Input((None, None, 3), batch_size=2, name="pictures")
    distances = []
    for index, (stride, has_pooling) in enumerate(zip(STRIDES, MAX_POOLING, strict=True)):
        kernel, bias = weights[f"conv{index + 1}_kernel"], weights[f"conv{index + 1}_bias"]
        if has_pooling:
            features = layers.MaxPooling2D(3, 2)(features)
        features = layers.ZeroPadding2D(2 if index == 0 else len(kernel) // 2)(features)
        convolution = layers.Conv2D(
            len(bias), len(kernel), stride, activation="relu", name=f"conv{index + 1}"
        )
        features = convolution(features)
        convolution.set_weights([np.float32(kernel), np.float32(bias)])
        norm = ops.sqrt(ops.sum(ops.square(features), axis=-1, keepdims=True))
        unit = features / ops.maximum(norm, EPSILON)
        first, second = ops.split(unit, 2, axis=0)
        head = layers.Conv2D(1, 1, use_bias=False, name=f"lin{index}")
        distance = head(ops.square(first - second))
        head.set_weights([np.float32(weights[f"lin{index}"])[None, None, :, None]])
        distances.append(ops.mean(distance, axis=(1, 2)))
    return keras.Model(images, {"distance": sum(distances)})


def main() -> None:
    """Build the model, convert it with float16 weights and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    with np.load(parser.parse_args().weights) as weights:
        model = build(dict(weights))
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
    with atomic_write(OUTPUT) as part:
        part.write_bytes(content)
    print(f"{OUTPUT}: {len(content)} bytes")


if __name__ == "__main__":
    main()
