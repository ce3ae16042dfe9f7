"""What holds for dashcam_net_v2 and _yuv whatever their weights are; their brightness control."""

import itertools

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import DEPLOYED, ENHANCE_PLANES, ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.export.convert import convert
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.models.dashcam_net_v2 import dashcam_net_v2
from lowlight_tf.models.dashcam_net_yuv import dashcam_net_yuv
from lowlight_tf.runtime.input_geometry import make_thumbnails
from lowlight_tf.runtime.rgb_engine import split_planes

SMALL = {"filters": 6, "blocks": 1, "deep_filters": 6, "deep_blocks": 1, "context": 4}


BUILDERS = dashcam_net_v2, dashcam_net_yuv


@pytest.fixture(params=BUILDERS)
def model(request, rng):
    """A small model whose trainable weights are random, biases included, constraints kept."""
    model = request.param(**SMALL)
    for weight in model.trainable_variables:
        value = rng.normal(0, 0.2, weight.shape)
        weight.assign(weight.constraint(value) if weight.constraint else value)
    return model


def layer(model, name):
    """Return a layer of a model, or of the one that is deployed inside it."""
    names = {each.name for each in model.layers}
    return (model.get_layer(DEPLOYED) if DEPLOYED in names else model).get_layer(name)


def run_levels(model, image, ev=0.0):
    """Return what the curve is applied to, before and after: RGB, or luma."""
    if DEPLOYED not in {each.name for each in model.layers}:
        return image, run(model, image, ev)
    inputs = split_planes({"low": image[None], **make_thumbnails(ENHANCE_WITH_BRIGHTNESS, image)})
    control = np.float32([max(ev, 0), max(-ev, 0)]).reshape(1, 1, 1, 2) / 2
    results = model.get_layer(DEPLOYED)({**inputs, "brightness": control})
    name = ENHANCE_PLANES.outputs[0].name
    return inputs["luma"][0], np.clip(np.asarray(results[name])[0], 0, 1)


def run(model, image, ev=0.0, thumbnail=None):
    """Return the result for one image, (H, W, 3) in [0, 1]."""
    inputs = {"low": image[None], **make_thumbnails(ENHANCE_WITH_BRIGHTNESS, image)}
    if thumbnail is not None:
        inputs["thumbnail"] = thumbnail
    inputs["brightness"] = np.float32([max(ev, 0), max(-ev, 0)]).reshape(1, 1, 1, 2) / 2
    return np.asarray(model(inputs)["enhanced"])[0]


@pytest.mark.parametrize("ev", [-2, 0, 2])
def test_black_stays_black_and_white_white_whatever_the_weights(model, ev):
    for value in (0, 1):
        image = np.full((32, 48, 3), value, np.float32)
        np.testing.assert_allclose(run(model, image, ev), value, atol=1e-6)


def test_black_blocks_near_lamps_stay_black(model, rng):
    image = np.zeros((32, 48, 3), np.float32)
    image[:, 24:] = rng.uniform(0, 1, (32, 24, 3))
    np.testing.assert_allclose(run_levels(model, image)[1][:, :24], 0, atol=1e-6)


def test_the_result_rises_with_the_brightness_control_everywhere(model, rng):
    residual = layer(model, "residual").kernel
    residual.assign(residual * 0.01)  # random ones drive everything to black or white
    shift = layer(model, "shift").kernel
    strong = np.array(shift)
    strong[0, 0, -2:, 0] = 2, -2
    shift.assign(strong)
    image = np.float32(rng.uniform(0, 0.4, (32, 48, 3)))
    results = [run_levels(model, image, ev)[1] for ev in (-2, -1, 0, 0.5, 2)]
    for darker, brighter in itertools.pairwise(results):
        assert (brighter - darker).min() > -1e-6
    assert results[-1].mean() > results[0].mean() + 0.01


def test_without_residual_nothing_is_darkened_and_nothing_burns(model, rng):
    layer(model, "residual").kernel.assign(np.zeros(layer(model, "residual").kernel.shape))
    image = np.float32(rng.uniform(0, 1, (32, 48, 3)))
    before, after = run_levels(model, image)
    assert (after - before).min() > -1e-6
    assert (after[before < 0.2]).max() < 1


def test_color_near_black_pixels_is_not_amplified(rng):
    model = dashcam_net_yuv(**SMALL).get_layer(DEPLOYED)
    model.get_layer("chroma_gain").bias.assign(np.full(8, 9.0))
    luma, chroma = np.zeros((1, 16, 16, 1), np.float32), np.full((1, 8, 8, 2), 0.6, np.float32)
    luma[:, 8:] = 0.1
    inputs = {
        "luma": luma, "chroma": chroma, "brightness": np.zeros((1, 1, 1, 2), np.float32),
        "planes_thumbnail": np.zeros((1, 128, 192, 3), np.float32),
    }  # fmt: skip
    result = np.asarray(model(inputs)["enhanced_chroma"])[0]
    np.testing.assert_allclose(result[:4], 0.6, atol=1e-6)
    assert result[4:].min() > 1.0


def test_the_thumbnail_moves_the_result(model, rng):
    image = np.float32(rng.uniform(0, 0.3, (32, 48, 3)))
    bright = np.full((1, 128, 192, 3), 0.8, np.float32)
    assert np.abs(run(model, image) - run(model, image, thumbnail=bright)).max() > 1e-3


def test_any_size_will_do(model, rng):
    image = np.float32(rng.uniform(0, 1, (37, 51, 3)))
    assert run(model, image).shape == image.shape


def test_folding_changes_nothing(model, rng):
    image = np.float32(rng.uniform(0, 0.5, (32, 48, 3)))
    np.testing.assert_allclose(
        run(reparameterize_model(model), image, 1), run(model, image, 1), atol=2e-5
    )


def test_saved_and_loaded_it_is_the_same(model, rng, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    image = np.float32(rng.uniform(0, 0.5, (32, 48, 3)))
    np.testing.assert_array_equal(run(again, image, -1), run(model, image, -1))


def test_a_control_left_out_is_automatic():
    image = np.zeros((16, 16, 3), np.uint8)
    control = make_thumbnails(ENHANCE_WITH_BRIGHTNESS, image)["brightness"]
    assert control.shape == (1, 1, 1, 2)
    assert control.dtype == np.uint8
    assert not control.any()


@pytest.mark.parametrize("build", BUILDERS)
def test_training_keeps_the_signs(build, rng):
    model = build(**SMALL)
    model.compile(optimizer=keras.optimizers.AdamW(0.5), loss="mse", run_eagerly=True)
    image = np.float32(rng.uniform(0, 0.5, (2, 16, 16, 3)))
    inputs = {
        "low": image, "thumbnail": np.zeros((2, 128, 192, 3), "f4"),
        "brightness": np.ones((2, 1, 1, 2), "f4"),
    }  # fmt: skip
    model.fit(inputs, {"enhanced": image * 0}, epochs=2, verbose=0)
    assert np.asarray(layer(model, "strength").kernel)[:, :, 0].min() >= 0
    assert not np.asarray(layer(model, "residual").kernel)[:, :, 0].any()
    up, down = np.asarray(layer(model, "shift").kernel)[0, 0, -2:]
    assert up[0] >= 0 >= down[0]
    assert not up[1:].any()
    assert not down[1:].any()


@pytest.mark.parametrize("options", [{"filters": 0}, {"blocks": -1}, {"context": 0}])
def test_impossible_sizes_are_refused(options):
    with pytest.raises(UsageError, match="at least"):
        dashcam_net_v2(**options)


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_the_gpu_delegate_agrees_with_the_processor(quantization, check_on_gpu, rng, tmp_path):
    keras.utils.set_random_seed(1)
    model = dashcam_net_v2(**SMALL)

    def sample():
        image = np.uint8(rng.integers(0, 90, (32, 48, 3)))
        thumbnails = make_thumbnails(ENHANCE_WITH_BRIGHTNESS, image)
        return {"low": image[None], **thumbnails}

    floats = [{port: np.float32(x) / 255 for port, x in sample().items()} for _ in range(3)]
    floats[0]["brightness"] = np.ones((1, 1, 1, 2), np.float32)
    path = convert(
        model, ENHANCE_WITH_BRIGHTNESS, tmp_path / "m.tflite", size=(32, 48),
        quantization=quantization, samples=floats,
    )  # fmt: skip
    inputs = sample() if quantization == "int8" else floats[0]
    report = check_on_gpu(path, inputs)
    assert report.unsupported_ops == ()
    assert report.psnr_db > (40 if quantization == "int8" else 100)
