"""float32 is float32."""

import pytest
import tensorflow as tf

from lowlight_tf.training.precision import disable_tensor_float_32


@pytest.fixture
def tensor_float_32():
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(True)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


def test_tensorflow_multiplies_in_float32(tensor_float_32):
    disable_tensor_float_32()
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
