"""MIRNet: the paper's numbers, its blocks by hand, and what the popular variant does otherwise."""

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
from lowlight_tf.models import mirnet as room
from lowlight_tf.models import mirnet_keras_io as popular
from lowlight_tf.models.mirnet import mirnet

SMALL = {"filters": 8, "groups": 1, "blocks": 1}
ALLOWED = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "LEAKY_RELU", "LOGISTIC", "SOFTMAX", "MEAN",
    "REDUCE_MAX", "CONCATENATION", "STRIDED_SLICE", "RESHAPE", "MUL", "ADD", "RESIZE_BILINEAR",
    "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "MINIMUM", "DEQUANTIZE", "QUANTIZE", "SUB",
}  # fmt: skip


def stirred(net, rng):
    for weight in net.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return net


def net_of(part, channels, rng):
    """Return a model of one part of the net, its weights drawn from `rng`."""
    x = keras.Input((None, None, channels))
    return stirred(keras.Model(x, part(x)), rng)


def net_of_several(part, count, channels, rng):
    """The same for a part that takes a list."""
    inputs = [keras.Input((None, None, channels)) for _ in range(count)]
    return stirred(keras.Model(inputs, part(inputs)), rng)


def kernel(net, name):
    return np.asarray(net.get_layer(name).kernel)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def operations(path):
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators), model


@pytest.mark.slow
def test_has_the_weights_of_the_authors_net():
    n, units, fusions = 64, 0, 0
    for c in (n, 2 * n, 4 * n):
        units += 2 * 9 * c**2 + 2 * 25 + 2 * c * c // 8 + 2 * c**2
        fusions += c * c // 8 + 3 * c * c // 8
    halves = sum(14 * c**2 for c in (n, n, 2 * n, 2 * n))
    doubles = sum(11 * c**2 for c in (2 * n, 2 * n, 2 * n, 2 * n, 4 * n, 4 * n, 4 * n))
    block = units + fusions + halves + doubles + 9 * n**2
    kernels = 6 * block + 3 * 9 * n**2 + 2 * 27 * n
    assert kernels == 31_787_268  # 31.79 million, as published
    net = mirnet()
    slopes = [layer for layer in net.layers if isinstance(layer, keras.layers.PReLU)]
    assert len(slopes) == 6 * (3 + 3 + 4 * 2 + 7 * 2)
    assert net.count_params() == kernels + len(slopes)


@pytest.mark.slow
def test_the_popular_variant_has_more_weights():
    assert mirnet(variant="keras_io").count_params() == 36_351_613


def test_dual_attention_by_hand(rng):
    net = net_of(room._dual_attention(8, "u"), 8, rng)
    x = rng.normal(0, 1, (1, 6, 7, 8)).astype(np.float32)
    slope = float(np.ravel(net.get_layer("u_slope").alpha)[0])
    y = keras.ops.conv(x, kernel(net, "u_a"), padding="same")
    y = np.where(y > 0, y, slope * y)
    y = np.asarray(keras.ops.conv(y, kernel(net, "u_b"), padding="same"))
    squeezed = np.maximum(y.mean((1, 2)) @ kernel(net, "u_squeeze")[0, 0], 0)
    maps = sigmoid(squeezed @ kernel(net, "u_excite")[0, 0])
    extent = np.stack([y.max(-1), y.mean(-1)], -1)
    assert kernel(net, "u_look").shape == (5, 5, 2, 1)
    pixels = sigmoid(np.asarray(keras.ops.conv(extent, kernel(net, "u_look"), padding="same")))
    both = np.concatenate([y * maps, y * pixels], -1)
    join = np.concatenate([kernel(net, "u_by_map"), kernel(net, "u_by_pixel")], 2)[0, 0]
    np.testing.assert_allclose(net(x), x + both @ join, atol=1e-3)


def test_no_attention_hangs_on_a_single_relu(rng):
    for channels, inside in {8: 4, 32: 4, 64: 8}.items():
        net = net_of(room._dual_attention(channels, "u"), channels, rng)
        assert kernel(net, "u_squeeze").shape == (1, 1, channels, inside)
        assert kernel(net, "u_excite").shape == (1, 1, inside, channels)


def test_selective_fusion_by_hand(rng):
    net = net_of_several(room._selective_fusion(4, 3, "f"), 3, 4, rng)
    tensors = [rng.normal(0, 1, (1, 3, 5, 4)).astype(np.float32) for _ in range(3)]
    slope = float(np.ravel(net.get_layer("f_slope").alpha)[0])
    z = sum(tensors).mean((1, 2)) @ kernel(net, "f_squeeze")[0, 0]
    z = np.where(z > 0, z, slope * z) @ kernel(net, "f_choose")[0, 0]
    e = np.exp(z.reshape(4, 3))
    shares = e / e.sum(1, keepdims=True)
    expected = sum(x * shares[:, branch] for branch, x in enumerate(tensors))
    np.testing.assert_allclose(net(tensors), expected, atol=1e-5)


def test_resizing_by_hand(rng):
    half = net_of(lambda x: room._downsample(x, 2, "d"), 2, rng)
    x = np.zeros((1, 8, 8, 2), np.float32)
    assert half(x).shape == (1, 4, 4, 4)
    x += 1
    slopes = [float(np.ravel(half.get_layer(f"d_slope_{s}").alpha)[0]) for s in "ab"]
    y = np.ones(2)
    for place, slope in zip("ab", slopes, strict=True):  # in the middle all is even: kernels sum up
        y = y @ kernel(half, f"d_{place}").sum((0, 1))
        y = np.where(y > 0, y, slope * y)
    expected = y @ kernel(half, "d_c")[0, 0] + np.ones(2) @ kernel(half, "d_past")[0, 0]
    np.testing.assert_allclose(np.asarray(half(x))[0, 2, 2], expected, atol=1e-4)

    double = net_of_several(lambda xs: room._upsample(*xs, 4, "u"), 2, 4, rng)
    x = np.ones((1, 5, 5, 4), np.float32)
    slopes = [float(np.ravel(double.get_layer(f"u_slope_{s}").alpha)[0]) for s in "ab"]
    y = np.ones(4) @ kernel(double, "u_a")[0, 0]
    y = np.where(y > 0, y, slopes[0] * y) @ kernel(double, "u_b")[1, 1]  # its middle: even pixels
    y = np.where(y > 0, y, slopes[1] * y) @ kernel(double, "u_c")[0, 0]
    expected = y + np.ones(4) @ kernel(double, "u_past")[0, 0]
    large = np.asarray(double([x, np.zeros((1, 10, 10, 4), np.float32)]))
    assert large.shape == (1, 10, 10, 2)
    np.testing.assert_allclose(large[0, 4, 4], expected, atol=1e-4)


def test_a_net_that_adds_nothing_gives_the_picture_limited(rng):
    for options in (SMALL, {**SMALL, "patch": 2}):
        net = mirnet(**options)
        net.get_layer("leave").kernel.assign(0 * net.get_layer("leave").kernel)
        low = rng.random((1, 8, 12, 3), dtype=np.float32) * 1.5
        np.testing.assert_allclose(net({"low": low})["enhanced"], low.clip(0, 1), atol=1e-6)


def test_a_toned_net_sees_the_curve_and_adds_to_the_picture():
    net = mirnet(**SMALL, patch=2, tone_curve=True)
    low = np.repeat(np.float32([0, 0.1, 0.5, 1]), 3).reshape(1, 2, 2, 3)
    seen = keras.Model(net.input, net.get_layer("enter").input)({"low": low})
    expected = np.repeat(np.float32([0, 1 - 0.9**4, 1 - 0.5**4, 1]), 3)
    np.testing.assert_allclose(np.ravel(seen), expected, atol=1e-6)
    net.get_layer("leave").kernel.assign(0 * net.get_layer("leave").kernel)
    np.testing.assert_allclose(net({"low": low})["enhanced"], low, atol=1e-6)


def test_a_gained_net_adds_the_picture_as_often_as_it_says(rng):
    net = mirnet(**SMALL, patch=2, predict_gain=True)
    low = rng.random((1, 6, 8, 3), dtype=np.float32) * 0.2
    layer = net.get_layer("gain")
    gain = np.asarray(keras.Model(net.input, layer.output)({"low": low}))
    net.get_layer("leave").kernel.assign(0 * net.get_layer("leave").kernel)
    blocks = low.reshape(1, 3, 2, 4, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(gain.shape)
    expected = (blocks * (1 + gain)).clip(0, 1).reshape(1, 3, 4, 2, 2, 3)
    expected = expected.transpose(0, 1, 3, 2, 4, 5).reshape(low.shape)
    np.testing.assert_allclose(net({"low": low})["enhanced"], expected, atol=1e-5)


@pytest.mark.parametrize("patch", [1, 4])
def test_takes_any_size(patch, rng):
    net = mirnet(filters=4, groups=1, blocks=1, patch=patch)
    for size in ((1, 1), (13, 22)):
        low = rng.random((1, *size, 3), dtype=np.float32)
        enhanced = np.asarray(net({"low": low})["enhanced"])
        assert enhanced.shape == low.shape
        assert 0 <= enhanced.min() <= enhanced.max() <= 1
        learning = net({"low": low}, training=True)["enhanced"]
        np.testing.assert_allclose(learning, enhanced, atol=1e-5)


@pytest.mark.parametrize("streams", [2, 4])
def test_has_as_many_streams_as_wanted(streams, rng):
    net = mirnet(filters=4, groups=1, blocks=1, streams=streams)
    low = rng.random((1, 16, 16, 3), dtype=np.float32)
    assert net({"low": low})["enhanced"].shape == low.shape
    units = {layer.name for layer in net.layers if layer.name.endswith("_look")}
    assert len(units) == streams


def test_folding_changes_nothing_and_leaves_plain_layers(rng):
    net = mirnet(**SMALL)
    for weight in net.weights:
        weight.assign(weight + rng.normal(0, 0.05, weight.shape))
    down = net.get_layer("group0_block0_unit1_slope")
    down.alpha.assign(0 * down.alpha - 0.5)  # no LeakyReLU has such a slope
    low = rng.random((1, 16, 12, 3), dtype=np.float32)
    folded = reparameterize_model(net)
    np.testing.assert_allclose(
        folded({"low": low})["enhanced"], net({"low": low})["enhanced"], atol=1e-5
    )
    kinds = Counter(type(layer).__name__ for layer in folded.layers)
    assert kinds["PReLU"] == 1
    assert "FoldedTranspose" not in kinds


# What the popular variant does otherwise.


def test_its_softmax_runs_over_the_maps_of_a_branch(rng):
    ones = [np.ones((1, 4, 4, 16), np.float32)] * 3
    theirs = net_of_several(lambda xs: popular._selective_fusion(*xs), 3, 16, rng)
    ours = net_of_several(room._selective_fusion(16, 3, "f"), 3, 16, rng)
    np.testing.assert_allclose(ours(ones), 1, atol=1e-5)  # shares of a map sum to 1
    np.testing.assert_allclose(np.sum(theirs(ones), -1), 3, atol=1e-5)  # those of a branch do


def test_it_drops_the_second_stream():
    theirs = mirnet(variant="keras_io", **SMALL)
    ours = mirnet(**SMALL)
    fusions = [layer for layer in ours.layers if isinstance(layer, BranchSoftmax)]
    used = [
        layer
        for layer in theirs.layers
        if getattr(layer, "activation", None) is keras.activations.softmax
    ]
    assert len(fusions) == 4  # three sizes, and the end
    assert len(used) == 3 * 3  # without the second size; three convolutions each
    spatial = [
        layer for layer in theirs.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2:] == (2, 1)
    ]  # fmt: skip
    assert len(spatial) == 5  # units: three in the first column, two in the second
    assert {layer.kernel_size for layer in spatial} == {(1, 1)}  # looks at single pixels


def test_it_does_not_limit_its_result(rng):
    low = 1 + rng.random((1, 8, 8, 3), dtype=np.float32)
    last = mirnet(variant="keras_io", **SMALL)
    for weight in last.weights[-2:]:
        weight.assign(0 * weight)
    np.testing.assert_allclose(last({"low": low})["enhanced"], low)


@pytest.mark.slow
@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("quantization", ["float32", "float16", "int8"])
def test_every_operation_stays_on_the_gpu_delegate(quantization, patch, prove, rng, tmp_path):
    keras.utils.set_random_seed(1)
    net = mirnet(**SMALL, patch=patch, tone_curve=patch > 1, predict_gain=patch > 1)
    net.get_layer("leave").kernel.assign(0.2 * net.get_layer("leave").kernel)
    size = (16, 24)
    samples = [{"low": 0.1 + 0.6 * rng.random((1, *size, 3), dtype=np.float32)} for _ in range(3)]
    path = convert(
        net, ENHANCE, tmp_path / "m.tflite", size=size, quantization=quantization, samples=samples
    )
    found, model = operations(path)
    assert set(found) <= ALLOWED
    low = samples[0]["low"]
    if quantization == "int8":
        kinds = {tensor.type for tensor in model.subgraphs[0].tensors if tensor.shape is not None}
        assert schema.TensorType.FLOAT32 not in kinds
        low = np.rint(255 * low).astype(np.uint8)
    done = prove(path, {"low": low})
    assert done.refused == ()
    if quantization == "int8":
        assert done.agreement_db > 40
    else:
        assert done.difference < 1e-4


@pytest.mark.parametrize("name", ["mirnet_lol_v1", "mirnet_long", "mirnet_slim", "mirnet_keras_io"])
def test_recipes_name_what_the_net_knows(name):
    recipe = Recipe.load(name)
    assert recipe.model == "mirnet"
    assert set(recipe.options) < set(mirnet.__kwdefaults__)


def test_the_slim_one_is_slim():
    assert mirnet(**Recipe.load("mirnet_slim").options).count_params() < 400_000


def test_numbers_that_build_nothing_are_refused():
    for option, least in {"filters": 1, "groups": 1, "blocks": 1, "streams": 2, "patch": 1}.items():
        with pytest.raises(UsageError, match=option):
            mirnet(**{option: least - 1})
    with pytest.raises(UsageError, match="variant"):
        mirnet(variant="torch")
    for option, value in {
        "streams": 2, "patch": 2, "filters": 4, "toned": True, "gained": True,
    }.items():  # fmt: skip
        with pytest.raises(UsageError, match="keras_io"):
            mirnet(variant="keras_io", **{option: value})
