"""Make `lowlight_tf/weights/lpips_alex.tflite` from LPIPS's published weights.

    python scripts/make_lpips.py lpips_alex_fp16.npz

The .npz holds AlexNet's convolutions as `conv1_kernel` (height, width, in, out), `conv1_bias` to
`conv5_bias`, and LPIPS's heads `lin0` to `lin4` (channels,), all float16.
"""

import argparse
import os
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

STRIDES, POOLED = (4, 1, 1, 1, 1), (False, True, True, False, False)
SMALL = 1e-4  # length below which features count as none; a float16 holds it
OUT = Path(__file__).parents[1] / "lowlight_tf" / "weights" / "lpips_alex.tflite"


def build(weights: dict[str, np.ndarray]) -> keras.Model:
    """Return the net from two pictures, (2, H, W, 3), to their distance, (1, 1).

    The pictures come scaled, as `lowlight_tf.metrics.perceptual` does it: float16 constants in the
    file would not do it exactly.
    """
    features = pictures = keras.Input((None, None, 3), batch_size=2, name="pictures")
    distances = []
    for index, (stride, pooled) in enumerate(zip(STRIDES, POOLED, strict=True)):
        kernel, bias = weights[f"conv{index + 1}_kernel"], weights[f"conv{index + 1}_bias"]
        if pooled:
            features = layers.MaxPooling2D(3, 2)(features)
        features = layers.ZeroPadding2D(2 if index == 0 else len(kernel) // 2)(features)
        convolution = layers.Conv2D(
            len(bias), len(kernel), stride, activation="relu", name=f"conv{index + 1}"
        )
        features = convolution(features)
        convolution.set_weights([np.float32(kernel), np.float32(bias)])
        length = ops.sqrt(ops.sum(ops.square(features), axis=-1, keepdims=True))
        unit = features / ops.maximum(length, SMALL)
        first, second = ops.split(unit, 2, axis=0)
        head = layers.Conv2D(1, 1, use_bias=False, name=f"lin{index}")
        distance = head(ops.square(first - second))
        head.set_weights([np.float32(weights[f"lin{index}"])[None, None, :, None]])
        distances.append(ops.mean(distance, axis=(1, 2)))
    return keras.Model(pictures, {"distance": sum(distances)})


def main() -> None:
    """Build the net, convert it with float16 weights, write it beside and rename it."""
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
    part = OUT.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, OUT)
    print(f"{OUT}: {len(content)} bytes")


if __name__ == "__main__":
    main()
