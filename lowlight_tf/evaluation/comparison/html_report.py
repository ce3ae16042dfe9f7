"""A comparison as one self-contained HTML file: tables, plots, and a slider for each image."""

import base64
import hashlib
import html
import math
import re
from collections.abc import Mapping
from pathlib import Path

from lowlight_tf.catalog import METRICS
from lowlight_tf.evaluation import results_table
from lowlight_tf.evaluation.comparison import svg_plots, tables
from lowlight_tf.evaluation.comparison.comparison import (
    MAX_DIFFERENCE,
    Comparison,
    ImageResult,
    Preview,
)

TEMPLATE_DIR = Path(__file__).parent


def html_report(
    comparison: Comparison,
    *,
    command: str = "",
    facts: str = "",
    curves: Mapping[str, bytes] | None = None,
    number_files: tuple[str, str] = ("comparison.csv", "comparison.md"),
) -> str:
    """Return a page that opens from disk, without a network.

    Its Content-Security-Policy forbids external resources and all scripts and styles but its own.
    Without scripts it still contains all numbers and images.

    Args:
        comparison: The results.
        command: The command that reproduces them.
        facts: The machine that the times were measured on.
        curves: Plots of training runs: caption -> SVG.
        number_files: Names of the CSV and Markdown files of the same numbers.
    """
    style, script = ((TEMPLATE_DIR / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    higher = _columns_where_higher_is_better(comparison)
    fields = {
        "title": html.escape(comparison.data),
        "summary": html.escape(_summary_section(comparison)),
        "failures": _failures_section(comparison),
        "style": style,
        "style-hash": _hash(style),
        "script": script,
        "script-hash": _hash(script),
        "csv": html.escape(number_files[0]),
        "markdown": html.escape(number_files[1]),
        "means": _table(*tables.means(comparison), words=1, higher=higher, name="means"),
        "each": _table(*tables.per_image_table(comparison), words=2, higher=higher, name="each"),
        "definitions": _definitions_section(comparison),
        "plots": _plots_section(comparison),
        "curves": _curves_section(curves or {}),
        "images": _images_section(comparison),
        "command": html.escape(command),
        "machine": html.escape(facts),
    }
    template = (TEMPLATE_DIR / "page.html").read_text("utf-8")
    return re.sub(r"\{\{([\w-]+)\}\}", lambda match: fields[match[1]], template)


def _summary_section(comparison: Comparison) -> str:
    models, images = len(comparison.model_results), len(comparison.image_names)
    previews = len(comparison.input_previews)
    counts = f"{models} models, {images} images"
    return counts if previews == images else f"{counts}, {previews} of them displayed below"


def _failures_section(comparison: Comparison) -> str:
    lines = "".join(
        f"<li>{html.escape(f'{model}, {name}: {reason}')}</li>"
        for model, name, reason in comparison.failures
    )
    return lines and f'<p class="wrong">Failed, and excluded from the means:</p><ul>{lines}</ul>'


def _columns_where_higher_is_better(comparison: Comparison) -> set[str]:
    """Return the headings of the metrics of which higher is better."""
    return {
        results_table.metric_header(metric, protocol)
        for metric, protocol in _columns(comparison)
        if METRICS.find(metric).higher_is_better
    }


def _columns(comparison: Comparison) -> dict[tuple[str, str], None]:
    results = [one for entry in comparison.model_results for one in entry.results]
    return dict.fromkeys(
        results_table.format_column(metric, one) for one in results for metric in one.metrics
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _table(
    head: list[str], rows: list[list[str]], *, words: int, higher: set[str], name: str
) -> str:
    """Return a table whose headings are buttons; its first `words` columns contain text."""
    heads, lines = [], []
    for index, cell in enumerate(head):
        kind = "word" if index < words else "higher" if cell in higher else ""
        button = f'<button type="button">{html.escape(cell)}</button>'
        heads.append(f'<th scope="col" class="{kind}">{button}</th>')
    for row in rows:
        cells = []
        for index, cell in enumerate(row):
            kind = "word" if index < words else "wrong" if cell == tables.FAILED else ""
            tag = 'th scope="row"' if index == 0 else "td"
            cells.append(f'<{tag} class="{kind}">{html.escape(cell)}</{tag[:2]}>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table id="{name}"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _definitions_section(comparison: Comparison) -> str:
    definitions = {
        metric.upper(): METRICS.find(metric).describe()
        for metric in dict.fromkeys(metric for metric, _ in _columns(comparison))
    }
    definitions["ms per image"] = "median time inside the model per image, summed over its tiles"
    definitions["bytes"] = "size of the model's file"
    definitions["peak MB"] = (
        "peak memory of a process that runs only this model, after the largest image, with Python "
        "and its libraries"
    )
    terms = (f"<dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd>" for a, b in definitions.items())
    return f"<dl>{''.join(terms)}</dl>"


def _plots_section(comparison: Comparison) -> str:
    """Return a plot for each metric with a direction; "" if there is no point to draw."""
    figures = []
    for metric, protocol in _columns(comparison):
        direction, points, baseline = METRICS.find(metric).direction, [], None
        if not direction:
            continue
        for entry in comparison.model_results:
            for one in entry.results:
                mean = one.means.get(metric, math.nan)
                if results_table.format_column(metric, one) != (
                    metric,
                    protocol,
                ) or not math.isfinite(mean):
                    continue
                if entry.model == "input":
                    baseline = mean
                elif one.ms > 0:
                    points.append(svg_plots.Point(entry.model, one.ms, mean))
        if points:
            head = results_table.metric_header(metric, protocol)
            drawn = svg_plots.pareto_plot(
                points, head, higher=direction == "higher", baseline=baseline
            )
            caption = f"<b>{html.escape(head)}</b>, {direction} is better: further up"
            figures.append(f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>")
    if not figures:
        return ""
    return (
        "<section><h2>Quality against time</h2><p>No model is both faster and better than "
        f'one on the line.</p><div class="plots">{"".join(figures)}</div></section>'
    )


def _curves_section(curves: Mapping[str, bytes]) -> str:
    figures = "".join(
        f'<figure class="curves"><img alt="{html.escape(caption)}" '
        f'src="{_data_uri("svg+xml", drawn)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, drawn in curves.items()
    )
    return figures and f"<section><h2>Training curves</h2>{figures}</section>"


def _images_section(comparison: Comparison) -> str:
    """Return a row for each image with previews: its inputs, then a slider for each model."""
    if not comparison.input_previews:
        return "<p>No images are displayed.</p>"
    head, rows = tables.per_image_table(comparison)
    remaining = iter(rows)
    numbers = {
        (model, index): next(remaining)
        for model, _ in enumerate(comparison.model_results)
        for index, _ in enumerate(comparison.image_names)
    }
    parts = [_toolbar(comparison)]
    for index, inputs in comparison.input_previews.items():
        name = comparison.image_names[index]
        cells = [_preview_figure(one, name, preview) for one, preview in inputs.items()]
        for model, entry in enumerate(comparison.model_results):
            line = zip(head[2:], numbers[model, index][2:], strict=True)
            caption = " · ".join(f"{value} {heading}" for heading, value in line)
            cells.append(_figure(entry.model, name, entry.images[index], inputs, caption))
        row = f'<div class="row">{"".join(cells)}</div>'
        parts.append(f"<article><h3>{html.escape(name)}</h3>{row}</article>")
    return "".join(parts)


def _toolbar(comparison: Comparison) -> str:
    """Return the selection of the left image, and the legend of the histograms."""
    inputs = dict.fromkeys(name for each in comparison.input_previews.values() for name in each)
    names = [
        *inputs,
        *(entry.model for entry in comparison.model_results if entry.model not in inputs),
    ]
    options = "".join(f"<option>{html.escape(name)}</option>" for name in names)
    brightest = round(255 * MAX_DIFFERENCE["target" in inputs])
    reference = "the target" if "target" in inputs else "the input"
    keys = {"input": next(iter(inputs), "before"), "result": "model", "target": "target"}
    legend = "".join(
        f'<span class="key {kind}">{html.escape(name)}</span>'
        for kind, name in keys.items()
        if kind != "target" or kind in inputs
    )
    return (
        f"<p>Below each slider the histograms of luma, and the difference from {reference}: black "
        f"where it is zero, bright yellow from {brightest} of 255 levels.</p>"
        f'<div class="tools"><label>Left of the sliders: <select id="left">{options}</select>'
        f"</label>{legend}</div>"
    )


def _preview_figure(heading: str, name: str, preview: Preview) -> str:
    alt = f"{name}, {heading}"
    caption = f"<figcaption><b>{html.escape(heading)}</b></figcaption>"
    return f"<figure>{_image_tag(alt, preview, of=heading)}{caption}</figure>"


def _figure(
    model: str, name: str, result: ImageResult, inputs: Mapping[str, Preview], caption: str
) -> str:
    title = f"<b>{html.escape(model)}</b>"
    if result.failed:
        why = f'<span class="wrong">failed</span>: {html.escape(result.failed)}'
        return f'<figure class="failed"><figcaption>{title} {why}</figcaption></figure>'
    label = html.escape(f"{name}: fraction of the left image displayed over that of {model}")
    stage = (
        f'<div class="stage">{_image_tag(f"{name}, {model}", result.preview, of=model)}'
        f'<img class="left" alt="" width="{result.preview.width}" height="{result.preview.height}">'
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}"></div>'
    )
    refused = "".join(
        f"<br>{html.escape(f'{metric}: {why}')}" for metric, why in result.refused.items()
    )
    parts = [stage, f"<figcaption>{title} {html.escape(caption)}{refused}</figcaption>"]
    parts.append(_histogram(model, name, result.preview, inputs))
    if result.difference:
        alt = f"{name}, difference of {model}"
        parts.append(_image_tag(alt, result.difference, kind="difference"))
    return f'<figure class="slider">{"".join(parts)}</figure>'


def _histogram(model: str, name: str, result: Preview, inputs: Mapping[str, Preview]) -> str:
    first = next((preview for heading, preview in inputs.items() if heading != "target"), None)
    previews = {"input": first, "result": result, "target": inputs.get("target")}
    curves = {kind: preview.histogram for kind, preview in previews.items() if preview}
    means = ", ".join(f"{kind} {_mean(fractions):.2f}" for kind, fractions in curves.items())
    return svg_plots.histogram_plot(curves, f"Histogram of luma, {name} by {model}. Means: {means}")


def _mean(fractions: tuple[float, ...]) -> float:
    return sum((step + 0.5) / len(fractions) * fraction for step, fraction in enumerate(fractions))


def _image_tag(alt: str, preview: Preview, *, of: str = "", kind: str = "") -> str:
    marks = (f' data-of="{html.escape(of)}"' if of else "") + (f' class="{kind}"' if kind else "")
    return (
        f'<img{marks} alt="{html.escape(alt)}" width="{preview.width}" height="{preview.height}" '
        f'decoding="async" src="{_data_uri("webp", preview.webp)}">'
    )


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
