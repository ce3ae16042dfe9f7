"""Files without the uint8/int8 conversions at their ports give the same images."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.runtime import pretrained
from lowlight_tf.tflite_graph.io_quantization import strip_io_quantize_ops


@pytest.fixture
def content():
    return pretrained.find_pretrained("driving_unet_int8").read_bytes()


def load_interpreter(content):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter


def run(content, image):
    interpreter = load_interpreter(content)
    runner = interpreter.get_signature_runner()
    return runner(low=image)["enhanced"]


def convert_codes(image, dtype):
    """Return uint8 codes as int8 or the reverse, 128 apart."""
    return image if image.dtype == dtype else (image.view(np.uint8) ^ 128).view(dtype)


def test_the_ports_become_int8_and_the_output_stays_the_same(content, rng):
    stripped = strip_io_quantize_ops(content)
    interpreter = load_interpreter(stripped)
    ports = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert np.int8 in {port["dtype"] for port in ports}
    frame = rng.integers(0, 256, (1, 400, 600, 3), np.uint8)
    actual, expected = run(stripped, convert_codes(frame, ports[0]["dtype"])), run(content, frame)
    np.testing.assert_array_equal(convert_codes(actual, np.uint8), expected)


def test_a_float_file_is_not_changed():
    content = pretrained.find_pretrained("driving_unet").read_bytes()
    assert strip_io_quantize_ops(content) == content
