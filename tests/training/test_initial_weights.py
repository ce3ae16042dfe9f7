"""A training can begin with the weights of another run."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import DEPLOYED, ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.models.dashcam_net_temporal import dashcam_net_temporal
from lowlight_tf.models.dashcam_net_yuv import dashcam_net_yuv
from lowlight_tf.training.initial_weights import check_initial_weights, load_initial_weights

SMALL = {"filters": 4, "blocks": 0, "deep_filters": 4, "deep_blocks": 1, "context": 4}


@pytest.fixture
def run(tmp_path):
    """The run folder of a dashcam_net_yuv, as far as it is read."""
    model = dashcam_net_yuv(**SMALL)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.25))
    model.save(tmp_path / "model.keras")
    ENHANCE_WITH_BRIGHTNESS.save(tmp_path / "contract.json")
    return tmp_path


def test_layers_of_the_same_name_get_the_weights_and_others_keep_theirs(run):
    model = dashcam_net_temporal(**SMALL, clip_frames=2)
    count = load_initial_weights(model, run)
    deployed = model.get_layer(DEPLOYED)
    assert count == dashcam_net_yuv(**SMALL).count_params()
    for layer in deployed.layers:
        expected = not layer.name.startswith("memory_")
        for weight in layer.get_weights():
            assert (weight == 0.25).all() == expected


def test_a_run_of_another_width_is_refused(run):
    with pytest.raises(UsageError, match=r"`training.initial_weights` must be a run whose layers"):
        load_initial_weights(dashcam_net_temporal(**{**SMALL, "filters": 5}), run)


def test_a_model_of_which_a_part_is_trained_needs_a_run():
    recipe = Recipe(model="dashcam_net_temporal")
    with pytest.raises(UsageError, match=r"`training.initial_weights` must name a finished run"):
        check_initial_weights(recipe)
    check_initial_weights(recipe.replace(["training.initial_weights=RUN"]))
    check_initial_weights(Recipe(model="dashcam_net_yuv"))
