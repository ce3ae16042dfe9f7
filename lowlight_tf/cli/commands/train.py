"""`lowlight-tf train`: a recipe and pairs -> a run folder."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.catalog import MODELS

if TYPE_CHECKING:
    from lowlight_tf.config import Recipe

HELP = "train a net on pairs of dark and bright pictures"

SETTINGS = {  # flag -> key of the recipe
    "seed": "seed",
    "batch_size": "pipeline.batch_size",
    "crop": "pipeline.crop_size",
    "augmenter": "pipeline.augmentation",
    "steps": "training.steps",
    "epochs": "training.epochs",
    "learning_rate": "training.learning_rate",
    "precision": "training.precision",
    "f_log_step": "training.log_every",
    "f_summary_step": "training.summary_every",
    "f_save_step": "training.save_every",
    "f_validate_step": "training.validate_every",
    "split": "training.split",
    "data_root": "data_root",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("--model", help="name of the catalog (default: the recipe's)")
    add("--recipe", help="a recipe of the package or a .toml file (default: MODEL_embedded)")
    add(
        "--data",
        nargs="+",
        help="folders with low/ and high/ or with train_val/{low,high}, a .zip of one, or names of "
        "datasets (default: the recipe's)",
    )
    add(
        "--split",
        help="share of the pairs to learn from, such as 0.7 (the rest is validation), or the "
        "split.json of another run",
    )
    add("--data-root", help="folder that holds the datasets named by --data")
    add("--night", action="store_true", help="--data holds day pictures: make their dark twins")
    add("--output", type=Path, help="run folder to write (default: runs/RECIPE)")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --output")
    add("--batch-size", type=int, help="pairs in a batch")
    add("--learning-rate", type=float, help="of Adam, at its highest")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="batches to learn from")
    length.add_argument("--epochs", type=int, help="passes over the training pairs instead")
    add("--crop", type=int, help="side of the square cut from each picture (pixels); 0: whole")
    add("--seed", type=int, help="of weights, order and augmentation")
    add("--f-log-step", type=int, help="steps between two lines of progress")
    add("--f-summary-step", type=int, help="steps between two TensorBoard summaries")
    add("--f-save-step", type=int, help="steps between two checkpoints")
    add("--f-validate-step", type=int, help="steps between two validations")
    add("--augmenter", help="native, imgaug, or imgaug:MODULE:OBJECT ([augment] extra)")
    add("--precision", help="float32, mixed_float16 or mixed_bfloat16")
    add(
        "--strategy",
        choices=("single", "mirrored", "multiworker"),
        default="single",
        help="which devices share a batch: one, all of this machine, or those of all processes "
        "that TF_CONFIG names, each of which runs this command",
    )
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="any other key of the recipe")


def recipe_of(args: argparse.Namespace) -> "Recipe":
    """Return the recipe that the flags ask for."""
    from lowlight_tf.config import Recipe

    model = args.model or "driving_unet"
    MODELS.find(model)
    recipe = Recipe.load(args.recipe or f"{model}_embedded")
    settings = [
        f"{key}={getattr(args, flag)!r}"
        for flag, key in SETTINGS.items()
        if getattr(args, flag) is not None
    ]
    if args.model:
        settings.append(f"model={args.model!r}")
    if args.data:
        settings.append(f"data={args.data!r}")
    if args.night:
        settings.append("pipeline.synthesize_night=true")
    return recipe.replace([*settings, *args.set])


def run(args: argparse.Namespace) -> int:
    """Train; return 0."""
    recipe = recipe_of(args)
    output = args.output or Path("runs") / (args.recipe or f"{recipe.model}_embedded")
    if recipe.data == ("embedded",):
        print("no data named: the embedded pairs, photographs inside scikit-image, darkened")

    from lowlight_tf.training.onednn import enable_onednn_bfloat16

    print(enable_onednn_bfloat16())

    from lowlight_tf.training.trainer import train

    if train(recipe, output, resume=args.resume, strategy=args.strategy):
        print(f"{output}: model.keras, curves.png, history.csv, split.json, samples/")
    return 0
