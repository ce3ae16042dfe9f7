"""Images of any size are enhanced by engines of one size."""

import tracemalloc

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.imaging import tiling
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance

SIZE = (32, 48)


class CurveEngine(Engine):
    """An engine made of one function of an image in [0, 1]; it counts its runs."""

    name = "curve"
    contract = ENHANCE

    def __init__(self, curve, size=SIZE):
        self.curve, self.size, self.runs = curve, size, 0

    def __call__(self, images):
        """Run, after a check of what an engine may rely on."""
        low = images["low"]
        assert self.size is None or low.shape == (1, *self.size, 3)
        assert low.flags.c_contiguous
        self.runs += 1
        if low.dtype == np.uint8:
            result = np.rint(self.curve(low.astype(np.float32) / 255).clip(0, 1) * 255)
            return {"enhanced": result.astype(np.uint8)}
        return {"enhanced": self.curve(low).clip(0, 1).astype(np.float32)}


def expose(low):
    """Scale the mean to a middle gray, like a normalizing model that gets one tile at a time."""
    return low * (0.4 / low.mean())


def smooth_image(rng, height, width):
    """Return an image without edges, dark on the left and bright at the lower right."""
    small = rng.random((4, 5, 3)) * 0.1
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    light = np.linspace(0, 1, height)[:, None] * np.linspace(0, 1, width)
    return (image + 0.3 * light[..., None] ** 2 + 0.03).clip(0, 1).astype(np.float32)


def seam_gradient_ratio(result, size=SIZE):
    """Return the largest ratio of the gradient at a tile boundary to that next to it."""
    worst = 0.0
    for axis in (0, 1):
        slope = np.abs(np.diff(result.astype(np.float64), axis=axis)).mean((1 - axis, 2))
        length, side = result.shape[axis], size[axis]
        starts = tiling.tile_starts(length, side, int(side / 6))
        for seam in [*starts[1:], *(start + side for start in starts[:-1])]:
            near = np.r_[slope[seam - 6 : seam - 2], slope[seam + 2 : seam + 6]]
            worst = max(worst, slope[seam - 2 : seam + 2].max() / near.max())
    return worst


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(100, 130), (130, 100), (20, 130), (90, 30), (32, 48), (7, 5)])
def test_a_curve_gives_the_same_result_tiled_and_untiled(rng, dtype, shape):
    image = rng.random((*shape, 3), dtype=np.float32)
    if dtype != np.float32:
        image = (image * np.iinfo(dtype).max).astype(dtype)
    tiled = enhance(CurveEngine(np.sqrt), image)
    untiled = enhance(CurveEngine(np.sqrt, size=None), image)
    assert tiled.dtype == dtype
    np.testing.assert_array_equal(tiled, untiled)


def test_16_bit_images_are_not_rounded_to_8_bit(rng):
    image = rng.integers(0, 65535, (40, 60, 3), dtype=np.uint16)
    result = enhance(CurveEngine(lambda low: low), image)
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("shape", [(150, 220), (220, 150)])
def test_tiles_of_a_normalizing_model_have_no_visible_seams(rng, shape):
    image = smooth_image(rng, *shape)
    result = enhance(CurveEngine(expose), image)
    size = SIZE if shape[1] > shape[0] else SIZE[::-1]
    assert seam_gradient_ratio(result, size) < 1.3
    np.testing.assert_allclose(result, expose(image).clip(0, 1), atol=0.05)


def test_lamps_get_no_halo(rng):
    image = np.full((150, 220, 3), 0.02, np.float32)
    image[70:80, 100:112] = 1
    result = enhance(CurveEngine(expose), image)
    assert result[70:80, 100:112].min() > 0.95
    around = np.ones(image.shape[:2], bool)
    around[70:80, 100:112] = False
    np.testing.assert_allclose(result[around], result[40, 20, 0], atol=0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(150, 220), (220, 150), (300, 40)])
def test_an_image_is_enhanced_in_place(rng, shape, dtype):
    image = smooth_image(rng, *shape)
    if dtype != np.float32:
        image = (image * np.iinfo(dtype).max).astype(dtype)
    expected = enhance(CurveEngine(expose), image)
    result = enhance(CurveEngine(expose), image, out=image)
    assert result is image
    np.testing.assert_array_equal(image, expected)


def test_the_colors_of_an_rgba_image_are_enhanced_in_place(rng):
    image = rng.integers(0, 255, (60, 90, 4), dtype=np.uint8)
    alpha, expected = image[..., 3].copy(), enhance(CurveEngine(np.sqrt), image[..., :3].copy())
    enhance(CurveEngine(np.sqrt), image[..., :3], out=image[..., :3])
    np.testing.assert_array_equal(image[..., :3], expected)
    np.testing.assert_array_equal(image[..., 3], alpha)


def test_memory_is_bounded_by_the_tile():
    image = np.zeros((3000, 2000, 3), np.uint8)
    engine = CurveEngine(lambda low: low)
    tracemalloc.start()
    enhance(engine, image, out=image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    band = SIZE[1] * 2000 * 3 * 4
    assert peak < 4 * band < image.nbytes


def test_a_portrait_image_is_transposed_and_run_once(rng):
    engine = CurveEngine(np.sqrt)
    image = rng.random((48, 32, 3), dtype=np.float32)
    np.testing.assert_array_equal(enhance(engine, image), np.sqrt(image))
    assert engine.runs == 1


def test_a_small_image_is_padded_by_reflection(rng):
    inputs = []
    engine = CurveEngine(lambda low: inputs.append(low[0]) or low)
    image = rng.random((20, 30, 3), dtype=np.float32)
    np.testing.assert_array_equal(enhance(engine, image), image)
    np.testing.assert_array_equal(inputs[0], np.pad(image, ((0, 12), (0, 18), (0, 0)), "reflect"))


def test_a_resizable_engine_gets_the_full_image_padded_to_its_multiple(rng):
    inputs = []
    engine = CurveEngine(lambda low: inputs.append(low.shape) or low, size=None)
    engine.contract = Contract(ENHANCE.inputs, ENHANCE.outputs, multiple_of=16)
    image = rng.random((50, 33, 3), dtype=np.float32)
    np.testing.assert_array_equal(enhance(engine, image), image)
    assert inputs == [(1, 64, 48, 3)]


def test_a_resizable_engine_gets_tiles_of_a_very_large_image():
    shapes = set()
    engine = CurveEngine(lambda low: shapes.add(low.shape) or low, size=None)
    enhance(engine, np.zeros((1500, 1500, 3), np.float32))
    assert shapes == {(1, 1024, 1024, 3)}


def test_progress_rises_to_one(rng):
    fractions = []
    enhance(
        CurveEngine(np.sqrt), rng.random((80, 90, 3), dtype=np.float32), progress=fractions.append
    )
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) > 4


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float64),
    ],
)
def test_an_array_that_is_no_color_image_is_refused(image):
    with pytest.raises(UsageError, match="An image must be"):
        enhance(CurveEngine(np.sqrt), image)


def test_a_model_with_two_inputs_is_refused():
    engine = CurveEngine(np.sqrt)
    engine.contract = Contract((Port("visible", 1), Port("infrared", 1)), (Port("fused", 1),))
    with pytest.raises(UsageError, match="visible"):
        enhance(engine, np.zeros((4, 4, 3), np.uint8))
