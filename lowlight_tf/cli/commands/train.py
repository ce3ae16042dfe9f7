"""`lowlight-tf train`: a recipe and image pairs -> a run folder."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowlight_tf import crash_notes
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import Problems
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

BOUNDED_KEYS = {"crop_size": "progressive_crop_size", "batch_size": "progressive_batch_size"}
"""Flag -> key of the recipe's pipeline for the later steps, which the flag bounds, too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("--model", help="model of the catalog (default: the recipe's)")
    add("--recipe", help="a recipe of the package or a .toml file (default: MODEL_embedded)")
    add(
        "--data",
        nargs="+",
        help="folders with low/ and high/ or with train_val/{low,high}, a .zip of one, or names of "
        "datasets (default: the recipe's)",
    )
    split = parser.add_mutually_exclusive_group()
    split.add_argument(
        "--validation-split",
        type=float,
        metavar="FRACTION",
        help="fraction of the pairs held out for validation, where --data has no val/",
    )
    split.add_argument(
        "--split-file", metavar="FILE", help="split.json of another run, to train on the same pairs"
    )
    split.add_argument("--split", help=argparse.SUPPRESS)
    add("--data-root", help="folder that holds the datasets named by --data")
    add_flag(
        parser,
        "--synthesize-night",
        former=("--night",),
        action="store_true",
        help="--data holds daylight images: synthesize their low-light inputs",
    )
    add("--output", type=Path, help="run folder to write (default: runs/RECIPE)")
    add("--resume", action="store_true", help="resume from the newest checkpoint in --output")
    add("--batch-size", type=int, help="pairs in a batch; progressive learning takes no more")
    add("--learning-rate", type=float, help="highest learning rate of Adam")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="batches to train on")
    length.add_argument("--epochs", type=int, help="passes over the training pairs instead")
    add_flag(
        parser,
        "--crop-size",
        former=("--crop",),
        type=int,
        help="side of the square cut from each image (pixels), which progressive learning does not "
        "exceed; 0: the full image",
    )
    add("--seed", type=int, help="of weights, order and augmentation")
    for flag, former, what in (
        ("--log-every", "--f-log-step", "lines of progress"),
        ("--summary-every", "--f-summary-step", "TensorBoard summaries"),
        ("--save-every", "--f-save-step", "checkpoints"),
        ("--validate-every", "--f-validate-step", "validations"),
    ):
        add_flag(
            parser,
            flag,
            former=(former,),
            type=int,
            metavar="STEPS",
            help=f"steps between two {what}",
        )
    add_flag(
        parser,
        "--augmentation",
        former=("--augmenter",),
        help="native, imgaug, or imgaug:MODULE:OBJECT ([augment] extra)",
    )
    add("--precision", help="float32, mixed_float16 or mixed_bfloat16")
    add(
        "--strategy",
        choices=("single", "mirrored", "multiworker"),
        default="single",
        help="which devices a batch is distributed over: one, all of this machine, or those of all "
        "processes named in TF_CONFIG, each of which runs this command",
    )
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="any other key of the recipe")


def build_recipe(args: argparse.Namespace) -> "Recipe":
    """Return the recipe with the flags applied to it."""
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
        f"{key}={_to_toml(getattr(args, flag))}"
        for flag, key in RECIPE_KEYS.items()
        if getattr(args, flag) is not None
    ]
    if args.model:
        settings.append(f"model={_to_toml(args.model)}")
    if args.data:
        settings.append(f"data={_to_toml(args.data)}")
    if args.synthesize_night:
        settings.append("pipeline.synthesize_night=true")
    settings += _bound_later_steps(args, recipe)
    return recipe.replace([*settings, *args.set])


def _bound_later_steps(args: argparse.Namespace, recipe: "Recipe") -> list[str]:
    """Return the settings of progressive learning that a flag bounds."""
    settings = []
    for flag, key in BOUNDED_KEYS.items():
        bound, later = getattr(args, flag), getattr(recipe.pipeline, key)
        if bound is not None and later > bound and recipe.pipeline.progressive_start < 1:
            settings.append(f"pipeline.{key}={bound}")
            if not any(key in setting for setting in args.set):
                print(f"{key}={bound}: --{flag.replace('_', '-')} bounds the recipe's {later} too")
    return settings


def _to_toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON's values are TOML's too


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
    """Train; return 0, or 1 if damaged images were left out."""
    recipe = build_recipe(args)
    output = args.output or Path("runs") / (args.recipe or f"{recipe.model}_embedded")
    if recipe.data == ("embedded",):
        print("no data named: training on the embedded pairs, darkened photographs of scikit-image")

    from lowlight_tf.training.trainer import train

    problems = Problems(args.command)
    # After a crash the run folder is this command's own.
    resume = args.resume or crash_notes.is_restarted()
    if train(recipe, output, resume=resume, strategy=args.strategy, report=problems.report):
        print(f"{output}: model.keras, curves.png, history.csv, split.json, samples/")
    return 1 if problems else 0
