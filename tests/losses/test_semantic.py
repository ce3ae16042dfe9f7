"""What a detector finds in either picture, it shall find in the fused one."""

import numpy as np
import pytest
from keras import ops

from lowlight_tf.evaluation.detection.detection_metrics import ROAD_CLASSES
from lowlight_tf.evaluation.detection.detector import CLASSES
from lowlight_tf.losses import semantic
from lowlight_tf.losses.semantic import DetectorConsistency


class Scripted:
    """A detector that finds a person at one of 21 places, as surely as its picture is bright."""

    def __call__(self, picture, training):
        level = ops.mean(picture, axis=(1, 2, 3), keepdims=True)
        found = {}
        for stride, side in zip(semantic.STRIDES, (4, 2, 1), strict=True):
            scores = np.zeros((1, side, side, 80), np.float32)
            scores[:, :1, :1, 0] = stride == 32
            scores[..., 60] = 1  # a dining table: nobody on a road asks for it
            found[f"classes{stride}"] = scores * level
        return found


def flat(level):
    return np.full((1, 64, 64, 1), level, np.float32)


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(semantic, "nanodet", Scripted)
    return DetectorConsistency()


def test_the_surer_of_both_is_what_is_wanted_by_hand(scripted):
    (cost,) = ops.convert_to_numpy(scripted(flat(0.2), flat(0.6), flat(0.1)))
    entropy = -(0.6 * np.log(0.1) + 0.4 * np.log(0.9))
    assert cost == pytest.approx(0.5**2 * entropy / 1.6, rel=1e-4)
    (least,) = ops.convert_to_numpy(scripted(flat(0.2), flat(0.6), flat(0.6)))
    assert least == pytest.approx(0, abs=1e-6)


def test_a_picture_without_the_people_of_its_sources_costs_more():
    person = np.full((1, 192, 192, 1), 0.1, np.float32)
    person[:, 40:160, 80:112] = 0.9
    person[:, 24:44, 88:104] = 0.9
    loss = DetectorConsistency()
    grey = flat(0.1).repeat(3, axis=1).repeat(3, axis=2)
    kept, lost = (float(loss(grey, person, fused)[0]) for fused in (person, grey))
    assert kept < lost


def test_what_is_asked_for_is_what_the_evaluation_of_detectors_compares():
    assert tuple(CLASSES[index] for index in semantic.ROAD_CLASSES) == ROAD_CLASSES


def test_a_side_that_the_detector_cannot_take_is_mirrored(scripted):
    narrow = [np.full((1, 48, 40, 1), level, np.float32) for level in (0.2, 0.6, 0.1)]
    whole = scripted(flat(0.2), flat(0.6), flat(0.1))
    np.testing.assert_allclose(scripted(*narrow), whole, rtol=1e-4)
