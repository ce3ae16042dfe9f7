"""Two small .tflite files."""

import warnings

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE, Card, sha256

SIZE = (8, 12)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Write 1 - (1 - x)**2 as a net of float32 and one of uint8, each with its card."""
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("nets")
    image = tf.TensorSpec((1, *SIZE, 3), tf.float32, name="low")
    net = tf.function(lambda low: {"enhanced": low + low - low * low}, [image])
    rng = np.random.default_rng(0)
    for name in ("float", "bytes"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [net.get_concrete_function()], net
        )
        if name == "bytes":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [rng.random((1, *SIZE, 3), dtype=np.float32)] for _ in range(4)
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        path = folder / f"{name}.tflite"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converter's own
            path.write_bytes(converter.convert())
        Card(
            name=name,
            model="curve",
            contract=ENHANCE,
            height=SIZE[0],
            width=SIZE[1],
            quantization="none" if name == "float" else "int8",
            dtype="float32" if name == "float" else "uint8",
            value_range=(0, 1) if name == "float" else (0, 255),
            sha256=sha256(path),
            size_bytes=path.stat().st_size,
            weights=0,
        ).save(path.with_suffix(".json"))
    return folder
