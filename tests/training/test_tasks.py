"""Every recipe that ships can be trained as its model's task is."""

import pytest

from lowlight_tf.catalog import LOSSES, MODELS
from lowlight_tf.config import RECIPE_DIR, Recipe
from lowlight_tf.training.tasks import training_of

RECIPES = sorted(RECIPE_DIR.glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_names_in_a_recipe_are_known(path):
    recipe = Recipe.load(path)
    task = training_of(MODELS.find(recipe.model).contract)
    assert recipe.training.monitor in task.monitors
    assert set(recipe.losses) <= set(LOSSES)
