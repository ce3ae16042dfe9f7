"""`lowlight-tf train`: train a model by a recipe and write a run folder."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.options import add_flag

if TYPE_CHECKING:
    from lowlight_tf.config import Recipe

HELP = "train a model on pairs of dark and bright images"

RECIPE_KEYS = {  # flag -> key of the recipe
    "seed": "seed",
    "batch_size": "pipeline.batch_size",
    "crop_size": "pipeline.crop_size",
    "augmentation": "pipeline.augmentation",
    "steps": "training.steps",
    "epochs": "training.epochs",
    "learning_rate": "training.learning_rate",
    "precision": "training.precision",
    "log_every": "training.log_every",
    "summary_every": "training.summary_every",
    "save_every": "training.save_every",
    "validate_every": "training.validate_every",
    "validation_split": "training.validation_split",
    "split_file": "training.split_file",
    "split": "training.split",  # of 0.1.0: a fraction to train on, or a file
    "data_root": "data_root",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add("--model", help="model of the catalog (default: the recipe's)")
    add("--recipe", help="a recipe of the package or a .toml file (default: MODEL_embedded)")
    add(
        "--data",
        nargs="+",
        help="folders with low/ and high/ or with train_val/{low,high}, a .zip of one, or names of "
        "datasets (default: the recipe's)",
    )
    add(
        "--split",
        help="fraction of the pairs to train on, such as 0.7 (the rest is validation), or the "
        "split.json of another run",
    )
    add("--data-root", help="folder that contains the datasets named by --data")
    add("--night", action="store_true", help="synthesize dark inputs from the day images in --data")
    add("--output", type=Path, help="run folder to write (default: runs/RECIPE)")
    add("--resume", action="store_true", help="resume from the newest checkpoint in --output")
    add("--batch-size", type=int, help="pairs in a batch")
    add("--learning-rate", type=float, help="peak learning rate of Adam")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="number of training steps (batches)")
    length.add_argument("--epochs", type=int, help="number of training epochs instead")
    add("--crop", type=int, help="side of the random square crop (pixels); 0: full images")
    add("--seed", type=int, help="random seed of weights, order and augmentation")
    add("--f-log-step", type=int, help="steps between two log lines")
    add("--f-summary-step", type=int, help="steps between two TensorBoard summaries")
    add("--f-save-step", type=int, help="steps between two checkpoints")
    add("--f-validate-step", type=int, help="steps between two validations")
    add("--augmenter", help="native, imgaug, or imgaug:MODULE:OBJECT ([augment] extra)")
    add("--precision", help="float32, mixed_float16 or mixed_bfloat16")
    add(
        "--strategy",
        choices=("single", "mirrored", "multiworker"),
        default="single",
        help="devices that a batch is distributed over: one, all of this machine, or those of all "
        "processes in TF_CONFIG, each of which runs this command",
    )
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="any other key of the recipe")


def recipe_of(args: argparse.Namespace) -> "Recipe":
    """Return the recipe, with the settings of the flags."""
    from lowlight_tf.config import Recipe

    model = args.model or "driving_unet"
    MODELS.find(model)
    recipe = Recipe.load(args.recipe or f"{model}_embedded")
    settings = []
    if args.split is not None:
        _check_split(args.split)
    if args.split is not None or args.validation_split is not None:
        settings.append("training.split_file=''")  # a fraction replaces the file of a recipe
    settings += [
        f"{key}={getattr(args, flag)!r}"
        for flag, key in RECIPE_KEYS.items()
        if getattr(args, flag) is not None
    ]
    if args.model:
        settings.append(f"model={args.model!r}")
    if args.data:
        settings.append(f"data={args.data!r}")
    if args.synthesize_night:
        settings.append("pipeline.synthesize_night=true")
    return recipe.replace([*settings, *args.set])


def _check_split(split: str) -> None:
    """Refuse a number that is no fraction to train on; anything else is the name of a file."""
    try:
        fraction = float(split)
    except ValueError:
        return
    if not 0 < fraction < 1:
        raise UsageError(
            "`split` must be the fraction of the pairs to train on, between 0 and 1, or a "
            f"split.json. Received: {split}."
        )


def run(args: argparse.Namespace) -> int:
    """Train; return 0."""
    recipe = build_recipe(args)
    output = args.output or Path("runs") / (args.recipe or f"{recipe.model}_embedded")
    if recipe.data == ("embedded",):
        print("no --data: training on the embedded pairs (darkened photographs of scikit-image)")

    from lowlight_tf.training.onednn import enable_onednn_bfloat16

    print(enable_onednn_bfloat16())

    from lowlight_tf.training.trainer import train

    if train(recipe, output, resume=args.resume, strategy=args.strategy):
        print(f"{output}: model.keras, curves.png, history.csv, split.json, samples/")
    return 0
