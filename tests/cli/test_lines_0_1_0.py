"""Command lines of version 0.1.0's documentation are still accepted."""

import shlex
from pathlib import Path

import pytest

from lowlight_tf.catalog import METRICS
from lowlight_tf.cli.commands.train import build_recipe
from lowlight_tf.cli.main import _with_hyphens, build_parser
from lowlight_tf.cli.options import split_names
from lowlight_tf.config import RECIPE_DIR

LINES = (Path(__file__).parent / "lines_0_1_0.txt").read_text(encoding="utf-8").splitlines()
PARSER = build_parser()


def parse(line):
    """Parse a line as the command does."""
    return PARSER.parse_args([_with_hyphens(word) for word in shlex.split(line)[1:]])


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_documentation_of_0_1_0_is_parsed(line):
    args = parse(line)
    if args.command == "evaluate" and args.metrics:
        for name in split_names("metrics", args.metrics):
            assert METRICS.find(name)


def is_buildable(line):
    """Return whether a line trains with a recipe of the package, not one of the user."""
    args = parse(line)
    return args.command == "train" and not (args.recipe or "").endswith(".toml")


@pytest.mark.parametrize("line", [line for line in LINES if is_buildable(line)])
def test_a_training_line_of_0_1_0_gives_a_recipe(line):
    recipe = build_recipe(parse(line))
    assert recipe.training.steps > 0
    if "critic.model=''" in line:
        assert recipe.discriminator.model == ""
    if "training.ema=0.99" in line:
        assert recipe.training.ema_momentum == 0.99
        assert recipe.losses["ssim"] == 0.5
    if "--f_log_step=20" in line:
        assert (recipe.training.log_every, recipe.training.save_every) == (20, 2000)


def test_every_recipe_of_0_1_0_still_ships():
    assert {"dashcam_net_tiny", "mirnet_slim", "did_fuse", "am_fusion", "attention_unet_slim"} <= {
        path.stem for path in RECIPE_DIR.glob("*.toml")
    }
