"""`lowlight-tf resize`: files of other sizes, or an error in one line."""

import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.model_card import ModelCard


@pytest.mark.parametrize("sizes", [["64x96,48x64"], ["64x96", "48x64"]])
def test_a_file_is_written_for_each_size(sizes, tmp_path, capsys):
    words = ["resize", "zero_dce_int8", "--output", str(tmp_path)]
    assert main([*words, "--size", *sizes]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(", ")[2] for line in lines] == ["64x96", "48x64"]
    cards = [ModelCard.load(path) for path in sorted(tmp_path.glob("*.json"))]
    assert {(card.height, card.width) for card in cards} == {(64, 96), (48, 64)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["zero_dce", "--size=400"], "`size` must be HEIGHTxWIDTH"),
        (["zero_dce", "--size="], "`size` must name at least one"),
        (["none.tflite", "--size=8x8"], "nothing there"),
        (["zero_dce", "--size=8x8", "--packed"], "no packed form: no port is folded"),
        (["v2_nano", "--size=64x64", "--packed"], "it has DEPTH_TO_SPACE inside"),
    ],
)
def test_an_invalid_argument_is_an_error_in_one_line(words, message, tmp_path, capsys):
    assert main(["resize", *words, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
