"""A contact sheet contains inputs, results and targets in labeled columns."""

import numpy as np

from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation.comparison.contact_sheet import (
    CAPTION_HEIGHT,
    HEADER_HEIGHT,
    contact_sheet,
)
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model


class DoublingEngine(Engine):
    name, contract, size = "doubling", ENHANCE, None

    def __call__(self, images):
        return {"enhanced": np.clip(images["low"] * 2, 0, 1)}


def test_input_result_and_target_are_drawn_side_by_side(tmp_path):
    for name, tone in (("low", 0.2), ("high", 0.8)):
        image_io.write_float_rgb(tmp_path / f"{name}.png", np.full((20, 30, 3), tone, np.float32))
    pair = Pair("a", {"low": tmp_path / "low.png"}, tmp_path / "high.png")
    sheet = contact_sheet([DoublingEngine()], [pair, pair], height=40)
    assert sheet.shape == (HEADER_HEIGHT + 2 * 40, 3 * 60, 3)
    tones = sheet[HEADER_HEIGHT:].reshape(2, 40, 3, 60, 3).mean((0, 1, 3, 4))
    np.testing.assert_allclose(tones, [0.2, 0.4, 0.8], atol=0.003)
    assert sheet[:HEADER_HEIGHT].max() == 1  # the names of the columns


def test_without_targets_there_is_no_target_column_and_captions_are_drawn_below(tmp_path):
    image_io.write_float_rgb(tmp_path / "low.png", np.full((20, 30, 3), 0.2, np.float32))
    pair = Pair("a", {"visible": tmp_path / "low.png", "infrared": tmp_path / "none.png"}, None)
    sheet = contact_sheet(
        [DoublingEngine()], [pair], captions=[["", "niqe 5.57  " * 20]], height=40
    )
    assert sheet.shape == (HEADER_HEIGHT + 40 + CAPTION_HEIGHT, 2 * 60, 3)
    tones = sheet[HEADER_HEIGHT : HEADER_HEIGHT + 40].reshape(40, 2, 60, 3).mean((0, 2, 3))
    np.testing.assert_allclose(tones, [0.2, 0.4], atol=0.003)
    below = sheet[HEADER_HEIGHT + 40 :]
    assert below[:, :60].max() == 0
    assert below[:, 60:].max() > 0.1
    assert below[:, -4:].max() == 0  # words that are too long are written smaller


def test_both_camera_images_precede_the_fused_result(scene_of):
    pair = scene_of("a", np.full((20, 30, 3), 51, np.uint8), np.full((20, 30), 153, np.uint8))
    sheet = contact_sheet([load_model("average"), DoublingEngine()], [pair], height=40)
    tones = sheet[HEADER_HEIGHT:].reshape(40, 4, 60, 3).mean((0, 2, 3))
    np.testing.assert_allclose(tones, [0.2, 0.6, 0.4, 0.4], atol=0.003)


def test_an_image_of_another_shape_keeps_its_aspect_ratio(tmp_path):
    pairs = []
    for name, size in (("wide", (20, 40)), ("tall", (40, 20))):
        image_io.write_float_rgb(tmp_path / f"{name}.png", np.full((*size, 3), 1.0, np.float32))
        pairs.append(Pair(name, {"low": tmp_path / f"{name}.png"}, None))
    sheet = contact_sheet([], pairs, height=40)
    wide, tall = sheet[HEADER_HEIGHT:].reshape(2, 40, 80, 3)
    assert wide.min() == 1
    assert tall[:, 30:50].min() == 1
    assert tall[:, :30].max() == tall[:, 50:].max() == 0
