"""Bytes of a setting that is concatenated with features are 255 times its value."""

import keras
import numpy as np
import pytest
from keras import layers

from lowlight_tf.contract import CONTROL, Contract, Port
from lowlight_tf.export.convert import convert
from lowlight_tf.runtime.litert_engine import Interpreter

CONTRACT = Contract(
    (Port("low", 3), Port("setting", 2, CONTROL, size=(1, 1))), (Port("enhanced", 3),)
)


@pytest.fixture
def path(rng, tmp_path):
    """An int8 file that adds the difference of a setting's two values to an image."""
    low, setting = keras.Input((4, 4, 3), name="low"), keras.Input((1, 1, 2), name="setting")
    mean = layers.GlobalAveragePooling2D(keepdims=True)(low) * 8.0 - 3.0
    shift = layers.Conv2D(3, 1)
    joined = layers.Concatenate()([mean, setting])
    model = keras.Model({"low": low, "setting": setting}, {"enhanced": low + shift(joined)})
    kernel = np.zeros((1, 1, 5, 3), np.float32)
    kernel[0, 0, 3], kernel[0, 0, 4] = 0.5, -0.5
    shift.set_weights([kernel, np.zeros(3)])
    settings = [(0, 0), (1, 0), (0, 1)]
    samples = [
        {
            "low": rng.random((1, 4, 4, 3), dtype=np.float32),
            "setting": np.float32(settings[index % 3]).reshape(1, 1, 1, 2),
        }
        for index in range(9)
    ]
    return convert(
        model, CONTRACT, tmp_path / "m.tflite", size=(4, 4), quantization="int8", samples=samples
    )


def test_zero_bytes_are_zero_and_255_is_one(path):
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    ports = {port["name"].split("_")[2][:3]: port for port in interpreter.get_input_details()}
    (result,) = interpreter.get_output_details()
    image = np.full((1, 4, 4, 3), 128, np.uint8)

    def run(up, down):
        interpreter.set_tensor(ports["low"]["index"], image)
        interpreter.set_tensor(ports["set"]["index"], np.uint8([up, down]).reshape(1, 1, 1, 2))
        interpreter.invoke()
        scale, zero = result["quantization"]
        return scale * (interpreter.get_tensor(result["index"]).astype(int) - zero).mean()

    assert run(0, 0) == pytest.approx(128 / 255, abs=0.02)
    assert run(255, 0) == pytest.approx(128 / 255 + 0.5, abs=0.03)
    assert run(0, 255) == pytest.approx(128 / 255 - 0.5, abs=0.03)
