"""`lowlight-tf report`: runs -> their curves over each other, and what their nets make of some."""

import argparse
from pathlib import Path

from lowlight_tf import checks

HELP = "draw the curves of runs, and before and after of some validation pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("run", nargs="+", type=Path, metavar="RUN", help="folder of `lowlight-tf train`")
    add("--output", type=Path, help="folder to write (RUN/report, or report for several runs)")
    add("--rows", type=int, default=6, help="pictures on the contact sheet; 0 makes none")


def run(args: argparse.Namespace) -> int:
    """Draw, tell each run's best validation, return 0."""
    checks.check_min("rows", args.rows, 0)
    for place in args.run:
        checks.check_dir("run", place)

    from lowlight_tf.training.history import History, draw_curves

    runs = {name: place for place, name in zip(args.run, names(args.run), strict=True)}
    histories = {name: History.load(place / "history.csv") for name, place in runs.items()}
    for history in histories.values():
        history.epochs([])  # what has nothing to draw is said before anything is written
    output = args.output or (args.run[0] if len(runs) == 1 else Path()) / "report"
    if output.exists():
        checks.check_dir("output", output)
    output.mkdir(parents=True, exist_ok=True)
    draw_curves(histories, output / "curves.png", output / "curves.svg")
    for name, history in histories.items():
        print(f"{name}: {describe_best(history, monitor_of(runs[name]))}")
    print(f"{output / 'curves.png'}, curves.svg")
    if args.rows:
        lacking = _contact_sheet(runs, args.rows, output / "before_after.png")
        print(f"no contact sheet: {lacking}" if lacking else output / "before_after.png")
    return 0


def names(places: list[Path]) -> list[str]:
    """Return what legends call runs: their folders' names, or paths where two share one."""
    short = [place.resolve().name for place in places]
    return [
        str(place) if short.count(name) > 1 else name
        for place, name in zip(places, short, strict=True)
    ]


def monitor_of(run: Path) -> str:
    """Return the metric by which a run kept its best net."""
    from lowlight_tf.config import Recipe

    recipe = run / "recipe.toml"
    return Recipe.load(recipe).training.monitor if recipe.is_file() else "psnr"


def describe_best(history, judge: str) -> str:
    """Return the best validation in a few words."""
    from lowlight_tf.training.history import score

    steps, quality = history.column(f"val_{judge}")
    if not quality:
        return "not validated yet"
    best = max(zip(steps, quality, strict=True), key=lambda one: score(judge, one[1]))[0]
    row = next(row for row in history.rows if row["step"] == best)
    (epoch,), (last,) = history.epochs([best]), history.epochs([history.rows[-1]["step"]])
    if "val_psnr" in row:
        told = f"PSNR {row['val_psnr']:.2f} dB, SSIM {row['val_ssim']:.4f}"
        told += f", LPIPS {row['val_lpips']:.4f}" if "val_lpips" in row else ""
        told += f" ({history.protocol})"
    else:
        told = f"{judge} {row[f'val_{judge}']:.4f}"
    return f"best validation {told} at epoch {epoch:.4g} of {last:.4g}"


def _contact_sheet(runs: dict[str, Path], rows: int, path: Path) -> str:
    """Write before, after by each run and target of pictures that none has learned from.

    Returns:
        "", or why there is no sheet.
    """
    from lowlight_tf.config import Recipe
    from lowlight_tf.training.data import read_split_pairs

    for name, place in runs.items():
        for needed in ("model.keras", "recipe.toml", "pairs_validation.json"):
            if not (place / needed).is_file():
                return f"{name} has no {needed} yet"
    first, *others = (read_split_pairs(place / "pairs_validation.json") for place in runs.values())
    shared = [i for i, pair in enumerate(first) if all(pair in other for other in others)]
    if not shared:
        return "the runs have no validation picture in common"
    paths = (path for pair in first for path in (*pair.inputs.values(), pair.target) if path)
    gone = next((path for path in paths if not path.exists()), None)
    if gone:
        return f"{gone} is no longer there"

    from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet
    from lowlight_tf.export.keras_engine import KerasEngine
    from lowlight_tf.imaging import image_io
    from lowlight_tf.pipeline.synthetic_validation import materialize_synthetic_inputs

    place = next(iter(runs.values()))
    pairs = materialize_synthetic_inputs(first, place / "dusk", Recipe.load(place / "recipe.toml"))
    chosen = [pairs[index] for index in shared[:: -(-len(shared) // rows)]]
    engines = []
    for name, place in runs.items():
        engines.append(KerasEngine(place))
        engines[-1].name = name
    image_io.write_float_rgb(path, contact_sheet(engines, chosen))
    return ""
