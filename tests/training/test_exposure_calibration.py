"""The lift is fitted to what the targets were before they were leveled."""

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
    place = tmp_path_factory.mktemp("streets")
    for number in range(20):
        stripes = 0.1 + (np.arange(96) % 2 - 0.5) * np.float32(0.04) * (number % 4)
        rows = np.repeat(rng.uniform(-0.03, 0.03, 8), 8)
        low = stripes[None, :, None] + (rows - rows.mean())[:, None, None] + np.zeros(3)
        for side, image in (("low", low), ("high", low * (3.0 + number % 4))):
            (place / side).mkdir(exist_ok=True)
            image_io.write_float_rgb(place / side / f"{number:02}.png", np.float32(image))
    return place


@pytest.fixture
def alike():
    """A net that makes all pictures equally bright, and hears stripes and how dark they were."""
    low = keras.Input((None, None, 3), name="low")
    thumbnail = keras.Input((128, 192, 3), name="thumbnail")
    mean = keras.ops.mean(thumbnail, (1, 2, 3), keepdims=True)
    stripes = keras.ops.abs(thumbnail[:, :, 2:, :1] - thumbnail[:, :, :-2, :1]) / mean
    heard = keras.layers.GlobalAveragePooling2D(keepdims=True, name="lit_mean")(stripes)
    dark = keras.layers.Activation("relu", name="dark_d_act")(mean)
    shade = keras.layers.GlobalAveragePooling2D(keepdims=True, name="glance_mean")(thumbnail)
    heard = {"lift_shade": shade, "lift_lit": heard, "lift_dark": dark}
    lift = sum(keras.layers.Conv2D(1, 1, name=name)(x) for name, x in heard.items())
    enhanced = keras.ops.minimum(low / mean * 0.88 * keras.ops.sigmoid(lift), 1)
    return keras.Model({"low": low, "thumbnail": thumbnail}, {"enhanced": enhanced})


def test_a_net_that_makes_all_alike_learns_which_are_bright(streets, alike):
    pairs = pair_folder(streets)
    found = fit_exposure(alike, ENHANCE_WITH_THUMBNAIL, pairs, pairs, leveled=1.0)
    engine = KerasEngine.of(alike, ENHANCE_WITH_THUMBNAIL, name="net")
    for pair in pairs[:4]:
        bright = enhance(engine, image_io.load_image(pair.inputs["low"]).pixels)
        wanted = image_io.load_image(pair.target).pixels
        assert bright.mean() == pytest.approx(wanted.mean(), rel=0.12)  # a ridge gives a little
        kept = enhance(engine, wanted)
        assert kept.mean() == pytest.approx(wanted.mean(), rel=0.25)
    assert found.pairs == 20
    assert found.after > found.before + 3


def test_a_run_ends_with_the_fit_and_says_so(streets, tmp_path, capsys):
    small = [f"options.{option}={value}" for option, value in SMALL.items()]
    more = ["pipeline.crop=16", "pipeline.batch=2", "pipeline.late_from=1.0", "training.steps=2"]
    more += ["training.compiled=false", "training.validation=0.1", f"data=['{streets}']"]
    run = train(Recipe.load("dashcam_net_nano").replace(small + more), tmp_path / "run")
    net = KerasEngine(run).model
    assert np.abs(np.asarray(net.get_layer("lift_lit").kernel)).max() > 0
    of_shade = np.asarray(net.get_layer("lift_shade").kernel)
    assert of_shade.size == 48
    assert np.ptp(of_shade) == 0 != of_shade[0, 0, 0, 0]
    assert "exposure  fitted to 18 pairs" in capsys.readouterr().out
    assert '"ridge"' in (run / "training.json").read_text()


def test_what_cannot_be_fitted_is_refused(streets):
    pairs = pair_folder(streets)
    with pytest.raises(UsageError, match="at least 10 pairs"):
        fit_exposure(dashcam_net(**SMALL), ENHANCE_WITH_THUMBNAIL, pairs[:5], pairs, leveled=1.0)
    from lowlight_tf.models.driving_unet import driving_unet

    with pytest.raises(UsageError, match="layers lift_shade, lift_lit, lift_dark"):
        fit_exposure(
            driving_unet(filters=4, depth=1), ENHANCE_WITH_THUMBNAIL, pairs, pairs, leveled=1.0
        )
