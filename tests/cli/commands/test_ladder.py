"""`lowlight-tf ladder`: a table and files, or an error in one line."""

import json

import pytest

from lowlight_tf.cli.main import main


@pytest.mark.slow
def test_files_table_and_results_are_written(untrained_run, tmp_path, capsys):
    pairs = json.loads((untrained_run / "pairs_training.json").read_text())["pairs"][:2]
    for side in ("low", "high"):
        (tmp_path / side).mkdir()
        for pair in pairs:
            content = (untrained_run / "images" / f"{pair['name']}.png").read_bytes()
            (tmp_path / side / f"{pair['name']}.png").write_bytes(content)
    words = ["ladder", str(untrained_run), "--size=48x64", "--quantize", "float16,int8"]
    words += ["--data", str(tmp_path), "--metrics=mae", "--runs=2", "--no-delegate"]
    words += ["--output", str(tmp_path / "o")]
    assert main(words) == 0
    out = capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "o").iterdir())
    stems = [f"driving_unet_48x64_{kind}" for kind in ("float16", "float32", "int8")]
    assert names == [*(f"{s}.{end}" for s in stems for end in ("json", "tflite")),
                     "ladder.json", "ladder.md"]  # fmt: skip
    table = (tmp_path / "o" / "ladder.md").read_text()
    assert table.partition("\n`lowlight-tf ladder ")[0] in out
    assert "--metrics mae" in table
    assert "--runs 2 --no-delegate`" in table
    results = json.loads((tmp_path / "o" / "ladder.json").read_text())
    assert [result["name"] for result in results["variants"]] == ["float32", "float16", "int8"]
    assert results["variants"][1]["path"] == "driving_unet_48x64_float16.tflite"
    assert results["size"] == [48, 64]
    assert results["images"] == 2
    assert results["machine"]["cores"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "quantize"), [("ladder", "none"), ("sweep", "none,dynamic")])
def test_the_names_of_0_1_0_stand_for_those_of_today(verb, quantize, fusing_run, tmp_path):
    words = [verb, str(fusing_run), "--size=48x64", "--quantize", quantize, "--metrics=entropy"]
    assert main([*words, "--runs=2", "--no-delegate", "--output", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "ladder.json").read_text())
    expected = ["float32", "dynamic_range"] if "," in quantize else ["float32"]
    assert [result["name"] for result in results["variants"]] == expected
    for name in expected:
        card = json.loads((tmp_path / f"did_fuse_48x64_{name}.json").read_text())
        assert card["quantization"] == name
        assert card["training"] == {"seed": 1, "steps": 0}  # not pruned, in spite of the "_"
    assert results["command"].startswith(f"lowlight-tf {verb} ")


@pytest.mark.slow
def test_a_fusion_model_is_measured_with_the_metrics_of_its_validation(fusing_run, tmp_path):
    words = ["ladder", str(fusing_run), "--size=48x64", "--quantize=int8", "--runs=2"]
    assert main([*words, "--no-delegate", "--output", str(tmp_path)]) == 0
    table = (tmp_path / "ladder.md").read_text()
    assert "| ENTROPY bits | change | MUTUAL_INFORMATION bits |" in table
    assert "--metrics entropy mutual_information standard_deviation scd vif" in table
    results = json.loads((tmp_path / "ladder.json").read_text())
    float32, int8 = results["variants"]
    assert results["images"] == 4
    assert abs(int8["metrics"]["entropy"] - float32["metrics"]["entropy"]) < 0.2
    assert float32["grey_levels"] > 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size=400"], "`size` must be HEIGHTxWIDTH"),
        (["--size=8x8", "--quantize=int4"], "`quantize` must be one of: dynamic_range, float16, "),
        (["--size=8x8", "--quantize="], "`quantize` must name at least one"),
        (["--size=8x8", "--metrics=beauty"], "No metric is called 'beauty'"),
        (["--size=8x8", "--protocol=kind"], "No protocol is called 'kind'"),
        (["--size=8x8", "--data=nowhere"], "nowhere (no such folder or data set)"),
        (["--size=8x8"], "lists no validation pairs"),
        (["--size=8x8", "--runs=0"], "`runs` must be at least 1"),
    ],
)
def test_invalid_arguments_are_refused_in_one_line_and_nothing_is_written(
    words, message, untrained_run, tmp_path, capsys
):
    output = tmp_path / "out"
    assert main(["ladder", str(untrained_run), "--output", str(output), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not output.exists()


def test_a_missing_run_is_named(tmp_path, capsys):
    assert main(["ladder", str(tmp_path / "nowhere"), "--size=8x8"]) == 2
    assert "nowhere (nothing there)" in capsys.readouterr().err
