"""ELU of 8-bit values is one operation, with the same results."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from lowlight_tf.contract import ENHANCE
from lowlight_tf.export.convert import convert as convert_model
from lowlight_tf.export.quantization import post_training
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model

SHAPE = (4, 6, 3)


@pytest.fixture
def convert(rng, monkeypatch, tmp_path):
    """Return a function from a part of a model to its int8 files, with and without the change."""
    samples = [{"low": rng.random((1, *SHAPE), dtype=np.float32)} for _ in range(4)]

    def convert_both(make_output):
        low = keras.Input(SHAPE, name="low")
        model = keras.Model({"low": low}, {"enhanced": make_output(low)})
        options = {"size": SHAPE[:2], "quantization": "int8", "samples": samples}
        changed = convert_model(model, ENHANCE, tmp_path / "a.tflite", **options)
        monkeypatch.setattr(post_training, "use_integer_elu", lambda content: content)
        original = convert_model(model, ENHANCE, tmp_path / "b.tflite", **options)
        return changed.read_bytes(), original.read_bytes()

    return convert_both


def names_of(content):
    model = read_model(content)
    return [operator_name(model, operator) for operator in model.subgraphs[0].operators]


def run(content, image):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (port,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(port["index"], image[None])
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


def test_no_value_is_converted_to_float_and_none_changes(convert, rng):
    changed, original = convert(lambda low: low + layers.ELU()(low * -16.0))
    assert "DEQUANTIZE" in names_of(original)
    assert "DEQUANTIZE" not in names_of(changed)
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    np.testing.assert_array_equal(run(changed, image), run(original, image))


def test_a_file_without_it_is_returned_itself(convert):
    changed, original = convert(lambda low: layers.ReLU()(low - 0.5))
    assert changed == original
