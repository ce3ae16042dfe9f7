"""How like its net a file is, in decibels, and whether its card tells the truth."""

import dataclasses
import re

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.export.bundle import export_run
from lowlight_tf.export.parity import agreement_db, golden_db, mismatches, parity_db
from lowlight_tf.runtime.litert import LiteRTEngine


def painter(grey):
    """Return what calls like an engine and gives one grey for any picture."""
    return lambda images: {"enhanced": np.full_like(images["low"], grey)}


@pytest.fixture(scope="module")
def exported(untrained_run, tmp_path_factory):
    """An exported file with a golden output."""
    folder = tmp_path_factory.mktemp("exported")
    (path,) = export_run(
        untrained_run, size=(16, 24), quantize=["none"], output=folder, golden=True
    )
    return path


def test_a_tenth_of_the_range_is_20_decibels():
    picture = {"low": np.zeros((1, 4, 4, 3), np.float32)}
    assert parity_db(painter(0.5), painter(0.6), [picture, picture]) == pytest.approx(20, abs=0.01)


def test_equal_outputs_end_the_scale():
    picture = {"low": np.zeros((1, 4, 4, 3), np.float32)}
    assert parity_db(painter(0.5), painter(0.5), [picture]) == 120
    assert agreement_db(0) == 120
    assert agreement_db(0.001) == pytest.approx(30)


def test_a_file_reproduces_its_golden_output(exported):
    assert golden_db(LiteRTEngine(exported), exported.with_suffix(".npz")) > 60


def test_another_golden_output_is_noticed(exported, tmp_path):
    with np.load(exported.with_suffix(".npz")) as arrays:
        low, enhanced = arrays["low"], arrays["enhanced"]
    assert low.dtype == enhanced.dtype == np.uint8
    np.savez(tmp_path / "other.npz", low=low, enhanced=enhanced ^ 16)
    assert golden_db(LiteRTEngine(exported), tmp_path / "other.npz") == pytest.approx(24, abs=0.1)


def test_a_true_card_has_no_mismatch(exported):
    assert mismatches(exported, LiteRTEngine(exported).card) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dtype": "uint8"}, r"'low' is float32 \(1, 16, 24, 3\), the card says uint8"),
        ({"height": 32}, r"the card says float32 \(1, 32, 24, 3\)"),
        (
            {"contract": Contract((Port("dark", 3),), ENHANCE.outputs)},
            "no input 'dark': the file has low",
        ),
        ({"contract": Contract(ENHANCE.inputs, ENHANCE.outputs, scale=2)}, "'enhanced' is float32"),
    ],
)
def test_a_card_that_says_otherwise_is_noticed(exported, change, said):
    card = dataclasses.replace(LiteRTEngine(exported).card, **change)
    assert re.search(said, "; ".join(mismatches(exported, card)))
