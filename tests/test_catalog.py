"""Every name leads somewhere, and every number says what it is."""

import inspect

import pytest

from lowlight_tf.catalog import METRICS
from lowlight_tf.cli.main import main
from lowlight_tf.metrics import fidelity

IMAGES = {"target", "low", "enhanced", "visible", "infrared", "fused"}
WAYS = ("higher is better", "lower is better", "neither way is better")
LIGHT = ("higher is lifted", "to be kept", "lower is subdued")


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_defined_down_to_which_way_is_better(name):
    metric = METRICS.find(name)
    what, _, way = metric.definition.rpartition("; ")
    assert way in (LIGHT if name.endswith("_luma") else WAYS)
    channels = ("luma", "RGB", "where", "source")
    assert any(word in what for word in channels)
    assert metric.unit in ("", "dB", "%") or metric.unit in what


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_takes_the_images_that_its_line_says(name):
    metric = METRICS.find(name)
    wants = inspect.signature(metric.load()).parameters.values()
    names = [each.name for each in wants if each.kind is not each.KEYWORD_ONLY]
    assert tuple(names) == metric.inputs
    assert set(names) <= IMAGES


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_with_protocols_of_its_own_is_called_with_one(name):
    metric = METRICS.find(name)
    own = "protocol" in inspect.signature(metric.load()).parameters
    assert own == bool(metric.protocols)
    assert metric.has_protocol == (own or "target" in metric.inputs)


def test_a_protocol_that_a_metric_knows_is_a_protocol():
    known = {protocol for name in METRICS for protocol in METRICS.find(name).protocols}
    assert known == {"plain", "seed"}
    for protocol in known:
        fidelity.check_protocol(protocol)


def test_the_definitions_are_listed(capsys):
    assert main(["catalog", "metrics"]) == 0
    said = capsys.readouterr().out
    assert all(METRICS.find(name).definition in said for name in METRICS)
