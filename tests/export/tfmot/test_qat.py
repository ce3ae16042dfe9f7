"""A model trained with 8-bit rounding becomes an integer-only file with the same output."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lowlight_tf.contract import ENHANCE, ENHANCE_WITH_THUMBNAIL

pytestmark = [pytest.mark.usefixtures("qat"), pytest.mark.slow]


def loss_fn(images):
    return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))


@pytest.fixture(scope="module")
def qat_clone(qat, thumbnail_model, dark_samples):
    """The quantization-aware clone after three steps."""
    from lowlight_tf.export.tfmot.qat import create_qat_clone
    from lowlight_tf.export.tfmot.tf_keras_clone import fine_tune

    clone = create_qat_clone(thumbnail_model, dark_samples)
    batches = [(sample, {"target": tf.sqrt(sample["low"])}) for sample in dark_samples]
    fine_tune(clone, batches, loss_fn, steps=3, learning_rate=1e-3)
    return clone


@pytest.fixture(scope="module")
def interpreter(qat_clone, tmp_path_factory):
    from lowlight_tf.export.tfmot.qat import convert_qat_model

    path = tmp_path_factory.mktemp("qat") / "model.tflite"
    convert_qat_model(qat_clone.model, ENHANCE_WITH_THUMBNAIL, path, size=(16, 24))
    result = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    result.allocate_tensors()
    return result


def test_every_tensor_is_an_integer(interpreter):
    types = {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    assert types == {"uint8", "int8", "int32"}


def test_ports_are_uint8_with_the_scale_of_a_camera(interpreter):
    runner = interpreter.get_signature_runner()
    ports = {**runner.get_input_details(), **runner.get_output_details()}
    assert set(ports) == {"low", "thumbnail", "enhanced"}
    for port in ports.values():
        assert port["dtype"] == np.uint8
        assert port["quantization"] == (pytest.approx(1 / 255), 0)


def test_clips_need_no_operation_on_the_device(interpreter):
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert "CONV_2D" in names
    assert not {"MINIMUM", "RELU", "DEQUANTIZE"} & set(names)


def test_the_file_computes_what_the_clone_computes(qat_clone, interpreter, dark_samples):
    runner = interpreter.get_signature_runner()
    for sample in dark_samples:
        bytes_in = {name: np.rint(image * 255).astype(np.uint8) for name, image in sample.items()}
        output = np.float32(runner(**bytes_in)["enhanced"])
        floats = {name: np.float32(image) / 255 for name, image in bytes_in.items()}
        expected = 255 * qat_clone.model(floats)["enhanced"].numpy()
        assert expected.std() > 10
        assert np.abs(output - expected).mean() < 1.5  # a step here and there


def test_ranges_are_those_of_the_operations_on_the_device(thumbnail_model, dark_samples):
    from lowlight_tf.export.tfmot.qat import LITERT_FIXED_RANGES, UNIT_RANGE, activation_ranges

    ranges = activation_ranges(thumbnail_model, dark_samples)
    assert ranges["low_input"] == ranges["thumbnail_input"] == ranges["result"] == UNIT_RANGE
    assert ranges["weight_active"] == LITERT_FIXED_RANGES["sigmoid"]
    for fused in ("enter_conv", "lifted_raw", "result_raw", "fold", "unfold"):
        assert ranges[fused] is None
    low, high = ranges["enter_act"]
    assert low == 0 < high
    low, high = ranges["offset"]
    assert low < 0 < high


def test_ranges_are_those_that_litert_requires_and_cover_every_call(rng):
    from lowlight_tf.export.tfmot.qat import LITERT_FIXED_RANGES, activation_ranges

    low = keras.Input((None, None, 3), name="low")
    scale = keras.layers.Conv2D(3, 1, use_bias=False, name="scale")
    act = keras.layers.LeakyReLU(0.5, name="act")
    first, second = act(scale(low)), act(scale(keras.ops.tanh(4.0 * low)))
    enhanced = keras.ops.sigmoid(first + second)
    model = keras.Model({"low": low}, {"enhanced": enhanced})
    scale.kernel.assign(np.diag(np.float32([2, 2, -2]))[None, None])
    ranges = activation_ranges(
        model, [{"low": np.linspace(0, 0.5, 48, dtype=np.float32).reshape(1, 4, 4, 3)}]
    )
    ends = {name.rstrip("_0123456789"): both for name, both in ranges.items()}
    assert ends["tanh"] == LITERT_FIXED_RANGES["tanh"] == (-1, 127 / 128)
    assert ends["sigmoid"] == LITERT_FIXED_RANGES["sigmoid"]
    largest = 2 * np.tanh(2)
    assert ranges["scale"] == pytest.approx((-largest, largest), rel=0.05)
    assert ranges["act"] == pytest.approx((-0.5, 1), rel=0.05)
    assert ranges["act_call2"] == pytest.approx((-largest / 2, largest), rel=0.05)


def test_the_original_model_is_not_modified(thumbnail_model, dark_samples):
    from lowlight_tf.export.tfmot.qat import create_qat_clone

    before = [weight.copy() for weight in thumbnail_model.get_weights()]
    create_qat_clone(thumbnail_model, dark_samples)
    for old, new in zip(before, thumbnail_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_equal_biases_are_converted_correctly(rng, tmp_path):
    from lowlight_tf.export.tfmot.qat import convert_qat_model, create_qat_clone

    low = keras.Input((None, None, 3), name="low")
    ones = keras.initializers.Constant(0.5)
    color = keras.layers.Conv2D(3, 1, bias_initializer=ones, name="color")
    model = keras.Model({"low": low}, {"enhanced": color(low)})
    color.kernel.assign(np.diag(np.float32([0.5, 0.1, 0.02]))[None, None])
    sample = {"low": rng.random((1, 8, 8, 3), dtype=np.float32)}
    clone = create_qat_clone(model, [sample])
    clone.model(sample, training=True)  # the ranges of kernels
    path = convert_qat_model(clone.model, ENHANCE, tmp_path / "model.tflite", size=(8, 8))
    bytes_in = np.rint(sample["low"] * 255).astype(np.uint8)
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    scale, zero = runner.get_output_details()["enhanced"]["quantization"]
    output = (np.float32(runner(low=bytes_in)["enhanced"]) - zero) * scale
    np.testing.assert_allclose(output, model(sample)["enhanced"], atol=0.02)
