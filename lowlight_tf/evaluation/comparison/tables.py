"""The numbers of a comparison as tables: for a page, as Markdown and as CSV, the same in each."""

import csv
import io
import itertools

from lowlight_tf.evaluation import results_table
from lowlight_tf.evaluation.comparison.comparison import Comparison

Table = tuple[list[str], list[list[str]]]
"""Head and rows."""

FAILED = "failed"
"""What stands in the place of each number of a picture that a model failed on."""

TIME = "ms per picture"


def means(comparison: Comparison) -> Table:
    """Return a row for each model: what it reached, and what it costs."""
    head, rows = results_table.table_cells(
        [one for entry in comparison.model_results for one in entry.results]
    )
    measured = {row[0]: row[3:] for row in rows}
    total = len(comparison.image_names)
    lines = []
    for entry in comparison.model_results:
        done = sum(not cell.failed for cell in entry.images)
        lines.append(
            [
                entry.model,
                str(total) if done == total else f"{done} of {total}",
                *measured.get(entry.model, ["-"] * len(head[3:])),
                "-" if entry.bytes is None else f"{entry.bytes:,}",
                "-" if entry.peak_mb is None else f"{entry.peak_mb:.1f}",
            ]
        )
    return ["model", "pictures", *head[3:], "bytes", "peak MB"], lines


def per_image_table(comparison: Comparison) -> Table:
    """Return a row for each picture of each model."""
    results = [one for entry in comparison.model_results for one in entry.results]
    columns = dict.fromkeys(
        results_table.format_column(metric, one) for one in results for metric in one.metrics
    )
    lines = []
    for entry in comparison.model_results:
        found = {one.protocol: iter(one.scores) for one in entry.results}
        for picture, cell in zip(comparison.image_names, entry.images, strict=True):
            row = dict.fromkeys((*columns, TIME), FAILED if cell.failed else "-")
            for one in () if cell.failed else entry.results:
                score = next(found[one.protocol])
                row[TIME] = f"{score.ms:.1f}"
                for metric, value in score.values.items():
                    row[results_table.format_column(metric, one)] = results_table.format_number(
                        metric, value
                    )
            lines.append([entry.model, picture, *row.values()])
    return [
        "model",
        "picture",
        *itertools.starmap(results_table.metric_header, columns),
        TIME,
    ], lines


def summary_table(comparison: Comparison) -> str:
    """Return the means as a Markdown table."""
    return results_table.markdown_table(*means(comparison), words=1)


def markdown_report(comparison: Comparison, *, command: str = "") -> str:
    """Return both tables, what failed and why, and the line that makes them."""
    parts = [
        f"# {comparison.data}\n",
        summary_table(comparison),
        "## Every picture\n",
        results_table.markdown_table(*per_image_table(comparison), words=2),
    ]
    if comparison.failures:
        told = (f"- {model}, {name}: {reason}" for model, name, reason in comparison.failures)
        parts += ["## Failed\n", "\n".join(told) + "\n"]
    return "\n".join([*parts, *([f"`{command}`\n"] if command else [])])


def as_csv(comparison: Comparison) -> str:
    """Return both tables in one: the means are those of the picture "(mean)"."""
    (head, rows), (heads, lines) = means(comparison), per_image_table(comparison)
    reasons = {(model, name): reason for model, name, reason in comparison.failures}
    text = io.StringIO()
    fields = dict.fromkeys(["model", "picture", *head[1:], *heads[2:], "why it failed"])
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({"picture": "(mean)", **dict(zip(head, map(_plain, row), strict=True))})
    for line in lines:
        why = reasons.get((line[0], line[1]), "")
        cells = dict(zip(heads, [*line[:2], *map(_plain, line[2:])], strict=True))
        writer.writerow({**cells, "why it failed": why})
    return text.getvalue()


def _plain(cell: str) -> str:
    """Return a cell as programs read it."""
    bare = cell.replace(",", "")
    return "" if cell == "-" else bare if bare.replace(".", "", 1).isdigit() else cell
