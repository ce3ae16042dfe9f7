"""A Keras model becomes a .tflite file of one size with the same output."""

import functools

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.export.calibration_data import representative_dataset
from lowlight_tf.export.convert import convert, deployable_submodel
from lowlight_tf.models.driving_unet import driving_unet

SIZE = (16, 24)
TYPES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
CODES = {v: name for name, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return driving_unet(filters=8, depth=1, groups=2, patch=4, output_normalized=False)


@pytest.fixture(scope="module")
def converted(model, tmp_path_factory):
    """Return a function from a quantization to the file; each is converted once."""
    rng = np.random.default_rng(0)
    dark = [{"low": 0.2 * rng.random((32, 32, 3), dtype=np.float32)} for _ in range(4)]
    samples = representative_dataset(dark, ENHANCE, SIZE)

    @functools.cache
    def convert_once(quantization):
        path = tmp_path_factory.mktemp(quantization) / "model.tflite"
        return convert(model, ENHANCE, path, size=SIZE, quantization=quantization, samples=samples)

    return convert_once


def operators(path):
    """Return the name, output type and output shape of each operation."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    return [
        (
            CODES[model.operatorCodes[operator.opcodeIndex].builtinCode],
            TYPES[graph.tensors[operator.outputs[0]].type],
            tuple(graph.tensors[operator.outputs[0]].shape),
        )
        for operator in graph.operators
    ]


def test_ports_keep_their_names_and_one_fixed_size(converted):
    path = converted("float32")
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    assert list(runner.get_input_details()["low"]["shape"]) == [1, *SIZE, 3]
    assert list(runner.get_output_details()["enhanced"]["shape"]) == [1, *SIZE, 3]
    assert [file.name for file in path.parent.iterdir()] == ["model.tflite"]


def test_only_builtin_operations_are_used(converted):
    names = {name for name, _, _ in operators(converted("float32"))}
    assert not names & {"CUSTOM", "DELEGATE"}


def test_a_size_that_fits_the_folding_needs_no_padding(converted):
    names = {name for name, _, _ in operators(converted("float32"))}
    assert not names & {"REVERSE_V2", "PAD", "MIRROR_PAD", "STRIDED_SLICE"}


@pytest.mark.slow
def test_float16_halves_the_file(converted):
    full = converted("float32").read_bytes()
    half = converted("float16").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(half, 0)
    assert "FLOAT16" in {TYPES[tensor.type] for tensor in model.subgraphs[0].tensors}
    assert len(half) < 0.75 * len(full)  # half of so tiny a file is operations


@pytest.mark.slow
def test_dynamic_range_stores_weights_in_8_bits(converted):
    path = converted("dynamic_range")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    assert "INT8" in {TYPES[tensor.type] for tensor in model.subgraphs[0].tensors}
    assert all(type_ == "FLOAT32" for _, type_, _ in operators(path))


@pytest.mark.slow
def test_int8_has_uint8_ports_with_the_scale_of_a_camera(converted):
    interpreter = Interpreter(model_path=str(converted("int8")))
    (low,), (enhanced,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert low["dtype"] == enhanced["dtype"] == np.uint8
    assert low["quantization"] == (pytest.approx(1 / 255), 0)
    assert enhanced["quantization"][1] == 0


@pytest.mark.slow
def test_int8_convolves_in_integers_and_normalizes_in_float(converted):
    found = operators(converted("int8"))
    for name, type_, _ in found:
        if name in ("MEAN", "RSQRT", "LEAKY_RELU", "SUB", "ADD"):
            assert type_ == "FLOAT32"
        if name in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MAX_POOL_2D", "CONCATENATION"):
            assert type_ == "INT8"
    convolutions = [(type_, shape) for name, type_, shape in found if name == "CONV_2D"]
    assert convolutions[0][0] == "FLOAT32"  # its outputs differ most between dark and bright
    assert all(type_ == "FLOAT32" for type_, shape in convolutions if shape[1:3] == (1, 1))
    # enc0b, enc1a, enc1b, up0, dec0b, tail_b, color; not enc0a, dec0a, tail_a, tail_c
    assert sum(type_ == "INT8" for type_, _ in convolutions) == 7


@pytest.mark.slow
def test_int16x8_has_16_bit_activations(converted):
    found = operators(converted("int16x8"))
    assert {type_ for name, type_, _ in found if name == "CONV_2D"} == {"INT16"}


def test_denormal_weights_become_zero(tmp_path):
    low = keras.Input((None, None, 3), name="low")
    layer = keras.layers.Conv2D(3, 1, name="color")
    model = keras.Model({"low": low}, {"enhanced": layer(low)})
    layer.kernel.assign(np.full((1, 1, 3, 3), 1e-35))
    layer.bias.assign([0.5, 1e-31, 2e-30])
    convert(model, ENHANCE, tmp_path / "model.tflite", size=(4, 4))
    assert not np.any(layer.kernel)
    np.testing.assert_array_equal(layer.bias, np.float32([0.5, 0, 2e-30]))


def test_ports_are_found_by_name_in_any_order(tmp_path):
    inputs = {name: keras.Input((None, None, 1), name=name) for name in ("visible", "infrared")}
    fused = keras.layers.Subtract()([inputs["visible"], inputs["infrared"]])
    model = keras.Model(inputs, {"fused": fused, "features": fused})
    contract = Contract((Port("infrared", 1, "thermal"), Port("visible", 1)), (Port("fused", 1),))
    path = convert(model, contract, tmp_path / "fuse.tflite", size=(4, 4))
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    ones = np.ones((1, 4, 4, 1), np.float32)
    output = runner(visible=ones, infrared=0.25 * ones)
    assert list(output) == ["fused"]
    np.testing.assert_allclose(output["fused"], 0.75)


def test_a_file_has_no_branch_that_only_serves_losses():
    low = keras.Input((None, None, 3), name="low")
    outputs = {"enhanced": keras.layers.ReLU(name="kept")(low)}
    outputs["gate_map"] = keras.layers.ReLU(name="kept_too")(outputs["enhanced"])
    full = keras.Model({"low": low}, outputs)
    assert deployable_submodel(full, ENHANCE) is full
    rebuilt = {"rebuilt": keras.layers.ReLU(name="left_out")(low)}
    model = deployable_submodel(
        keras.Model({"low": low}, {**outputs, **rebuilt}, name="model"), ENHANCE
    )
    assert [layer.name for layer in model.layers] == ["low", "kept", "kept_too"]
    assert list(model.output) == ["enhanced", "gate_map"]
    assert model.name == "model"


def test_a_size_that_the_contract_does_not_allow_is_refused(model, tmp_path):
    contract = Contract(ENHANCE.inputs, ENHANCE.outputs, multiple_of=8)
    with pytest.raises(UsageError, match=r"multiples of 8 above zero\. Received: 16x20"):
        convert(model, contract, tmp_path / "model.tflite", size=(16, 20))
    assert not list(tmp_path.iterdir())


def test_an_unknown_quantization_is_refused(model, tmp_path):
    with pytest.raises(
        UsageError, match="must be one of: dynamic_range, float16, float32, int16x8"
    ):
        convert(model, ENHANCE, tmp_path / "model.tflite", size=SIZE, quantization="int4")


@pytest.mark.slow
def test_one_lamp_in_the_dark_does_not_enlarge_the_scale(tmp_path, rng):
    low = keras.Input((None, None, 1), name="low")
    copies = [keras.layers.Conv2D(1, 3, padding="same", use_bias=False) for _ in range(2)]
    model = keras.Model({"low": low}, {"enhanced": copies[1](copies[0](low))})
    for layer, gain in zip(copies, (1, 2), strict=True):
        layer.kernel.assign(np.float32([[0, 0, 0], [0, gain, 0], [0, 0, 0]])[..., None, None])
    dark = 0.1 * rng.random((1, 400, 400, 1), dtype=np.float32)
    dark[0, 200, 200] = 1
    contract = Contract((Port("low", 1),), (Port("enhanced", 1),))
    path = convert(
        model, contract, tmp_path / "n.tflite", size=(400, 400), quantization="int8",
        samples=[{"low": dark}],
    )  # fmt: skip
    (enhanced,) = Interpreter(model_path=str(path)).get_output_details()
    assert enhanced["quantization"][0] == pytest.approx(0.2 / 255, rel=0.02)


@pytest.mark.slow
def test_one_unusual_image_does_not_enlarge_the_scales(model, tmp_path, rng):
    size = (64, 96)
    dark = [{"low": 0.2 * rng.random((1, *size, 3), dtype=np.float32)} for _ in range(24)]
    unusual = {"low": np.zeros((1, *size, 3), np.float32)}
    unusual["low"][0, 32, 48] = 1  # nearly black: normalization amplifies its one lamp

    def scales(samples):
        path = convert(
            model, ENHANCE, tmp_path / "n.tflite", size=size, quantization="int8", samples=samples
        )
        tensors = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0).subgraphs[0].tensors
        return {
            tensor.name: tensor.quantization.scale[0]
            for tensor in tensors
            if TYPES[tensor.type] == "INT8" and len(tensor.quantization.scale) == 1
        }

    without, with_unusual = scales(dark), scales([*dark, unusual])
    activations = [name for name in without if b"LeakyRelu" in name]
    assert activations
    for name in activations:
        assert with_unusual[name] < 1.25 * without[name]


@pytest.mark.slow
def test_a_value_that_is_overwritten_in_place_keeps_its_own_scale(tmp_path, rng):
    low = keras.Input((None, None, 1), name="low")
    strength = keras.layers.Conv2D(1, 1, activation="sigmoid", kernel_initializer="zeros")(low)
    change = keras.layers.Multiply(name="change")([strength, -0.5 * low])
    lifted = keras.layers.Subtract()([low, change])
    model = keras.Model({"low": low}, {"enhanced": keras.layers.Conv2D(1, 1)(lifted)})
    contract = Contract((Port("low", 1),), (Port("enhanced", 1),))
    path = convert(
        model, contract, tmp_path / "n.tflite", size=(64, 64), quantization="int8",
        samples=[{"low": rng.random((1, 64, 64, 1), dtype=np.float32)}],
    )  # fmt: skip
    tensors = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0).subgraphs[0].tensors
    (change,) = (tensor for tensor in tensors if b"change" in tensor.name)
    assert change.quantization.scale[0] == pytest.approx(0.25 / 255, rel=0.02)  # of [-0.25, 0]
