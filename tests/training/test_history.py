"""The history comes back from its file, and is drawn."""

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import files
from lowlight_tf.training.history import History, draw_curves


@pytest.fixture
def history():
    made = History()
    for step in (10, 20, 30):
        made.add(step, loss=1 / step, psnr_batch=float(step))
    made.add(30, val_psnr=20.5, val_ssim=0.8)
    return made


def test_numbers_of_one_step_share_a_row(history, tmp_path):
    assert len(history.rows) == 3
    history.save(tmp_path / "history.csv")
    again = History.load(tmp_path / "history.csv")
    assert again.rows == history.rows
    assert again.column("val_psnr") == ([30], [20.5])


def test_the_curves_are_a_picture(history, tmp_path):
    picture = files.read(draw_curves(history, tmp_path / "curves.png"))
    assert picture.shape[1] > 1000
    assert picture.min() < 0.5  # something is drawn


def test_a_missing_history_is_said(tmp_path):
    with pytest.raises(UsageError, match="No history at"):
        History.load(tmp_path / "history.csv")
