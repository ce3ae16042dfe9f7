"""`lowlight-tf evaluate --suite road` prints one table, and refuses what cannot be measured."""

import json

import cv2
import numpy as np
import pytest

from lowlight_tf.cli.main import main


@pytest.fixture
def root(tmp_path, rng):
    folder = tmp_path / "data" / "camvid" / "image"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0006R0_1.png"), rng.integers(60, 200, (24, 32, 3), np.uint8))
    return tmp_path / "data"


def test_one_row_for_each_model(root, tmp_path, capsys):
    table, numbers = tmp_path / "table.md", tmp_path / "rows.json"
    words = ["evaluate", "--suite", "road", "--model", "gamma", "clahe", "--data-root", str(root)]
    assert main([*words, "--json", str(numbers), "--markdown", str(table)]) == 0
    out = capsys.readouterr().out
    assert "| model | well_exposed_psnr | chroma_ratio | order |" in out
    assert "| gamma |" in out
    assert "| clahe |" in out
    found = json.loads(numbers.read_text())
    assert set(found["rows"]) == {"gamma", "clahe"}
    assert found["command"].startswith("lowlight-tf evaluate --suite road --model gamma clahe")
    assert "- `order`: ramps" in table.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "visible"], "enhance one color image"),
        ([], "Pass --model"),
    ],
)
def test_what_cannot_be_measured_is_refused(root, words, message, capsys):
    assert main(["evaluate", "--suite", "road", *words, "--data-root", str(root)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_any_of_the_data_is_refused(tmp_path, capsys):
    words = ["evaluate", "--suite", "road", "--model", "gamma", "--data-root", str(tmp_path)]
    assert main(words) == 2
    assert "camvid/image" in capsys.readouterr().err
