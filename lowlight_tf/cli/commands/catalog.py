"""`lowlight-tf catalog`: list all names of models, losses, metrics, data sets and recipes."""

import argparse
import json
from collections.abc import Iterable
from typing import Any

HELP = "list models, baselines, losses, metrics, data sets, shipped models and recipes"
KINDS = ("models", "baselines", "losses", "metrics", "datasets", "pretrained", "recipes")
FORMER_KINDS = {"nets": "pretrained"}  # of version 0.1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the tables; return 0."""
    from lowlight_tf import checks

    if args.kind and args.kind not in FORMER_KINDS:
        checks.check_choice("KIND", args.kind, KINDS)
    kinds = [args.kind] if args.kind else KINDS
    tables = {kind: list(globals()[f"_{FORMER_KINDS.get(kind, kind)}"]()) for kind in kinds}
    if args.json:
        print(json.dumps(tables, indent=2))
        return 0
    for kind, rows in tables.items():
        print(f"{kind}" if rows else f"{kind}: none")
        for line in _align_columns(rows):
            print(f"  {line}")
    return 0


def _models() -> Iterable[dict[str, Any]]:
    from lowlight_tf.catalog import MODELS

    return _ports(MODELS)


def _baselines() -> Iterable[dict[str, Any]]:
    from lowlight_tf.catalog import BASELINES

    return _ports(BASELINES)


def _ports(registry: Any) -> Iterable[dict[str, Any]]:
    for name in registry:
        contract = registry.find(name).contract
        sides = (contract.inputs, contract.outputs)
        ports = [[f"{p.name} ({p.channels}, {p.color_space})" for p in side] for side in sides]
        yield {"name": name, "inputs": ", ".join(ports[0]), "outputs": ", ".join(ports[1])}


def _losses() -> Iterable[dict[str, Any]]:
    from lowlight_tf.catalog import LOSSES

    for name in LOSSES:
        yield {"name": name, "inputs": ", ".join(LOSSES.find(name).inputs)}


def _metrics() -> Iterable[dict[str, Any]]:
    from lowlight_tf.catalog import METRICS

    for name in METRICS:
        metric = METRICS.find(name)
        yield {
            "name": name,
            "inputs": ", ".join(metric.inputs),
            "unit": metric.unit,
            "better": metric.direction,
            "range": metric.range_text,
            "definition": metric.definition,
        }


def _datasets() -> Iterable[dict[str, Any]]:
    from lowlight_tf.datasets import dataset_card, synthetic

    embedded = {"train": synthetic.PAIR_COUNTS["train"], "val": synthetic.PAIR_COUNTS["val"]}
    yield {
        "name": "embedded",
        "splits": _splits(embedded),
        "homepage": "",
        "terms": synthetic.TERMS,
    }
    for name in dataset_card.list_datasets():
        card = dataset_card.get_dataset(name)
        splits = _splits({key: split.count for key, split in card.splits.items()})
        yield {"name": name, "splits": splits, "homepage": card.homepage, "terms": card.terms}


def _pretrained() -> Iterable[dict[str, Any]]:
    from lowlight_tf.model_card import ModelCard
    from lowlight_tf.runtime import pretrained

    for name in pretrained.list_pretrained():
        card = ModelCard.load(pretrained.MODEL_DIR / f"{name}.json")
        results = card.training.get("validation", {})
        yield {
            "name": name,
            "model": card.model,
            "size": f"{card.height}x{card.width} {card.dtype}",
            "quantization": card.quantization,
            "weights": card.weights,
            "kb": round(card.size_bytes / 1000),
            "validation": ", ".join(f"{key} {value:.4g}" for key, value in results.items()),
        }


def _recipes() -> Iterable[dict[str, Any]]:
    from lowlight_tf.config import RECIPE_DIR, Recipe

    for path in sorted(RECIPE_DIR.glob("*.toml")):
        recipe = Recipe.load(path)
        yield {
            "name": path.stem,
            "model": recipe.model,
            "data": ", ".join(recipe.data),
            "steps": recipe.training.steps,
        }


def _splits(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" if count else name for name, count in counts.items())


def _align_columns(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Return the rows as lines, headings first, columns aligned."""
    if not rows:
        return
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()
