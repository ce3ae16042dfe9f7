"""Bytes past the ports: the same picture, without the copies."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.runtime import pretrained
from lowlight_tf.tflite_graph.io_quantization import strip_io_quantize_ops


@pytest.fixture
def content():
    return pretrained.find_pretrained("driving_unet_int8").read_bytes()


def opened(content):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter


def answer(content, image):
    interpreter = opened(content)
    runner = interpreter.get_signature_runner()
    return runner(low=image)["enhanced"]


def test_the_ports_become_int8_and_the_picture_stays_the_same(content, rng):
    short = strip_io_quantize_ops(content)
    ports = [*opened(short).get_input_details(), *opened(short).get_output_details()]
    assert np.int8 in {port["dtype"] for port in ports}
    frame = rng.integers(0, 256, (1, 400, 600, 3), np.uint8)
    given, expected = answer(short, _as(ports[0]["dtype"], frame)), answer(content, frame)
    np.testing.assert_array_equal(_as(np.uint8, given), expected)


def _as(dtype, image):
    return image if image.dtype == dtype else (image.view(np.uint8) ^ 128).view(dtype)


def test_a_float_file_is_left_alone():
    content = pretrained.find_pretrained("driving_unet").read_bytes()
    assert strip_io_quantize_ops(content) == content
