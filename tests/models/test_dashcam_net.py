"""dashcam_net: its budgets, its operations, and that exposure comes from the thumbnail alone."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from lowlight_tf.checks import UsageError
from lowlight_tf.config import RECIPE_DIR, Recipe
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.export.convert import convert
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.models.dashcam_net import dashcam_net
from lowlight_tf.runtime.enhance import enhance

BUDGETS = {"nano": (20_000, 1_000), "tiny": (80_000, 4_000), "base": (400_000, 16_000)}
ALLOWED = {
    "SPACE_TO_DEPTH", "CONV_2D", "LEAKY_RELU", "RELU", "ADD", "SUB", "MUL", "MINIMUM", "LOGISTIC",
    "MEAN", "DEPTH_TO_SPACE", "QUANTIZE",
}  # fmt: skip
SMALL = {"filters": 8, "blocks": 1, "deep_filters": 8, "deep_blocks": 1, "context": 4}


def stirred(rng, **options):
    net = dashcam_net(**options)
    for weight in net.weights:
        weight.assign(weight + rng.normal(0, 0.1, weight.shape))
    return net


def operations(path):
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators], model


@pytest.mark.parametrize("size", BUDGETS)
def test_each_size_keeps_its_budget(size):
    options = Recipe.load(RECIPE_DIR / f"dashcam_net_{size}.toml").options
    net = reparameterize_model(dashcam_net(**options))
    side = 64
    image = np.zeros((1, side, side, 3), np.float32)
    glance = np.zeros((1, *ENHANCE_WITH_THUMBNAIL.thumbnail_inputs[0].size, 3), np.float32)
    sums = 0
    trunk = keras.Model(net.inputs, {layer.name: layer.output for layer in net.layers})
    shapes = {name: out.shape for name, out in trunk({"low": image, "thumbnail": glance}).items()}
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D) and not layer.name.startswith("glance"):
            sums += int(np.prod(layer.kernel.shape)) * shapes[layer.name][1] ** 2
    weights, per_pixel = BUDGETS[size]
    assert net.count_params() <= weights
    assert sums / side**2 <= per_pixel


def test_folding_changes_nothing(rng):
    net = stirred(rng, **SMALL)
    batch = {
        "low": rng.random((2, 24, 40, 3), dtype=np.float32) / 8,
        "thumbnail": rng.random((2, 128, 192, 3), dtype=np.float32) / 8,
    }
    before, after = (
        np.asarray(model(batch)["enhanced"]) for model in (net, reparameterize_model(net))
    )
    assert 0.01 < before.mean() < 0.99
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_tiles_agree_because_they_see_one_thumbnail(rng):
    net = stirred(rng, **SMALL)
    engine = KerasEngine.of(net, ENHANCE_WITH_THUMBNAIL, name="small")
    image = rng.random((96, 256, 3), dtype=np.float32) / 8
    whole = enhance(engine, image)
    engine.size = (96, 160)
    margin = 32  # further than the convolutions see
    tiled = enhance(engine, image)
    np.testing.assert_allclose(tiled[:, : 96 - margin], whole[:, : 96 - margin], atol=1e-5)
    np.testing.assert_allclose(tiled[:, 160 + margin :], whole[:, 160 + margin :], atol=1e-5)


def test_another_thumbnail_is_another_exposure(rng):
    engine = KerasEngine.of(stirred(rng, **SMALL), ENHANCE_WITH_THUMBNAIL, name="small")
    image = rng.random((32, 32, 3), dtype=np.float32) / 8
    dark, bright = (
        enhance(engine, image, thumbnails={"thumbnail": np.full((1, 128, 192, 3), v, np.float32)})
        for v in (0.02, 0.9)
    )
    assert np.abs(dark - bright).max() > 0.01


@pytest.mark.slow
def test_eight_bits_are_integer_throughout_and_all_operations_are_allowed(rng, tmp_path):
    samples = [
        {
            "low": rng.random((1, 32, 48, 3), dtype=np.float32) ** 3,
            "thumbnail": rng.random((1, 128, 192, 3), dtype=np.float32) ** 3,
        }
        for _ in range(2)
    ]
    for quantization in ("float32", "int8"):
        path = convert(
            stirred(rng, **SMALL), ENHANCE_WITH_THUMBNAIL, tmp_path / f"{quantization}.tflite",
            size=(32, 48), quantization=quantization, samples=samples,
        )  # fmt: skip
        found, model = operations(path)
        assert set(found) <= ALLOWED
    kinds = {tensor.type for tensor in model.subgraphs[0].tensors if tensor.shape is not None}
    assert schema.TensorType.FLOAT32 not in kinds
    assert "MINIMUM" not in found


def test_numbers_that_build_nothing_are_refused():
    with pytest.raises(UsageError, match="filters"):
        dashcam_net(filters=0)
    with pytest.raises(UsageError, match="deep_blocks"):
        dashcam_net(deep_blocks=-1)
