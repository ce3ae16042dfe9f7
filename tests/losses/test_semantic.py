"""The detector consistency loss compares the scores of the fused image with its sources'."""

import numpy as np
import pytest
from keras import ops

from lowlight_tf.evaluation.detection.detection_metrics import ROAD_CLASSES
from lowlight_tf.evaluation.detection.detector import CLASSES
from lowlight_tf.losses import semantic
from lowlight_tf.losses.semantic import DetectorConsistency


class Scripted:
    """A detector with the mean of the image as the score of a person in one of 21 grid cells."""

    def __call__(self, image, training):
        level = ops.mean(image, axis=(1, 2, 3), keepdims=True)
        outputs = {}
        for stride, side in zip(semantic.STRIDES, (4, 2, 1), strict=True):
            scores = np.zeros((1, side, side, 80), np.float32)
            scores[:, :1, :1, 0] = stride == 32
            scores[..., 60] = 1  # a dining table, which is no road class
            outputs[f"classes{stride}"] = scores * level
        return outputs


def flat(level):
    return np.full((1, 64, 64, 1), level, np.float32)


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(semantic, "nanodet", Scripted)
    return DetectorConsistency()


def test_the_target_is_the_higher_score_of_both_sources(scripted):
    (loss,) = ops.convert_to_numpy(scripted(flat(0.2), flat(0.6), flat(0.1)))
    entropy = -(0.6 * np.log(0.1) + 0.4 * np.log(0.9))
    assert loss == pytest.approx(0.5**2 * entropy / 1.6, rel=1e-4)
    (minimum,) = ops.convert_to_numpy(scripted(flat(0.2), flat(0.6), flat(0.6)))
    assert minimum == pytest.approx(0, abs=1e-6)


def test_a_fused_image_without_the_person_of_a_source_has_a_higher_loss():
    person = np.full((1, 192, 192, 1), 0.1, np.float32)
    person[:, 40:160, 80:112] = 0.9
    person[:, 24:44, 88:104] = 0.9
    loss = DetectorConsistency()
    grey = flat(0.1).repeat(3, axis=1).repeat(3, axis=2)
    with_person, without = (float(loss(grey, person, fused)[0]) for fused in (person, grey))
    assert with_person < without


def test_the_classes_are_those_of_the_detection_metrics():
    assert tuple(CLASSES[index] for index in semantic.ROAD_CLASSES) == ROAD_CLASSES


def test_images_of_other_sizes_are_padded_by_reflection(scripted):
    narrow = [np.full((1, 48, 40, 1), level, np.float32) for level in (0.2, 0.6, 0.1)]
    full = scripted(flat(0.2), flat(0.6), flat(0.1))
    np.testing.assert_allclose(scripted(*narrow), full, rtol=1e-4)
