"""Plots place better values further up and draw the Pareto front."""

import itertools
import re

import pytest

from lowlight_tf.evaluation.comparison.svg_plots import (
    Point,
    histogram_plot,
    pareto_front,
    pareto_plot,
)

POINTS = [
    Point("slow", 100.0, 25.0),
    Point("quick", 1.0, 20.0),
    Point("worse", 50.0, 19.0),
    Point("dominated", 1.0, 12.0),
]


def test_the_pareto_front_contains_the_points_that_no_other_dominates():
    assert [one.name for one in pareto_front(POINTS, higher=True)] == ["quick", "slow"]
    assert [one.name for one in pareto_front(POINTS, higher=False)] == ["dominated"]


def point_positions(svg):
    found = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="4"><title>(\w+):', svg)
    return {name: (float(x), float(y)) for x, y, name in found}


@pytest.mark.parametrize("higher", [True, False])
def test_better_values_are_further_up_and_the_time_axis_is_logarithmic(higher):
    positions = point_positions(pareto_plot(POINTS, "PSNR", higher=higher))
    assert (positions["slow"][1] < positions["worse"][1]) == higher
    assert (
        positions["quick"][0]
        == positions["dominated"][0]
        < positions["worse"][0]
        < positions["slow"][0]
    )
    decade = point_positions(
        pareto_plot([p._replace(ms=10.0**i) for i, p in enumerate(POINTS)], "", higher=True)
    )
    steps = [decade[p.name][0] for p in POINTS]
    assert steps[1] - steps[0] == pytest.approx(steps[2] - steps[1], abs=0.11)


def test_a_plot_has_a_description_and_escapes_names():
    svg = pareto_plot([Point("<b>", 2.0, 20.0)], "A & B", higher=True, baseline=20.0)
    assert 'aria-label="A &amp; B against milliseconds. Pareto front: &lt;b&gt; 20 at 2 ms."' in svg
    assert "<b>" not in svg
    assert 'class="baseline"' in svg


def test_a_histogram_is_as_high_as_its_largest_fraction():
    svg = histogram_plot({"result": [0.25, 0.75, 0.0], "input": [1.0, 0.0, 0.0]}, "luma")
    result, before = re.findall(r'points="([^"]+)"', svg)
    assert before.split()[1] == "0.5,0.0"
    assert result.split()[1:4] == ["0.5,20.0", "1.5,5.4", "2.5,40.0"]  # by the square root


def test_labels_never_overlap():
    points = [Point(f"model_{index}", 10.0 + index, 20.0 + index / 50) for index in range(5)]
    svg = pareto_plot([*points, Point("far", 900.0, 20.0)], "PSNR", higher=True)
    feet = {
        name: float(y) for y, name in re.findall(r'y="([\d.]+)" text-anchor="start">(\w+)', svg)
    }
    lines = sorted(y for name, y in feet.items() if name != "far")
    assert all(b - a >= 12.9 for a, b in itertools.pairwise(lines))
    assert feet["far"] == pytest.approx(point_positions(svg)["far"][1] + 4, abs=0.11)
