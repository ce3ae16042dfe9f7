"""`lowlight-tf benchmark`: a table, a JSON file, and errors in one line."""

import json

import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import pretrained

MODEL = "driving_unet_int8"


@pytest.mark.slow
def test_every_result_is_printed_and_written(tmp_path, capsys):
    path = tmp_path / "timing.json"
    words = ["--size", "400x600", "--threads", "1,2", "1", "--runs", "3", "--json", str(path)]
    assert main(["benchmark", MODEL, *words]) == 0
    output = capsys.readouterr().out
    results = json.loads(path.read_text())
    assert (results["height"], results["width"]) == (400, 600)
    assert results["sha256"] == ModelCard.load(pretrained.MODEL_DIR / f"{MODEL}.json").sha256
    assert {"cpu", "cores", "memory_gb", "system", "litert"} <= results["machine"].keys()
    assert [timing["threads"] for timing in results["timings"]] == [1, 2]
    for timing in results["timings"]:
        assert 0 < timing["p50_ms"] <= timing["p90_ms"] <= timing["p99_ms"]
        assert timing["first_ms"] > 0
        assert timing["load_ms"] > 0
        row = f"| {timing['threads']} | {timing['p50_ms']:.1f} |"
        assert row in output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([MODEL, "--size", "1080x1920"], "takes frames of 400x600 only"),
        ([MODEL, "--size", "400"], "HEIGHTxWIDTH"),
        ([MODEL, "--threads", "1,0"], "`threads` must be integers above zero"),
        ([MODEL, "--threads", "two"], "`threads` must be integers above zero"),
        ([MODEL, "--threads", ""], "`threads` must name at least one"),
        ([MODEL, "--runs", "0"], "`runs` must be at least 1"),
        ([MODEL, "--json", "no/such/folder.json"], "`--json` must be a file of an existing folder"),
        (["driving"], "No shipped model is called 'driving'"),
        (["none.tflite"], "nothing there"),
    ],
)
def test_an_invalid_argument_is_an_error_in_one_line(words, reason, capsys):
    assert main(["benchmark", *words]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
