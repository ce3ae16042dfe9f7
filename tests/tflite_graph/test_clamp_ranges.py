"""Clamps of int8 files: they set the scale, and the MINIMUM itself is removed."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.export.quantization.post_training import quantize_model
from lowlight_tf.tflite_graph.clamp_ranges import remove_redundant_minimum, set_clamp_ranges
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model

SIZE = (8, 8)


def make_converter(limit):
    """Return the converter of a product that reaches 4, clamped to `limit`, and a sum, to 1."""

    @tf.function(input_signature=[tf.TensorSpec((1, *SIZE, 3), name="low")])
    def serve(low):
        bright = tf.minimum(tf.nn.relu(low * 4.0), limit)
        return {"enhanced": tf.minimum(tf.nn.relu(bright + low), 1.0)}

    module = tf.Module()
    module.serve = serve
    return tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], module)


@pytest.fixture
def samples(rng):
    return [{"low": rng.random((1, *SIZE, 3), dtype=np.float32)} for _ in range(4)]


def output_quantization(content):
    """Return operator name -> quantization of its output."""
    model = read_model(content)
    (graph,) = model.subgraphs
    return {
        operator_name(model, operator): graph.tensors[operator.outputs[0]].quantization
        for operator in graph.operators
    }


def run(content, image):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.filterwarnings("ignore")  # of the converter, on its own deprecations
def test_the_scale_of_a_clamped_product_ends_at_the_limit(samples):
    found = output_quantization(quantize_model(make_converter(1.0), "int8", samples))
    assert found["MUL"].scale[0] == pytest.approx(1 / 255, rel=1e-3)
    assert "MINIMUM" not in found
    found = output_quantization(quantize_model(make_converter(0.5), "int8", samples))
    assert found["MUL"].scale[0] == pytest.approx(0.5 / 255, rel=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_the_file_without_redundant_minimum_gives_the_same_output(samples, monkeypatch):
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    stripped = quantize_model(make_converter(1.0), "int8", samples)
    monkeypatch.setattr(
        "lowlight_tf.export.quantization.post_training.remove_redundant_minimum",
        lambda content: content,
    )
    original = quantize_model(make_converter(1.0), "int8", samples)
    assert "MINIMUM" in output_quantization(original)
    np.testing.assert_array_equal(run(stripped, image), run(original, image))
    assert remove_redundant_minimum(stripped) == stripped


def test_tensors_that_are_not_clamped_keep_their_ranges(samples):
    content = quantize_model(make_converter(1.0), "float32", samples)
    after = output_quantization(set_clamp_ranges(content))
    assert after.keys() == output_quantization(content).keys()
