"""Results as one Markdown table. Every number has its protocol in the heading."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

from lowlight_tf.catalog import METRICS
from lowlight_tf.evaluation.results import Results, Score
from lowlight_tf.fileio import write_text

COSTS = "weights", "G multiply-adds per image", "ms per image"
"""Columns of costs: medians over the images."""


def results_table(results: Sequence[Results]) -> str:
    """Return `table_cells` as a Markdown table."""
    return markdown_table(*table_cells(results), words=2)


def table_cells(results: Sequence[Results]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of means: a row for each model and data, a column for each number.

    A heading is metric, unit and protocol, as in `PSNR dB (plain)`; most metrics without a target
    have no protocol. Missing numbers are dashes. There are columns of weights and multiply-adds
    where one of the models has any.
    """
    columns = dict.fromkeys(format_column(metric, one) for one in results for metric in one.metrics)
    rows: dict[tuple[str, str, int], dict[tuple[str, str], str]] = {}
    costs: dict[tuple[str, str, int], list[str]] = {}
    for one in results:
        key = (one.model, one.data, len(one.scores))
        work = one.multiply_adds
        costs[key] = [
            "-" if one.weights is None else f"{one.weights:,}",
            "-" if work is None else f"{work / 1e9:.3f}",
            f"{one.ms:.1f}",
        ]
        for metric, mean in one.means.items():
            rows.setdefault(key, {})[format_column(metric, one)] = format_number(metric, mean)
    known = [any(cost[index] != "-" for cost in costs.values()) for index in range(len(COSTS))]
    head = [
        *("model", "data", "images"),
        *(metric_header(*one) for one in columns),
        *itertools.compress(COSTS, known),
    ]
    return head, [
        [
            *(*key[:2], str(key[2])),
            *(row.get(one, "-") for one in columns),
            *itertools.compress(costs[key], known),
        ]
        for key, row in rows.items()
    ]


def per_image_table(results: Sequence[Results]) -> str:
    """Return a Markdown table of every image of every model."""
    columns = dict.fromkeys(format_column(metric, one) for one in results for metric in one.metrics)
    rows: dict[tuple[str, str, str, int], dict[tuple[str, str], str]] = {}
    for one in results:
        for index, score in enumerate(one.scores):  # names may repeat: pairs of several folders
            row = rows.setdefault((one.model, score.name, one.data, index), {})
            for metric, value in score.values.items():
                row[format_column(metric, one)] = format_number(metric, value)
    return markdown_table(
        ["model", "image", *(metric_header(*one) for one in columns)],
        [[*key[:2], *(row.get(one, "-") for one in columns)] for key, row in rows.items()],
        words=2,
    )


def caption(score: Score) -> str:
    """Return an image's numbers as a short text: `niqe 5.57  loe 131`."""
    return "  ".join(f"{metric} {format_number(metric, v)}" for metric, v in score.values.items())


def save(path: Path, results: Sequence[Results], *, command: str = "") -> None:
    """Write the table of means, and below it the command that makes it, atomically."""
    footer = f"\n`{command}`\n" if command else ""
    write_text(path, results_table(results) + footer)


def format_number(metric: str, value: float) -> str:
    """Return a number with the metric's digits, or a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.{METRICS.find(metric).digits}f}"


def format_column(metric: str, results: Results) -> tuple[str, str]:
    """Return the key of a metric's column: the metric, and the protocol if it has any."""
    return metric, results.protocol if METRICS.find(metric).has_protocol else ""


def metric_header(metric: str, protocol: str) -> str:
    """Return the heading of a column."""
    unit = METRICS.find(metric).unit
    words = (metric.upper(), unit, f"({protocol})" if protocol else "")
    return " ".join(filter(None, words))


def markdown_table(head: list[str], rows: list[list[str]], *, words: int) -> str:
    """Return a table whose first `words` columns are aligned left, and all others right."""
    escapes = str.maketrans({"|": "\\|", "\n": "\\n"})
    lines = [head, *([cell.translate(escapes) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [
        "-" * width if index < words else "-" * (width - 1) + ":"
        for index, width in enumerate(widths)
    ]
    padded = (
        [
            cell.ljust(width) if index < words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in (lines[0], rule, *lines[1:])
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in padded) + "\n"
