"""`lowlight-tf report`: runs -> their training curves in one figure, and a before/after sheet."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf import checks

if TYPE_CHECKING:
    from lowlight_tf.training.history import History

HELP = "draw the training curves of runs, and before and after of some validation images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("run", nargs="+", type=Path, metavar="RUN", help="folder of `lowlight-tf train`")
    add("--output", type=Path, help="folder to write (RUN/report, or report for several runs)")
    add("--rows", type=int, default=6, help="images on the contact sheet; 0 makes none")


def run(args: argparse.Namespace) -> int:
    """Draw the curves, print each run's best validation, return 0."""
    checks.check_min("rows", args.rows, 0)
    for run_dir in args.run:
        checks.check_dir("run", run_dir)

    from lowlight_tf.training.history import History, draw_curves

    run_dirs = dict(zip(run_labels(args.run), args.run, strict=True))
    histories = {name: History.load(run_dir / "history.csv") for name, run_dir in run_dirs.items()}
    for history in histories.values():
        history.epochs([])  # a history without an epoch is an error before anything is written
    output = args.output or (args.run[0] if len(run_dirs) == 1 else Path()) / "report"
    if output.exists():
        checks.check_dir("output", output)
    output.mkdir(parents=True, exist_ok=True)
    draw_curves(histories, output / "curves.png", output / "curves.svg")
    for name, history in histories.items():
        print(f"{name}: {describe_best(history, monitor_of(run_dirs[name]))}")
    print(f"{output / 'curves.png'}, curves.svg")
    if args.rows:
        obstacle = _write_contact_sheet(run_dirs, args.rows, output / "before_after.png")
        print(f"no contact sheet: {obstacle}" if obstacle else output / "before_after.png")
    return 0


def run_labels(run_dirs: list[Path]) -> list[str]:
    """Return the labels of runs in legends: folder names, or paths where two share a name."""
    names = [run_dir.resolve().name for run_dir in run_dirs]
    return [
        str(run_dir) if names.count(name) > 1 else name
        for run_dir, name in zip(run_dirs, names, strict=True)
    ]


def monitor_of(run_dir: Path) -> str:
    """Return the metric by which a run selected its best model."""
    from lowlight_tf.config import Recipe

    recipe = run_dir / "recipe.toml"
    return Recipe.load(recipe).training.monitor if recipe.is_file() else "psnr"


def describe_best(history: "History", monitor: str) -> str:
    """Return one line on the best validation of a run: its metrics and its epoch."""
    from lowlight_tf.training.history import score

    steps, values = history.column(f"val_{monitor}")
    if not values:
        return "not validated yet"
    best_step = max(zip(steps, values, strict=True), key=lambda one: score(monitor, one[1]))[0]
    row = next(row for row in history.rows if row["step"] == best_step)
    best_epoch, last_epoch = history.epochs([best_step, history.rows[-1]["step"]])
    if "val_psnr" in row:
        metrics = f"PSNR {row['val_psnr']:.2f} dB, SSIM {row['val_ssim']:.4f}"
        metrics += f", LPIPS {row['val_lpips']:.4f}" if "val_lpips" in row else ""
        metrics += f" ({history.protocol})"
    else:
        metrics = f"{monitor} {row[f'val_{monitor}']:.4f}"
    return f"best validation {metrics} at epoch {best_epoch:.4g} of {last_epoch:.4g}"


def _write_contact_sheet(run_dirs: dict[str, Path], rows: int, path: Path) -> str:
    """Write before, after by each run, and target of validation images that all runs share.

    Returns:
        "", or why there is no sheet.
    """
    from lowlight_tf.config import Recipe
    from lowlight_tf.training.data import SYNTHETIC_VALIDATION_DIR, read_split_pairs

    for name, run_dir in run_dirs.items():
        for needed in ("model.keras", "recipe.toml", "pairs_validation.json"):
            if not (run_dir / needed).is_file():
                return f"{name} has no {needed} yet"
    first, *others = (
        read_split_pairs(run_dir / "pairs_validation.json") for run_dir in run_dirs.values()
    )
    shared = [i for i, pair in enumerate(first) if all(pair in other for other in others)]
    if not shared:
        return "the runs have no validation image in common"
    paths = (path for pair in first for path in (*pair.inputs.values(), pair.target) if path)
    missing = next((path for path in paths if not path.exists()), None)
    if missing:
        return f"{missing} does not exist any more"

    from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet
    from lowlight_tf.export.keras_engine import KerasEngine
    from lowlight_tf.imaging import image_io
    from lowlight_tf.pipeline.synthetic_validation import materialize_synthetic_inputs

    run_dir = next(iter(run_dirs.values()))
    recipe = Recipe.load(run_dir / "recipe.toml")
    pairs = materialize_synthetic_inputs(first, run_dir / SYNTHETIC_VALIDATION_DIR, recipe)
    chosen = [pairs[index] for index in shared[:: -(-len(shared) // rows)]]
    engines = []
    for name, run_dir in run_dirs.items():
        engines.append(KerasEngine(run_dir))
        engines[-1].name = name
    image_io.write_float_rgb(path, contact_sheet(engines, chosen))
    return ""
