"""The gain is fitted to the brightness of the targets before normalization."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.datasets.pairing import pair_folder
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.imaging import image_io
from lowlight_tf.models.dashcam_net import dashcam_net
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.training.exposure_calibration import fit_exposure
from lowlight_tf.training.trainer import train

pytestmark = pytest.mark.slow

SMALL = {"filters": 4, "blocks": 0, "deep_filters": 4, "deep_blocks": 0, "context": 2}


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """Twenty pairs whose targets are the brighter the stronger their stripes are."""
    rng = np.random.default_rng(3)
    root = tmp_path_factory.mktemp("streets")
    for number in range(20):
        stripes = 0.1 + (np.arange(96) % 2 - 0.5) * np.float32(0.04) * (number % 4)
        rows = np.repeat(rng.uniform(-0.03, 0.03, 8), 8)
        low = stripes[None, :, None] + (rows - rows.mean())[:, None, None] + np.zeros(3)
        for side, image in (("low", low), ("high", low * (3.0 + number % 4))):
            (root / side).mkdir(exist_ok=True)
            image_io.write_float_rgb(root / side / f"{number:02}.png", np.float32(image))
    return root


@pytest.fixture
def constant_brightness_model():
    """A model that makes all images equally bright, with stripes and darkness as features."""
    low = keras.Input((None, None, 3), name="low")
    thumbnail = keras.Input((128, 192, 3), name="thumbnail")
    mean = keras.ops.mean(thumbnail, (1, 2, 3), keepdims=True)
    stripes = keras.ops.abs(thumbnail[:, :, 2:, :1] - thumbnail[:, :, :-2, :1]) / mean
    bright = keras.layers.GlobalAveragePooling2D(keepdims=True, name="lit_mean")(stripes)
    dark = keras.layers.Activation("relu", name="dark_d_act")(mean)
    shade = keras.layers.GlobalAveragePooling2D(keepdims=True, name="glance_mean")(thumbnail)
    features = {"lift_shade": shade, "lift_lit": bright, "lift_dark": dark}
    lift = sum(keras.layers.Conv2D(1, 1, name=name)(x) for name, x in features.items())
    enhanced = keras.ops.minimum(low / mean * 0.88 * keras.ops.sigmoid(lift), 1)
    return keras.Model({"low": low, "thumbnail": thumbnail}, {"enhanced": enhanced})


def test_a_model_of_constant_brightness_is_calibrated_to_the_brightness_of_each_target(
    streets, constant_brightness_model
):
    model = constant_brightness_model
    pairs = pair_folder(streets)
    fit = fit_exposure(model, ENHANCE_WITH_THUMBNAIL, pairs, pairs, normalize_target_exposure=1.0)
    engine = KerasEngine.of(model, ENHANCE_WITH_THUMBNAIL, name="model")
    for pair in pairs[:4]:
        bright = enhance(engine, image_io.load_image(pair.inputs["low"]).pixels)
        target = image_io.load_image(pair.target).pixels
        assert bright.mean() == pytest.approx(target.mean(), rel=0.12)  # ridge regression is biased
        unchanged = enhance(engine, target)
        assert unchanged.mean() == pytest.approx(target.mean(), rel=0.25)
    assert fit.pairs == 20
    assert fit.after > fit.before + 3


def test_a_run_ends_with_the_fit_and_reports_it(streets, tmp_path, capsys):
    small = [f"options.{option}={value}" for option, value in SMALL.items()]
    more = [
        "pipeline.crop_size=16",
        "pipeline.batch_size=2",
        "pipeline.progressive_start=1.0",
        "training.steps=2",
    ]
    more += ["training.jit_compile=false", "training.validation_split=0.1", f"data=['{streets}']"]
    run = train(Recipe.load("dashcam_net_nano").replace(small + more), tmp_path / "run")
    model = KerasEngine(run).model
    assert np.abs(np.asarray(model.get_layer("lift_lit").kernel)).max() > 0
    shade_kernel = np.asarray(model.get_layer("lift_shade").kernel)
    assert shade_kernel.size == 48
    assert np.ptp(shade_kernel) == 0 != shade_kernel[0, 0, 0, 0]
    assert "exposure  fitted to 18 pairs" in capsys.readouterr().out
    assert '"ridge"' in (run / "training.json").read_text()


def test_a_run_of_too_few_pairs_is_trained_without_the_fit_and_says_so(streets, tmp_path, capsys):
    for side in ("low", "high"):
        (tmp_path / "few" / side).mkdir(parents=True)
        for path in sorted((streets / side).iterdir())[:4]:
            (tmp_path / "few" / side / path.name).write_bytes(path.read_bytes())
    small = [f"options.{option}={value}" for option, value in SMALL.items()]
    small += ["pipeline.crop_size=16", "pipeline.progressive_start=1.0", "training.steps=1"]
    recipe = Recipe.load("dashcam_net_nano").replace([*small, f"data=['{tmp_path / 'few'}']"])
    assert (train(recipe, tmp_path / "run") / "model.keras").is_file()
    assert "exposure is not calibrated: that needs 10 pairs" in capsys.readouterr().out


def test_a_model_or_data_that_cannot_be_fitted_are_refused(streets):
    pairs = pair_folder(streets)
    with pytest.raises(UsageError, match="at least 10 pairs"):
        fit_exposure(
            dashcam_net(**SMALL),
            ENHANCE_WITH_THUMBNAIL,
            pairs[:5],
            pairs,
            normalize_target_exposure=1.0,
        )
    from lowlight_tf.models.driving_unet import driving_unet

    with pytest.raises(UsageError, match="layers lift_shade, lift_lit, lift_dark"):
        fit_exposure(
            driving_unet(filters=4, depth=1),
            ENHANCE_WITH_THUMBNAIL,
            pairs,
            pairs,
            normalize_target_exposure=1.0,
        )
