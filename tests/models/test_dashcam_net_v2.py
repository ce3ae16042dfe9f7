"""What holds for dashcam_net_v2 whatever its weights are, and its brightness control."""

import itertools

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.export.convert import convert
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.models.dashcam_net_v2 import dashcam_net_v2
from lowlight_tf.runtime.input_geometry import make_thumbnails

SMALL = {"filters": 6, "blocks": 1, "deep_filters": 6, "deep_blocks": 1, "context": 4}


@pytest.fixture
def model(rng):
    """A small model whose trainable weights are random, biases included, constraints kept."""
    model = dashcam_net_v2(**SMALL)
    for weight in model.trainable_variables:
        value = rng.normal(0, 0.2, weight.shape)
        weight.assign(weight.constraint(value) if weight.constraint else value)
    return model


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
    np.testing.assert_allclose(run(model, image)[:, :24], 0, atol=1e-6)


def test_the_result_rises_with_the_brightness_control_everywhere(model, rng):
    residual = model.get_layer("residual").kernel
    residual.assign(residual * 0.01)  # random ones drive everything to black or white
    shift = model.get_layer("shift").kernel
    strong = np.array(shift)
    strong[0, 0, -2:, 0] = 2, -2
    shift.assign(strong)
    image = np.float32(rng.uniform(0, 0.4, (32, 48, 3)))
    results = [run(model, image, ev) for ev in (-2, -1, 0, 0.5, 2)]
    for darker, brighter in itertools.pairwise(results):
        assert (brighter - darker).min() > -1e-6
    assert results[-1].mean() > results[0].mean() + 0.01


def test_without_residual_nothing_is_darkened_and_nothing_burns(model, rng):
    model.get_layer("residual").kernel.assign(np.zeros(model.get_layer("residual").kernel.shape))
    image = np.float32(rng.uniform(0, 1, (32, 48, 3)))
    result = run(model, image)
    assert (result - image).min() > -1e-6
    assert (result[image < 0.2]).max() < 1


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


def test_training_keeps_the_signs(rng):
    model = dashcam_net_v2(**SMALL)
    model.compile(optimizer=keras.optimizers.AdamW(0.5), loss="mse", run_eagerly=True)
    image = np.float32(rng.uniform(0, 0.5, (2, 16, 16, 3)))
    inputs = {
        "low": image, "thumbnail": np.zeros((2, 128, 192, 3), "f4"),
        "brightness": np.ones((2, 1, 1, 2), "f4"),
    }  # fmt: skip
    model.fit(inputs, {"enhanced": image * 0}, epochs=2, verbose=0)
    assert np.asarray(model.get_layer("strength").kernel)[:, :, 0].min() >= 0
    assert not np.asarray(model.get_layer("residual").kernel)[:, :, 0].any()
    up, down = np.asarray(model.get_layer("shift").kernel)[0, 0, -2:]
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
