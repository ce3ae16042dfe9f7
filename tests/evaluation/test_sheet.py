"""A contact sheet shows what it says, where it says."""

import numpy as np

from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation.sheet import HEAD, contact_sheet
from lowlight_tf.imaging import files


class Doubled:
    name, contract, size = "doubled", ENHANCE, None

    def __call__(self, images):
        return {"enhanced": np.clip(images["low"] * 2, 0, 1)}


def test_before_after_and_target_lie_side_by_side(tmp_path):
    for name, tone in (("low", 0.2), ("high", 0.8)):
        files.write(tmp_path / f"{name}.png", np.full((20, 30, 3), tone, np.float32))
    pair = Pair("a", {"low": tmp_path / "low.png"}, tmp_path / "high.png")
    sheet = contact_sheet([Doubled()], [pair, pair], height=40)
    assert sheet.shape == (HEAD + 2 * 40, 3 * 60, 3)
    tones = sheet[HEAD:].reshape(2, 40, 3, 60, 3).mean((0, 1, 3, 4))
    np.testing.assert_allclose(tones, [0.2, 0.4, 0.8], atol=0.003)
    assert sheet[:HEAD].max() == 1  # the names of the columns
