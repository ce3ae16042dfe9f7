"""Limits of integer files: they give the scale, and then cost nothing."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.export.quantization.post_training import quantize_model
from lowlight_tf.tflite_graph.clamp_ranges import remove_redundant_minimum, set_clamp_ranges

SIZE = (8, 8)


def converter(top):
    """A product that reaches 4, limited to `top`; then a sum, limited to 1."""

    @tf.function(input_signature=[tf.TensorSpec((1, *SIZE, 3), name="low")])
    def serve(low):
        bright = tf.minimum(tf.nn.relu(low * 4.0), top)
        return {"enhanced": tf.minimum(tf.nn.relu(bright + low), 1.0)}

    module = tf.Module()
    module.serve = serve
    return tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], module)


@pytest.fixture
def samples(rng):
    return [{"low": rng.random((1, *SIZE, 3), dtype=np.float32)} for _ in range(4)]


def made(content):
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    tensors = model.subgraphs[0].tensors
    return {
        codes[operator.opcodeIndex]: tensors[operator.outputs[0]].quantization
        for operator in model.subgraphs[0].operators
    }


def run(content, image):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.filterwarnings("ignore")  # of the converter, on its own deprecations
def test_a_limited_product_spends_its_steps_below_the_limit(samples):
    found = made(quantize_model(converter(1.0), "int8", samples))
    assert found["MUL"].scale[0] == pytest.approx(1 / 255, rel=1e-3)
    assert "MINIMUM" not in found
    found = made(quantize_model(converter(0.5), "int8", samples))
    assert found["MUL"].scale[0] == pytest.approx(0.5 / 255, rel=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_the_file_without_idle_limits_gives_the_same(samples, monkeypatch):
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    short = quantize_model(converter(1.0), "int8", samples)
    monkeypatch.setattr(
        "lowlight_tf.export.quantization.post_training.without_idle_limits", lambda content: content
    )
    whole = quantize_model(converter(1.0), "int8", samples)
    assert "MINIMUM" in made(whole)
    np.testing.assert_array_equal(run(short, image), run(whole, image))
    assert remove_redundant_minimum(short) == short


def test_what_is_not_limited_keeps_its_range(samples):
    content = quantize_model(converter(1.0), "float32", samples)
    assert made(set_clamp_ranges(content)).keys() == made(content).keys()
