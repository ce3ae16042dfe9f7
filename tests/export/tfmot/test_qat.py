"""A net that learns with eight bits becomes a wholly integer file that does what it learned."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lowlight_tf.contract import ENHANCE, ENHANCE_WITH_THUMBNAIL

pytestmark = [pytest.mark.usefixtures("qat"), pytest.mark.slow]


def judge(images):
    return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))


@pytest.fixture(scope="module")
def aware(qat, exposing_net, dark_samples):
    """The net, rounded, after three steps; and its loss before and after."""
    from lowlight_tf.export.tfmot.qat import create_qat_clone
    from lowlight_tf.export.tfmot.tf_keras_clone import fine_tune

    shadow = create_qat_clone(exposing_net, dark_samples)
    batches = [(sample, {"target": tf.sqrt(sample["low"])}) for sample in dark_samples]
    fine_tune(shadow, batches, judge, steps=3, learning_rate=1e-3)
    return shadow


@pytest.fixture(scope="module")
def interpreter(aware, tmp_path_factory):
    from lowlight_tf.export.tfmot.qat import convert_qat_model

    path = tmp_path_factory.mktemp("qat") / "net.tflite"
    convert_qat_model(aware.model, ENHANCE_WITH_THUMBNAIL, path, size=(16, 24))
    found = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    found.allocate_tensors()
    return found


def test_every_tensor_is_an_integer(interpreter):
    types = {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    assert types == {"uint8", "int8", "int32"}


def test_ports_take_and_give_the_bytes_of_a_camera(interpreter):
    runner = interpreter.get_signature_runner()
    ports = {**runner.get_input_details(), **runner.get_output_details()}
    assert set(ports) == {"low", "thumbnail", "enhanced"}
    for port in ports.values():
        assert port["dtype"] == np.uint8
        assert port["quantization"] == (pytest.approx(1 / 255), 0)


def test_limits_cost_nothing_on_the_device(interpreter):
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert "CONV_2D" in names
    assert not {"MINIMUM", "RELU", "DEQUANTIZE"} & set(names)


def test_the_file_does_what_was_learned(aware, interpreter, dark_samples):
    runner = interpreter.get_signature_runner()
    for sample in dark_samples:
        eight = {name: np.rint(image * 255).astype(np.uint8) for name, image in sample.items()}
        answer = np.float32(runner(**eight)["enhanced"])
        floats = {name: np.float32(image) / 255 for name, image in eight.items()}
        expected = 255 * aware.model(floats)["enhanced"].numpy()
        assert expected.std() > 10
        assert np.abs(answer - expected).mean() < 1.5  # a step here and there


def test_ranges_are_those_of_what_the_device_computes(exposing_net, dark_samples):
    from lowlight_tf.export.tfmot.qat import LITERT_FIXED_RANGES, UNIT_RANGE, activation_ranges

    found = activation_ranges(exposing_net, dark_samples)
    assert found["low_taken"] == found["thumbnail_taken"] == found["whole"] == UNIT_RANGE
    assert found["weight_active"] == LITERT_FIXED_RANGES["sigmoid"]
    for absorbed in ("enter_conv", "seen_raw", "whole_raw", "fold", "unfold"):
        assert found[absorbed] is None
    low, high = found["enter_act"]
    assert low == 0 < high
    low, high = found["offset"]
    assert low < 0 < high


def test_ranges_are_those_that_litert_prescribes_and_of_every_call(rng):
    from lowlight_tf.export.tfmot.qat import LITERT_FIXED_RANGES, activation_ranges

    low = keras.Input((None, None, 3), name="low")
    scale = keras.layers.Conv2D(3, 1, use_bias=False, name="scale")
    act = keras.layers.LeakyReLU(0.5, name="act")
    first, second = act(scale(low)), act(scale(keras.ops.tanh(4.0 * low)))
    enhanced = keras.ops.sigmoid(first + second)
    net = keras.Model({"low": low}, {"enhanced": enhanced})
    scale.kernel.assign(np.diag(np.float32([2, 2, -2]))[None, None])
    found = activation_ranges(
        net, [{"low": np.linspace(0, 0.5, 48, dtype=np.float32).reshape(1, 4, 4, 3)}]
    )
    ends = {name.rstrip("_0123456789"): both for name, both in found.items()}
    assert ends["tanh"] == LITERT_FIXED_RANGES["tanh"] == (-1, 127 / 128)
    assert ends["sigmoid"] == LITERT_FIXED_RANGES["sigmoid"]
    most = 2 * np.tanh(2)
    assert found["scale"] == pytest.approx((-most, most), rel=0.05)
    assert found["act"] == pytest.approx((-0.5, 1), rel=0.05)
    assert found["act_call2"] == pytest.approx((-most / 2, most), rel=0.05)


def test_the_net_itself_is_left_alone(exposing_net, dark_samples):
    from lowlight_tf.export.tfmot.qat import create_qat_clone

    before = [weight.copy() for weight in exposing_net.get_weights()]
    create_qat_clone(exposing_net, dark_samples)
    for old, new in zip(before, exposing_net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_equal_biases_come_through_the_converter(rng, tmp_path):
    from lowlight_tf.export.tfmot.qat import convert_qat_model, create_qat_clone

    low = keras.Input((None, None, 3), name="low")
    ones = keras.initializers.Constant(0.5)
    color = keras.layers.Conv2D(3, 1, bias_initializer=ones, name="color")
    net = keras.Model({"low": low}, {"enhanced": color(low)})
    color.kernel.assign(np.diag(np.float32([0.5, 0.1, 0.02]))[None, None])
    sample = {"low": rng.random((1, 8, 8, 3), dtype=np.float32)}
    shadow = create_qat_clone(net, [sample])
    shadow.model(sample, training=True)  # the ranges of kernels
    path = convert_qat_model(shadow.model, ENHANCE, tmp_path / "net.tflite", size=(8, 8))
    eight = np.rint(sample["low"] * 255).astype(np.uint8)
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    scale, zero = runner.get_output_details()["enhanced"]["quantization"]
    answer = (np.float32(runner(low=eight)["enhanced"]) - zero) * scale
    np.testing.assert_allclose(answer, net(sample)["enhanced"], atol=0.02)
