"""What the shipped fusion models make of a street by day, in twilight and by night."""

import cv2
import numpy as np
import pytest

from lowlight_tf.metrics.fusion import entropy
from lowlight_tf.metrics.fusion_structure import qabf
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.runtime.loading import load_model

SIZE = (480, 640)
SKY, ROAD = (slice(16, 180), slice(16, -16)), (slice(300, 464), slice(16, 300))
PERSON, STREET = (slice(250, 390), slice(400, 440)), (slice(250, 390), slice(460, 500))


@pytest.fixture(scope="module", params=["am_fusion", "am_fusion_int8"])
def engine(request):
    return load_model(request.param)


def street(light):
    """Return a street whose sky is cold and whose person is warm: visible, infrared."""
    rng = np.random.default_rng(5)
    visible, infrared = np.full((*SIZE, 3), 150.0), np.full(SIZE, 100.0)
    visible[:200], infrared[:200] = 240, 20
    visible[PERSON], infrared[PERSON] = 110, 230
    visible = cv2.GaussianBlur(light * visible, (0, 0), 1.5) + rng.normal(0, 1.5, visible.shape)
    infrared = cv2.GaussianBlur(infrared, (0, 0), 1.5) + rng.normal(0, 1.5, SIZE)
    return tuple(np.uint8(np.rint(image).clip(0, 255)) for image in (visible, infrared))


def lumas(image, *regions):
    return [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[region].mean() / 255 for region in regions]


def test_by_day_the_sky_stays_and_a_person_is_brighter(engine):
    visible, infrared = street(1.0)
    sky, road, person, ground = lumas(fuse(engine, visible, infrared), SKY, ROAD, PERSON, STREET)
    sky_v, road_v, person_v, ground_v = lumas(visible, SKY, ROAD, PERSON, STREET)
    assert sky == pytest.approx(sky_v, rel=0.15)
    assert road == pytest.approx(road_v, rel=0.15)
    assert person - ground > person_v - ground_v + 0.05


def test_by_night_a_person_is_brighter_than_the_street(engine):
    visible, infrared = street(0.1)
    person, ground = lumas(fuse(engine, visible, infrared), PERSON, STREET)
    assert person > ground + 0.1


def test_twilight_comes_without_a_jump(engine):
    lights = np.geomspace(1, 0.1, 24)
    skies = [lumas(fuse(engine, *street(light)), SKY)[0] for light in lights]
    steps = np.diff(skies)
    assert np.abs(steps).max() < 0.15


@pytest.fixture(scope="module")
def blends():
    """Return what did_fuse makes of a night street in float16 and in int8, and its lumas."""
    images = street(0.3)
    return [fuse(load_model(name), *images) for name in ("did_fuse", "did_fuse_int8")], images


def test_did_fuse_keeps_its_gray_levels_in_8_bits(blends):
    (float16, int8), _ = blends
    assert entropy(int8) > entropy(float16) - 0.1


def test_did_fuse_takes_the_person_from_infrared_and_edges_from_both(blends):
    averaged = fuse(load_model("average"), *blends[1])
    for fused in blends[0]:
        person, ground = lumas(fused, PERSON, STREET)
        assert person > ground + 0.3
        assert qabf(*blends[1], fused) > qabf(*blends[1], averaged)
