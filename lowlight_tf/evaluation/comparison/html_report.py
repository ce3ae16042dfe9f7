"""A comparison as one HTML file that loads nothing: a table, plots, sliders over every picture."""

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

    Its rule (Content-Security-Policy) forbids to load anything, and to run or wear anything but its
    own script and style. Without scripts it still shows all numbers and pictures.

    Args:
        comparison: What it shows.
        command: The line that makes it.
        facts: On what machine the times were taken.
        curves: What is drawn of training runs: caption -> SVG.
        number_files: What the same numbers are called as CSV and Markdown.
    """
    style, script = ((TEMPLATE_DIR / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    higher = _columns_where_higher_is_better(comparison)
    filled = {
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
        "pictures": _images_section(comparison),
        "command": html.escape(command),
        "made_by": html.escape(facts),
    }
    template = (TEMPLATE_DIR / "page.html").read_text("utf-8")
    return re.sub(r"\{\{([\w-]+)\}\}", lambda field: filled[field[1]], template)


def _summary_section(comparison: Comparison) -> str:
    models, pictures = len(comparison.model_results), len(comparison.image_names)
    shown = len(comparison.input_previews)
    told = f"{models} models, {pictures} pictures"
    return told if shown == pictures else f"{told}, {shown} of them shown below"


def _failures_section(comparison: Comparison) -> str:
    lines = "".join(
        f"<li>{html.escape(f'{model}, {name}: {reason}')}</li>"
        for model, name, reason in comparison.failures
    )
    return lines and f'<p class="wrong">Failed, and left out of the means:</p><ul>{lines}</ul>'


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
    """Return a table whose headings are buttons; its first columns hold words."""
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
    told = {
        metric.upper(): METRICS.find(metric).describe()
        for metric in dict.fromkeys(metric for metric, _ in _columns(comparison))
    }
    told["ms per picture"] = "time inside the model for one picture, all tiles together; the median"
    told["bytes"] = "of the model's file"
    told["peak MB"] = (
        "the most memory that a process of the model alone held when it had enhanced the largest "
        "picture, Python and its libraries included"
    )
    terms = (f"<dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd>" for a, b in told.items())
    return f"<dl>{''.join(terms)}</dl>"


def _plots_section(comparison: Comparison) -> str:
    """Return a plot of each metric that knows a better; none where there is nothing to draw."""
    figures = []
    for metric, protocol in _columns(comparison):
        direction, points, floor = METRICS.find(metric).direction, [], None
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
                    floor = mean
                elif one.ms > 0:
                    points.append(svg_plots.Point(entry.model, one.ms, mean))
        if points:
            head = results_table.metric_header(metric, protocol)
            drawn = svg_plots.pareto_plot(points, head, higher=direction == "higher", floor=floor)
            told = f"<b>{html.escape(head)}</b>, {direction} is better: further up"
            figures.append(f"<figure>{drawn}<figcaption>{told}</figcaption></figure>")
    if not figures:
        return ""
    return (
        "<section><h2>Quality against time</h2><p>No model is both quicker and better than "
        f'one on the line.</p><div class="plots">{"".join(figures)}</div></section>'
    )


def _curves_section(curves: Mapping[str, bytes]) -> str:
    figures = "".join(
        f'<figure class="curves"><img alt="{html.escape(told)}" src="'
        f'{_data_uri("svg+xml", drawn)}">'
        f"<figcaption>{html.escape(told)}</figcaption></figure>"
        for told, drawn in curves.items()
    )
    return figures and f"<section><h2>How they were trained</h2>{figures}</section>"


def _images_section(comparison: Comparison) -> str:
    """Return a row for each picture that is shown: what is given, then a slider for each model."""
    if not comparison.input_previews:
        return "<p>None are shown.</p>"
    head, rows = tables.per_image_table(comparison)
    numbers = iter(rows)
    told = {
        (place, index): next(numbers)
        for place, _ in enumerate(comparison.model_results)
        for index, _ in enumerate(comparison.image_names)
    }
    parts = [_toolbar(comparison)]
    for index, given in comparison.input_previews.items():
        name = comparison.image_names[index]
        cells = [_preview_figure(one, name, look) for one, look in given.items()]
        for place, entry in enumerate(comparison.model_results):
            line = zip(head[2:], told[place, index][2:], strict=True)
            caption = " · ".join(f"{number} {what}" for what, number in line)
            cells.append(_figure(entry.model, name, entry.images[index], given, caption))
        row = f'<div class="row">{"".join(cells)}</div>'
        parts.append(f"<article><h3>{html.escape(name)}</h3>{row}</article>")
    return "".join(parts)


def _toolbar(comparison: Comparison) -> str:
    """Return what chooses the left side, and what the outlines of the histograms are."""
    given = dict.fromkeys(name for looks in comparison.input_previews.values() for name in looks)
    names = [
        *given,
        *(entry.model for entry in comparison.model_results if entry.model not in given),
    ]
    options = "".join(f"<option>{html.escape(name)}</option>" for name in names)
    far = round(255 * MAX_DIFFERENCE["target" in given])
    what = "the target" if "target" in given else "what was given"
    keys = {"given": next(iter(given), "before"), "made": "model", "target": "target"}
    legend = "".join(
        f'<span class="key {kind}">{html.escape(name)}</span>'
        for kind, name in keys.items()
        if kind != "target" or kind in given
    )
    return (
        f"<p>Below each slider the histograms of luma, and the difference from {what}: black where "
        f"there is none, bright yellow from {far} of 255 levels on.</p>"
        f'<div class="tools"><label>Left of the sliders: <select id="left">{options}</select>'
        f"</label>{legend}</div>"
    )


def _preview_figure(heading: str, name: str, look: Preview) -> str:
    alt = f"{name}, {heading}"
    caption = f"<figcaption><b>{html.escape(heading)}</b></figcaption>"
    return f"<figure>{_image_tag(alt, look, of=heading)}{caption}</figure>"


def _figure(
    model: str, name: str, cell: ImageResult, given: Mapping[str, Preview], caption: str
) -> str:
    title = f"<b>{html.escape(model)}</b>"
    if cell.failed:
        why = f'<span class="wrong">failed</span>: {html.escape(cell.failed)}'
        return f'<figure class="failed"><figcaption>{title} {why}</figcaption></figure>'
    label = html.escape(f"{name}: how much of the left picture is seen before that of {model}")
    stage = (
        f'<div class="stage">{_image_tag(f"{name}, {model}", cell.preview, of=model)}'
        f'<img class="left" alt="" width="{cell.preview.width}" height="{cell.preview.height}">'
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}"></div>'
    )
    refused = "".join(
        f"<br>{html.escape(f'{metric}: {why}')}" for metric, why in cell.refused.items()
    )
    parts = [stage, f"<figcaption>{title} {html.escape(caption)}{refused}</figcaption>"]
    parts.append(_histogram(model, name, cell.preview, given))
    if cell.difference:
        alt = f"{name}, difference of {model}"
        parts.append(_image_tag(alt, cell.difference, kind="difference"))
    return f'<figure class="slider">{"".join(parts)}</figure>'


def _histogram(model: str, name: str, made: Preview, given: Mapping[str, Preview]) -> str:
    first = next((look for heading, look in given.items() if heading != "target"), None)
    looks = {"given": first, "made": made, "target": given.get("target")}
    curves = {kind: look.histogram for kind, look in looks.items() if look}
    means = ", ".join(f"{kind} {_mean(shares):.2f}" for kind, shares in curves.items())
    return svg_plots.histogram_plot(curves, f"Histogram of luma, {name} by {model}. Means: {means}")


def _mean(shares: tuple[float, ...]) -> float:
    return sum((step + 0.5) / len(shares) * share for step, share in enumerate(shares))


def _image_tag(alt: str, look: Preview, *, of: str = "", kind: str = "") -> str:
    marks = (f' data-of="{html.escape(of)}"' if of else "") + (f' class="{kind}"' if kind else "")
    return (
        f'<img{marks} alt="{html.escape(alt)}" width="{look.width}" height="{look.height}" '
        f'decoding="async" src="{_data_uri("webp", look.webp)}">'
    )


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
