"""Baselines are named on the command line like models."""

import json

import numpy as np
import pytest

from lowlight_tf.classical.exposure_fusion import bimef
from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io


@pytest.fixture
def folder(tmp_path, rng):
    """One pair of 24x30 pixels."""
    low = rng.integers(0, 60, (24, 30, 3), dtype=np.uint8)
    for side, image in (("low", low), ("high", 3 * low)):
        (tmp_path / "pairs" / side).mkdir(parents=True)
        image_io.save_image(tmp_path / "pairs" / side / "a.png", image_io.LoadedImage(image))
    return tmp_path / "pairs"


def test_a_folder_is_enhanced_by_a_baseline(folder, tmp_path):
    words = ["--model", "bimef", "--output", str(tmp_path / "out")]
    assert main(["enhance", str(folder / "low"), *words]) == 0
    expected = bimef(image_io.read_float_rgb(folder / "low" / "a.png"))
    found = image_io.read_float_rgb(tmp_path / "out" / "a.png")
    assert np.abs(found - expected).max() < 0.51 / 255


def test_a_baseline_is_measured_next_to_the_unchanged_input(folder, tmp_path):
    table = tmp_path / "results.json"
    words = ["--data", str(folder), "--metrics=psnr", "--json", str(table)]
    assert main(["evaluate", "--model", "input", "lime", *words]) == 0
    results = json.loads(table.read_text())["results"]
    assert [one["model"] for one in results] == ["input", "lime"]
    dark, lime = (one["metrics"]["psnr"]["mean"] for one in results)
    assert lime > dark


def test_a_misspelled_baseline_is_refused_with_the_closest_match(folder, tmp_path, capsys):
    assert main(["enhance", str(folder), "--model=bimf", f"--output={tmp_path / 'out'}"]) == 2
    assert "Known: bimef" in capsys.readouterr().err
