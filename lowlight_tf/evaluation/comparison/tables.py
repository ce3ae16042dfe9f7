"""The numbers of a comparison as tables: for HTML, Markdown and CSV."""

import csv
import io
import itertools

from lowlight_tf.evaluation import results_table
from lowlight_tf.evaluation.comparison.comparison import Comparison

Table = tuple[list[str], list[list[str]]]
"""Head and rows."""

FAILED = "failed"
"""Cell of each number of an image that a model failed on."""

TIME = "ms per image"


def means(comparison: Comparison) -> Table:
    """Return a row for each model: means and costs."""
    head, rows = results_table.table_cells(
        [each for model in comparison.model_results for each in model.results]
    )
    measured = {row[0]: row[3:] for row in rows}
    total = len(comparison.image_names)
    lines = []
    for entry in comparison.model_results:
        done = sum(not image.failed for image in entry.images)
        lines.append(
            [
                entry.model,
                str(total) if done == total else f"{done} of {total}",
                *measured.get(entry.model, ["-"] * len(head[3:])),
                "-" if entry.bytes is None else f"{entry.bytes:,}",
                "-" if entry.peak_mb is None else f"{entry.peak_mb:.1f}",
            ]
        )
    return ["model", "images", *head[3:], "bytes", "peak MB"], lines


def per_image_table(comparison: Comparison) -> Table:
    """Return a row for each image of each model."""
    results = [one for entry in comparison.model_results for one in entry.results]
    columns = dict.fromkeys(
        results_table.format_column(metric, one) for one in results for metric in one.metrics
    )
    lines = []
    for entry in comparison.model_results:
        found = {one.protocol: iter(one.scores) for one in entry.results}
        for name, image in zip(comparison.image_names, entry.images, strict=True):
            row = dict.fromkeys((*columns, TIME), FAILED if image.failed else "-")
            for one in () if image.failed else entry.results:
                score = next(found[one.protocol])
                row[TIME] = f"{score.ms:.1f}"
                for metric, value in score.values.items():
                    row[results_table.format_column(metric, one)] = results_table.format_number(
                        metric, value
                    )
            lines.append([entry.model, name, *row.values()])
    return [
        "model",
        "image",
        *itertools.starmap(results_table.metric_header, columns),
        TIME,
    ], lines


def summary_table(comparison: Comparison) -> str:
    """Return the means as a Markdown table."""
    return results_table.markdown_table(*means(comparison), words=1)


def markdown_report(comparison: Comparison, *, command: str = "") -> str:
    """Return both tables, the failures with their reasons, and the command that makes them."""
    parts = [
        f"# {comparison.data}\n",
        summary_table(comparison),
        "## Every image\n",
        results_table.markdown_table(*per_image_table(comparison), words=2),
    ]
    if comparison.failures:
        failures = (f"- {model}, {name}: {reason}" for model, name, reason in comparison.failures)
        parts += ["## Failed\n", "\n".join(failures) + "\n"]
    return "\n".join([*parts, *([f"`{command}`\n"] if command else [])])


def as_csv(comparison: Comparison) -> str:
    """Return both tables in one; rows of means have "(mean)" as image."""
    (head, rows), (heads, lines) = means(comparison), per_image_table(comparison)
    reasons = {(model, name): reason for model, name, reason in comparison.failures}
    text = io.StringIO()
    fields = dict.fromkeys(["model", "image", *head[1:], *heads[2:], "failure"])
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({"image": "(mean)", **dict(zip(head, map(_plain, row), strict=True))})
    for line in lines:
        reason = reasons.get((line[0], line[1]), "")
        cells = dict(zip(heads, [*line[:2], *map(_plain, line[2:])], strict=True))
        writer.writerow({**cells, "failure": reason})
    return text.getvalue()


def _plain(cell: str) -> str:
    """Return a cell for programs: without thousands separators, empty for a dash."""
    bare = cell.replace(",", "")
    return "" if cell == "-" else bare if bare.replace(".", "", 1).isdigit() else cell
