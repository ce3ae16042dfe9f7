"""MIRNet: the numbers of the paper, its blocks by hand, the differences of the Keras variant."""

from collections import Counter

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE
from lowlight_tf.export.convert import convert
from lowlight_tf.layers.attention import BranchSoftmax
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.models import _mirnet_keras_io as keras_variant
from lowlight_tf.models import mirnet as module
from lowlight_tf.models.mirnet import mirnet

SMALL = {"filters": 8, "groups": 1, "blocks": 1}
ALLOWED = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "LEAKY_RELU", "LOGISTIC", "SOFTMAX", "MEAN",
    "REDUCE_MAX", "CONCATENATION", "STRIDED_SLICE", "RESHAPE", "MUL", "ADD", "RESIZE_BILINEAR",
    "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "MINIMUM", "DEQUANTIZE", "QUANTIZE", "SUB", "ELU",
}  # fmt: skip


def randomize_weights(model, rng):
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return model


def single_input_model(part, channels, rng):
    """Return a model of one part of the architecture, with random weights."""
    x = keras.Input((None, None, channels))
    return randomize_weights(keras.Model(x, part(x)), rng)


def multi_input_model(part, count, channels, rng):
    """Return the same for a part with a list of inputs."""
    inputs = [keras.Input((None, None, channels)) for _ in range(count)]
    return randomize_weights(keras.Model(inputs, part(inputs)), rng)


def kernel(model, name):
    return np.asarray(model.get_layer(name).kernel)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def operations(path):
    file = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in file.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in file.subgraphs[0].operators), file


@pytest.mark.slow
def test_has_the_number_of_weights_of_the_authors_code():
    n, units, fusions = 64, 0, 0
    for c in (n, 2 * n, 4 * n):
        units += 2 * 9 * c**2 + 2 * 25 + 2 * c * c // 8 + 2 * c**2
        fusions += c * c // 8 + 3 * c * c // 8
    halves = sum(14 * c**2 for c in (n, n, 2 * n, 2 * n))
    doubles = sum(11 * c**2 for c in (2 * n, 2 * n, 2 * n, 2 * n, 4 * n, 4 * n, 4 * n))
    block = units + fusions + halves + doubles + 9 * n**2
    kernels = 6 * block + 3 * 9 * n**2 + 2 * 27 * n
    assert kernels == 31_787_268  # 31.79 million, as published
    model = mirnet()
    slopes = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert len(slopes) == 6 * (3 + 3 + 4 * 2 + 7 * 2)
    assert model.count_params() == kernels + len(slopes)


@pytest.mark.slow
def test_the_keras_variant_has_more_weights():
    assert mirnet(variant="keras_io").count_params() == 36_351_613


def test_dual_attention_is_as_computed_by_hand(rng):
    model = single_input_model(module._dual_attention(8, "u"), 8, rng)
    x = rng.normal(0, 1, (1, 6, 7, 8)).astype(np.float32)
    slope = float(np.ravel(model.get_layer("u_slope").alpha)[0])
    y = keras.ops.conv(x, kernel(model, "u_a"), padding="same")
    y = np.where(y > 0, y, slope * y)
    y = np.asarray(keras.ops.conv(y, kernel(model, "u_b"), padding="same"))
    squeezed = np.maximum(y.mean((1, 2)) @ kernel(model, "u_squeeze")[0, 0], 0)
    maps = sigmoid(squeezed @ kernel(model, "u_excite")[0, 0])
    pooled = np.stack([y.max(-1), y.mean(-1)], -1)
    assert kernel(model, "u_look").shape == (5, 5, 2, 1)
    pixels = sigmoid(np.asarray(keras.ops.conv(pooled, kernel(model, "u_look"), padding="same")))
    both = np.concatenate([y * maps, y * pixels], -1)
    join = np.concatenate([kernel(model, "u_by_map"), kernel(model, "u_by_pixel")], 2)[0, 0]
    np.testing.assert_allclose(model(x), x + both @ join, atol=1e-3)


def test_attention_has_at_least_four_squeezed_channels(rng):
    for channels, squeezed in {8: 4, 32: 4, 64: 8}.items():
        model = single_input_model(module._dual_attention(channels, "u"), channels, rng)
        assert kernel(model, "u_squeeze").shape == (1, 1, channels, squeezed)
        assert kernel(model, "u_excite").shape == (1, 1, squeezed, channels)


def test_selective_fusion_is_as_computed_by_hand(rng):
    model = multi_input_model(module._selective_fusion(4, 3, "f"), 3, 4, rng)
    tensors = [rng.normal(0, 1, (1, 3, 5, 4)).astype(np.float32) for _ in range(3)]
    slope = float(np.ravel(model.get_layer("f_slope").alpha)[0])
    z = sum(tensors).mean((1, 2)) @ kernel(model, "f_squeeze")[0, 0]
    z = np.where(z > 0, z, slope * z) @ kernel(model, "f_choose")[0, 0]
    e = np.exp(z.reshape(4, 3))
    weights = e / e.sum(1, keepdims=True)
    expected = sum(x * weights[:, branch] for branch, x in enumerate(tensors))
    np.testing.assert_allclose(model(tensors), expected, atol=1e-5)


def test_resampling_modules_are_as_computed_by_hand(rng):
    down = single_input_model(lambda x: module._downsample(x, 2, "d"), 2, rng)
    x = np.zeros((1, 8, 8, 2), np.float32)
    assert down(x).shape == (1, 4, 4, 4)
    x += 1
    slopes = [float(np.ravel(down.get_layer(f"d_slope_{s}").alpha)[0]) for s in "ab"]
    y = np.ones(2)
    for part, slope in zip("ab", slopes, strict=True):  # the interior is constant: sums of kernels
        y = y @ kernel(down, f"d_{part}").sum((0, 1))
        y = np.where(y > 0, y, slope * y)
    expected = y @ kernel(down, "d_c")[0, 0] + np.ones(2) @ kernel(down, "d_past")[0, 0]
    np.testing.assert_allclose(np.asarray(down(x))[0, 2, 2], expected, atol=1e-4)

    up = multi_input_model(lambda xs: module._upsample(*xs, 4, "u"), 2, 4, rng)
    x = np.ones((1, 5, 5, 4), np.float32)
    slopes = [float(np.ravel(up.get_layer(f"u_slope_{s}").alpha)[0]) for s in "ab"]
    y = np.ones(4) @ kernel(up, "u_a")[0, 0]
    y = np.where(y > 0, y, slopes[0] * y) @ kernel(up, "u_b")[1, 1]  # its center: even pixels
    y = np.where(y > 0, y, slopes[1] * y) @ kernel(up, "u_c")[0, 0]
    expected = y + np.ones(4) @ kernel(up, "u_past")[0, 0]
    large = np.asarray(up([x, np.zeros((1, 10, 10, 4), np.float32)]))
    assert large.shape == (1, 10, 10, 2)
    np.testing.assert_allclose(large[0, 4, 4], expected, atol=1e-4)


def test_without_a_residual_the_output_is_the_clipped_input(rng):
    for options in (SMALL, {**SMALL, "patch": 2}):
        model = mirnet(**options)
        model.get_layer("leave").kernel.assign(0 * model.get_layer("leave").kernel)
        low = rng.random((1, 8, 12, 3), dtype=np.float32) * 1.5
        np.testing.assert_allclose(model({"low": low})["enhanced"], low.clip(0, 1), atol=1e-6)


def test_the_tone_curve_is_applied_to_the_input_of_the_convolutions_only():
    model = mirnet(**SMALL, patch=2, tone_curve=True)
    low = np.repeat(np.float32([0, 0.1, 0.5, 1]), 3).reshape(1, 2, 2, 3)
    toned = keras.Model(model.input, model.get_layer("enter").input)({"low": low})
    expected = np.repeat(np.float32([0, 1 - 0.9**4, 1 - 0.5**4, 1]), 3)
    np.testing.assert_allclose(np.ravel(toned), expected, atol=1e-6)
    model.get_layer("leave").kernel.assign(0 * model.get_layer("leave").kernel)
    np.testing.assert_allclose(model({"low": low})["enhanced"], low, atol=1e-6)


def test_the_predicted_gain_multiplies_the_input(rng):
    model = mirnet(**SMALL, patch=2, predict_gain=True)
    low = rng.random((1, 6, 8, 3), dtype=np.float32) * 0.2
    layer = model.get_layer("gain")
    gain = np.asarray(keras.Model(model.input, layer.output)({"low": low}))
    model.get_layer("leave").kernel.assign(0 * model.get_layer("leave").kernel)
    blocks = low.reshape(1, 3, 2, 4, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(gain.shape)
    expected = (blocks * (1 + gain)).clip(0, 1).reshape(1, 3, 4, 2, 2, 3)
    expected = expected.transpose(0, 1, 3, 2, 4, 5).reshape(low.shape)
    np.testing.assert_allclose(model({"low": low})["enhanced"], expected, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_the_curve_head_keeps_black_and_white_whatever_the_weights(level, rng):
    model = mirnet(**SMALL, patch=2, curve_head=True)
    for weight in model.trainable_weights:
        weight.assign(weight + rng.normal(0, 0.5, weight.shape))
    low = np.full((1, 16, 24, 3), level, np.float32)
    np.testing.assert_allclose(model({"low": low})["enhanced"], low, atol=1e-6)


@pytest.mark.parametrize("patch", [1, 4])
def test_takes_any_size(patch, rng):
    model = mirnet(filters=4, groups=1, blocks=1, patch=patch)
    for size in ((1, 1), (13, 22)):
        low = rng.random((1, *size, 3), dtype=np.float32)
        enhanced = np.asarray(model({"low": low})["enhanced"])
        assert enhanced.shape == low.shape
        assert 0 <= enhanced.min() <= enhanced.max() <= 1
        training = model({"low": low}, training=True)["enhanced"]
        np.testing.assert_allclose(training, enhanced, atol=1e-5)


@pytest.mark.parametrize("streams", [2, 4])
def test_has_the_requested_number_of_streams(streams, rng):
    model = mirnet(filters=4, groups=1, blocks=1, streams=streams)
    low = rng.random((1, 16, 16, 3), dtype=np.float32)
    assert model({"low": low})["enhanced"].shape == low.shape
    units = {layer.name for layer in model.layers if layer.name.endswith("_look")}
    assert len(units) == streams


def test_folding_keeps_the_output_and_leaves_plain_layers(rng):
    model = mirnet(**SMALL)
    for weight in model.weights:
        weight.assign(weight + rng.normal(0, 0.05, weight.shape))
    prelu = model.get_layer("group0_block0_unit1_slope")
    prelu.alpha.assign(0 * prelu.alpha - 0.5)  # LeakyReLU rejects a negative slope
    low = rng.random((1, 16, 12, 3), dtype=np.float32)
    folded = reparameterize_model(model)
    np.testing.assert_allclose(
        folded({"low": low})["enhanced"], model({"low": low})["enhanced"], atol=1e-5
    )
    kinds = Counter(type(layer).__name__ for layer in folded.layers)
    assert kinds["PReLU"] == 1
    assert "FoldedConv2DTranspose" not in kinds


# Differences of the variant in the Keras examples.


def test_the_keras_variants_softmax_runs_over_the_channels_of_a_branch(rng):
    ones = [np.ones((1, 4, 4, 16), np.float32)] * 3
    theirs = multi_input_model(lambda xs: keras_variant._selective_fusion(*xs), 3, 16, rng)
    ours = multi_input_model(module._selective_fusion(16, 3, "f"), 3, 16, rng)
    np.testing.assert_allclose(ours(ones), 1, atol=1e-5)  # the weights of a channel sum to 1
    np.testing.assert_allclose(np.sum(theirs(ones), -1), 3, atol=1e-5)  # those of a branch do


def test_the_keras_variant_drops_the_second_stream():
    theirs = mirnet(variant="keras_io", **SMALL)
    ours = mirnet(**SMALL)
    fusions = [layer for layer in ours.layers if isinstance(layer, BranchSoftmax)]
    used = [
        layer
        for layer in theirs.layers
        if getattr(layer, "activation", None) is keras.activations.softmax
    ]
    assert len(fusions) == 4  # three streams, and the end
    assert len(used) == 3 * 3  # without the second stream; three convolutions each
    spatial = [
        layer for layer in theirs.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2:] == (2, 1)
    ]  # fmt: skip
    assert len(spatial) == 5  # units: three in the first column, two in the second
    assert {layer.kernel_size for layer in spatial} == {(1, 1)}  # not 5x5


def test_the_keras_variant_does_not_clip_its_output(rng):
    low = 1 + rng.random((1, 8, 8, 3), dtype=np.float32)
    last = mirnet(variant="keras_io", **SMALL)
    for weight in last.weights[-2:]:
        weight.assign(0 * weight)
    np.testing.assert_allclose(last({"low": low})["enhanced"], low)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"patch": 2, "tone_curve": True, "predict_gain": True}, {"curve_head": True}]
)
@pytest.mark.parametrize("quantization", ["float32", "float16", "int8"])
def test_every_operation_runs_on_the_gpu_delegate(
    quantization, options, check_on_gpu, rng, tmp_path
):
    keras.utils.set_random_seed(1)
    model = mirnet(**SMALL, **options)
    model.get_layer("leave").kernel.assign(0.2 * model.get_layer("leave").kernel)
    size = (16, 24)
    samples = [{"low": 0.1 + 0.6 * rng.random((1, *size, 3), dtype=np.float32)} for _ in range(3)]
    path = convert(
        model, ENHANCE, tmp_path / "m.tflite", size=size, quantization=quantization, samples=samples
    )
    names, file = operations(path)
    assert set(names) <= ALLOWED
    low = samples[0]["low"]
    if quantization == "int8":
        (graph,) = file.subgraphs
        used = {index for op in graph.operators for index in (*op.inputs, *op.outputs)}
        kinds = {graph.tensors[index].type for index in used}
        assert schema.TensorType.FLOAT32 not in kinds
        low = np.rint(255 * low).astype(np.uint8)
    report = check_on_gpu(path, {"low": low})
    assert report.unsupported_ops == ()
    if quantization == "int8":
        assert report.psnr_db > 40
    else:
        assert report.max_difference < 1e-4


@pytest.mark.parametrize(
    "name", ["mirnet_lol_v1", "mirnet_long", "mirnet_slim", "mirnet_night", "mirnet_keras_io"]
)
def test_recipes_have_valid_options(name):
    recipe = Recipe.load(name)
    assert recipe.model == "mirnet"
    assert set(recipe.options) < set(mirnet.__kwdefaults__)


def test_the_slim_recipe_has_less_than_400000_weights():
    assert mirnet(**Recipe.load("mirnet_slim").options).count_params() < 400_000


def test_invalid_options_are_rejected():
    for option, minimum in {
        "filters": 1,
        "groups": 1,
        "blocks": 1,
        "streams": 2,
        "patch": 1,
    }.items():
        with pytest.raises(UsageError, match=option):
            mirnet(**{option: minimum - 1})
    with pytest.raises(UsageError, match="variant"):
        mirnet(variant="torch")
    for option, value in {
        "streams": 2, "patch": 2, "filters": 4, "tone_curve": True, "predict_gain": True,
        "curve_head": True,
    }.items():  # fmt: skip
        with pytest.raises(UsageError, match="keras_io"):
            mirnet(variant="keras_io", **{option: value})
    for option in ("tone_curve", "predict_gain"):
        with pytest.raises(UsageError, match="curve_head"):
            mirnet(curve_head=True, **{option: True})
