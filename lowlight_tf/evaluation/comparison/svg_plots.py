"""Plots of a comparison as inline SVG, styled by the page's CSS."""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 520, 320  # of a plot, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 56, 130, 16, 40  # margins; the right one holds names
LINE_HEIGHT, CHAR_WIDTH = 13, 6.5  # of labels
HISTOGRAM_HEIGHT = 40


class Point(NamedTuple):
    """A model in the plot: time per image (milliseconds) and quality."""

    name: str
    ms: float
    value: float


def pareto_front(points: Sequence[Point], *, higher: bool) -> list[Point]:
    """Return the points that no other beats in both time and quality; the fastest first."""
    sign = 1 if higher else -1
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.ms, -sign * one.value)):
        if not best or sign * point.value > sign * best[-1].value:
            best.append(point)
    return best


def pareto_plot(
    points: Sequence[Point], label: str, *, higher: bool, baseline: float | None = None
) -> str:
    """Draw quality against milliseconds on a logarithmic scale: better is further up.

    Args:
        points: All finite; milliseconds above zero.
        label: Of the quality.
        higher: Whether higher is better; else the axis is inverted.
        baseline: Quality of the unchanged input, drawn as a dashed line.
    """
    times = [math.log10(point.ms) for point in points]
    values = [point.value for point in points] + ([] if baseline is None else [baseline])
    low, high = _pad_range(min(times), max(times), 0.15), _pad_range(min(values), max(values), 0.06)

    def x(ms: float) -> float:
        return LEFT + (math.log10(ms) - low[0]) / (low[1] - low[0]) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        fraction = (value - high[0]) / (high[1] - high[0])
        return TOP + (1 - fraction if higher else fraction) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in _ticks(*high):
        parts += [_line(LEFT, y(value), WIDTH - RIGHT, y(value), "grid")]
        parts += [_text(LEFT - 6, y(value) + 4, f"{value:g}", "end")]
    for ms in _log_ticks(*low):
        parts += [_line(x(ms), TOP, x(ms), HEIGHT - BOTTOM, "grid")]
        parts += [_text(x(ms), HEIGHT - BOTTOM + 16, f"{ms:g}", "middle")]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts += [_text(middle, HEIGHT - 6, "ms per image", "middle")]
    if baseline is not None:
        parts += [_line(LEFT, y(baseline), WIDTH - RIGHT, y(baseline), "baseline")]
        parts += [_text(LEFT + 4, y(baseline) - 4, "input", "start")]
    best = pareto_front(points, higher=higher)
    path = " ".join(f"{x(one.ms):.1f},{y(one.value):.1f}" for one in best)
    parts += [f'<polyline class="front" points="{path}"/>']
    taken: list[tuple[float, float, float]] = []  # left, right and baseline of each label
    for one in sorted(points, key=lambda one: y(one.value)):
        kind = "dot best" if one in best else "dot"
        title = html.escape(f"{one.name}: {one.value:g}, {one.ms:.3g} ms")
        parts += [
            f'<circle class="{kind}" cx="{x(one.ms):.1f}" cy="{y(one.value):.1f}" r="4">'
            f"<title>{title}</title></circle>"
        ]
        left, foot = x(one.ms) + 8, y(one.value) + 4
        right = left + CHAR_WIDTH * len(one.name)
        for begin, end, other in taken:  # from the top
            if left < end and begin < right and abs(foot - other) < LINE_HEIGHT:
                foot = other + LINE_HEIGHT
        taken = sorted([*taken, (left, right, foot)], key=lambda name: name[2])
        parts += [_text(left, foot, one.name, "start")]
    summary = "; ".join(f"{one.name} {one.value:g} at {one.ms:.3g} ms" for one in best)
    description = html.escape(f"{label} against milliseconds. Pareto front: {summary}.")
    return (
        f'<svg class="pareto" role="img" aria-label="{description}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"{''.join(parts)}</svg>"
    )


def histogram_plot(curves: dict[str, Sequence[float]], label: str) -> str:
    """Draw overlaid histograms: CSS class of the outline -> fraction in each bin.

    Heights are square roots, so that small fractions are visible.
    """
    peak = math.sqrt(max(max(fractions) for fractions in curves.values())) or 1
    paths = []
    for kind, fractions in curves.items():
        heights = (HISTOGRAM_HEIGHT * (1 - math.sqrt(fraction) / peak) for fraction in fractions)
        corners = " ".join(f"{step + 0.5:g},{height:.1f}" for step, height in enumerate(heights))
        paths.append(
            f'<polyline class="{kind}" points="0,{HISTOGRAM_HEIGHT} {corners} '
            f'{len(fractions)},{HISTOGRAM_HEIGHT}"/>'
        )
    wide = len(next(iter(curves.values())))
    return (
        f'<svg class="histogram" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {wide} {HISTOGRAM_HEIGHT}" preserveAspectRatio="none">{"".join(paths)}</svg>'
    )


def _pad_range(low: float, high: float, margin: float) -> tuple[float, float]:
    padding = margin * (high - low) or margin * max(abs(high), 1)
    return low - padding, high + padding


def _ticks(low: float, high: float) -> list[float]:
    """Return about four to eight round numbers in a range."""
    rough = (high - low) / 8
    scale = 10 ** math.floor(math.log10(rough))
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= rough)
    return [round(n * step, 10) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, ... in a range of logarithms; 1, 10, 100, ... in a long one."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    marks = (1, 2, 5) if high - low < 2.5 else (1,)
    found = (mark * 10**power for power in powers for mark in marks)
    return [one for one in found if low <= math.log10(one) <= high]


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
