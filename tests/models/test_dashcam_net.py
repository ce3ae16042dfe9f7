"""dashcam_net: its budgets, its operations, and exposure from the thumbnail only."""

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


def randomize_weights(rng, **options):
    model = dashcam_net(**options)
    for weight in model.weights:
        weight.assign(weight + rng.normal(0, 0.1, weight.shape))
    return model


def operations(path):
    file = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    codes = [names[code.builtinCode] for code in file.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in file.subgraphs[0].operators], file


@pytest.mark.parametrize("size", BUDGETS)
def test_each_variant_is_within_its_budget(size):
    options = Recipe.load(RECIPE_DIR / f"dashcam_net_{size}.toml").options
    model = reparameterize_model(dashcam_net(**options))
    side = 64
    image = np.zeros((1, side, side, 3), np.float32)
    thumbnail = np.zeros((1, *ENHANCE_WITH_THUMBNAIL.thumbnail_inputs[0].size, 3), np.float32)
    macs = 0
    trunk = keras.Model(model.inputs, {layer.name: layer.output for layer in model.layers})
    shapes = {
        name: out.shape for name, out in trunk({"low": image, "thumbnail": thumbnail}).items()
    }
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and not layer.name.startswith("glance"):
            macs += int(np.prod(layer.kernel.shape)) * shapes[layer.name][1] ** 2
    weights, per_pixel = BUDGETS[size]
    assert model.count_params() <= weights
    assert macs / side**2 <= per_pixel


def test_folding_changes_nothing(rng):
    model = randomize_weights(rng, **SMALL)
    batch = {
        "low": rng.random((2, 24, 40, 3), dtype=np.float32) / 8,
        "thumbnail": rng.random((2, 128, 192, 3), dtype=np.float32) / 8,
    }
    before, after = (
        np.asarray(each(batch)["enhanced"]) for each in (model, reparameterize_model(model))
    )
    assert 0.01 < before.mean() < 0.99
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_tiles_agree_because_they_have_one_thumbnail(rng):
    model = randomize_weights(rng, **SMALL)
    engine = KerasEngine.of(model, ENHANCE_WITH_THUMBNAIL, name="small")
    image = rng.random((96, 256, 3), dtype=np.float32) / 8
    full = enhance(engine, image)
    engine.size = (96, 160)
    margin = 32  # larger than the receptive field
    tiled = enhance(engine, image)
    np.testing.assert_allclose(tiled[:, : 96 - margin], full[:, : 96 - margin], atol=1e-5)
    np.testing.assert_allclose(tiled[:, 160 + margin :], full[:, 160 + margin :], atol=1e-5)


def test_another_thumbnail_gives_another_exposure(rng):
    engine = KerasEngine.of(randomize_weights(rng, **SMALL), ENHANCE_WITH_THUMBNAIL, name="small")
    image = rng.random((32, 32, 3), dtype=np.float32) / 8
    dark, bright = (
        enhance(engine, image, thumbnails={"thumbnail": np.full((1, 128, 192, 3), v, np.float32)})
        for v in (0.02, 0.9)
    )
    assert np.abs(dark - bright).max() > 0.01


@pytest.mark.slow
def test_the_int8_model_is_integer_only_and_all_operations_are_allowed(rng, tmp_path):
    samples = [
        {
            "low": rng.random((1, 32, 48, 3), dtype=np.float32) ** 3,
            "thumbnail": rng.random((1, 128, 192, 3), dtype=np.float32) ** 3,
        }
        for _ in range(2)
    ]
    for quantization in ("float32", "int8"):
        path = convert(
            randomize_weights(rng, **SMALL),
            ENHANCE_WITH_THUMBNAIL,
            tmp_path / f"{quantization}.tflite",
            size=(32, 48),
            quantization=quantization,
            samples=samples,
        )
        names, file = operations(path)
        assert set(names) <= ALLOWED
    kinds = {tensor.type for tensor in file.subgraphs[0].tensors if tensor.shape is not None}
    assert schema.TensorType.FLOAT32 not in kinds
    assert "MINIMUM" not in names


def test_invalid_options_are_rejected():
    with pytest.raises(UsageError, match="filters"):
        dashcam_net(filters=0)
    with pytest.raises(UsageError, match="deep_blocks"):
        dashcam_net(deep_blocks=-1)
