"""Images of two cameras of any size are fused by engines of one size."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, FUSE, FUSED, INFRARED, VISIBLE, Contract, Port
from lowlight_tf.imaging import color
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.runtime.loading import load_model

SIZE = (32, 48)
DTYPES = (np.uint8, np.uint16, np.float32)


class MixEngine(Engine):
    """An engine made of one function of two lumas in [0, 1]; it keeps its inputs."""

    name = "mix"

    def __init__(self, mix, size=SIZE, contract=FUSE):
        self.mix, self.size, self.contract, self.inputs = mix, size, contract, []

    def __call__(self, images):
        """Run, after a check of what an engine may rely on."""
        self.inputs.append(images)
        visible, infrared = images["visible"], images["infrared"]
        assert visible.shape == infrared.shape
        assert self.size is None or visible.shape == (1, *self.size, 1)
        assert visible.flags.c_contiguous
        assert infrared.flags.c_contiguous
        if visible.dtype == np.uint8:
            result = self.mix(visible / np.float32(255), infrared / np.float32(255))
            return {"fused": np.rint(result.clip(0, 1) * 255).astype(np.uint8)}
        return {"fused": self.mix(visible, infrared).clip(0, 1).astype(np.float32)}


def average(visible, infrared):
    return (visible + infrared) / 2


def to_dtype(image, dtype):
    """Return a float image in [0, 1] converted to a dtype."""
    return image if dtype == np.float32 else (image * np.iinfo(dtype).max).astype(dtype)


def camera_images(rng, shape, dtype=np.float32):
    visible, infrared = rng.random((*shape, 3), np.float32), rng.random((*shape, 1), np.float32)
    return to_dtype(visible * 0.6 + 0.2, dtype), to_dtype(infrared * 0.6 + 0.2, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(100, 130), (130, 100), (20, 130), (90, 30), (32, 48), (7, 5)])
def test_a_pixelwise_mix_gives_the_same_result_tiled_and_untiled(rng, dtype, shape):
    visible, infrared = camera_images(rng, shape, dtype)
    tiled = fuse(MixEngine(average), visible, infrared)
    untiled = fuse(MixEngine(average, size=None), visible, infrared)
    assert tiled.dtype == dtype
    assert tiled.shape == (*shape, 3)
    np.testing.assert_array_equal(tiled, untiled)


@pytest.mark.parametrize("dtype", DTYPES)
def test_returning_the_visible_luma_reproduces_the_visible_image_exactly(rng, dtype):
    visible, infrared = camera_images(rng, (40, 50), dtype)
    np.testing.assert_array_equal(fuse(load_model("visible"), visible, infrared), visible)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_luma_is_fused_as_that_of_a_color_image(rng, dtype):
    visible, infrared = camera_images(rng, (20, 30), dtype)
    luma = cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY)[..., None]
    colored = fuse(load_model("average"), visible, infrared).astype(float)
    fused = fuse(load_model("average"), luma, infrared)
    assert fused.shape == luma.shape
    assert fused.dtype == dtype
    level = 1 if dtype != np.float32 else 1e-5
    np.testing.assert_allclose(fused[..., 0], color.luma(colored), atol=level)
    out = np.empty_like(luma)
    assert fuse(load_model("average"), luma, infrared, out=out) is out
    np.testing.assert_array_equal(out, fused)


def test_luma_is_from_the_model_and_chroma_from_the_visible_image(rng):
    visible, infrared = camera_images(rng, (20, 30))
    fused = fuse(MixEngine(lambda v, i: 0.9 * v + 0.1 * i), visible, infrared)
    luma = 0.9 * color.luma(visible) + 0.1 * infrared[..., 0]
    np.testing.assert_allclose(color.luma(fused), luma, atol=1e-5)
    for channel in (0, 2):  # Cr and Cb: red and blue above the luma
        before, after = (image[..., channel] - color.luma(image) for image in (visible, fused))
        np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_outside_the_range_are_clipped(dtype):
    visible = np.zeros((4, 4, 3), np.float32)
    visible[..., 0] = 1  # luma 0.299
    infrared = np.ones((4, 4), np.float32)
    fused = fuse(load_model("infrared"), to_dtype(visible, dtype), infrared)
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    np.testing.assert_allclose(fused[0, 0] / most, [1, 0.701, 0.701], atol=0.003)


@pytest.mark.parametrize("kind", DTYPES)
def test_camera_images_may_have_different_dtypes(rng, kind):
    visible, infrared = camera_images(rng, (20, 30))
    infrared[0, 0], infrared[0, 1] = 0, 1
    for end in (0, 1):  # what a radiometric camera counts is stretched by its percentiles
        infrared[-1, end * 15 :][:15] = end
    expected = fuse(MixEngine(average), visible, infrared)
    engine = MixEngine(average)
    fused = fuse(engine, to_dtype(visible, np.uint8), to_dtype(infrared, kind))
    np.testing.assert_allclose(fused / 255, expected, atol=0.012)
    assert engine.inputs[0]["infrared"].dtype == np.uint8


def test_both_images_are_preprocessed_first(rng):
    visible, infrared = camera_images(rng, (40, 60), np.uint8)
    infrared = np.uint8(100 + infrared // 16)
    preprocessing = PairPreprocessing(normalize=True, clahe_visible=2)
    engine = MixEngine(average)
    fused = fuse(engine, visible, infrared, preprocessing=preprocessing)
    preprocessed = preprocess_pair(
        visible / np.float32(255), infrared / np.float32(255), preprocessing
    )
    np.testing.assert_allclose(fused / 255, fuse(MixEngine(average), *preprocessed), atol=0.012)
    assert engine.inputs[0]["infrared"].min() == 0
    engine.preprocessing = preprocessing
    np.testing.assert_array_equal(fuse(engine, visible, infrared), fused)
    plain = fuse(engine, visible, infrared, preprocessing=PairPreprocessing())
    assert np.abs(np.int16(plain) - fused).max() > 8


def test_another_size_is_accepted_if_the_preprocessing_allows_it(rng):
    visible, infrared = camera_images(rng, (40, 60), np.uint8)
    like = PairPreprocessing(size="infrared")
    assert fuse(MixEngine(average), visible, infrared[::2, ::2], preprocessing=like).shape == (
        20,
        30,
        3,
    )
    with pytest.raises(UsageError, match=r"40x60.*20x30"):
        fuse(MixEngine(average), visible, infrared[::2, ::2], preprocessing=PairPreprocessing())


@pytest.mark.parametrize("form", ["flat", "deep", "three"])
def test_an_infrared_image_has_one_channel_or_three_equal_ones(rng, form):
    visible, infrared = camera_images(rng, (20, 30), np.uint8)
    forms = {"flat": infrared[..., 0], "deep": infrared, "three": infrared.repeat(3, axis=2)}
    expected = fuse(MixEngine(average), visible, infrared)
    np.testing.assert_array_equal(fuse(MixEngine(average), visible, forms[form]), expected)


def test_thumbnails_are_of_the_full_image_of_their_own_camera(rng):
    thumbnails = (
        Port("visible_glance", 1, size=(4, 6), thumbnail_of="visible"),
        Port("infrared_glance", 1, "thermal", size=(4, 6), thumbnail_of="infrared"),
    )
    engine = MixEngine(average, contract=Contract((VISIBLE, INFRARED, *thumbnails), (FUSED,)))
    visible, infrared = camera_images(rng, (96, 144), np.uint8)
    fuse(engine, visible, infrared)
    assert len(engine.inputs) > 4
    for images in engine.inputs:
        for name, full_image in (("visible", color.luma(visible)), ("infrared", infrared[..., 0])):
            means = full_image.reshape(4, 24, 6, 24).mean((1, 3)) / 255
            thumbnail = images[f"{name}_glance"]
            assert thumbnail.shape == (1, 4, 6, 1)
            np.testing.assert_allclose(thumbnail[0, ..., 0], means, atol=0.004)


def test_an_int8_file_fuses_images_of_any_size(rng, tiny_models):
    engine = load_model(tiny_models / "fused_bytes.tflite")
    for shape in ((8, 12), (12, 8), (30, 17)):
        visible, infrared = camera_images(rng, shape, np.uint8)
        fused = color.luma(fuse(engine, visible, infrared))
        luma, heat = color.luma(visible), np.float64(infrared[..., 0])
        expected = (luma + heat + luma.mean() + heat.mean()) / 4
        cut = np.abs(fused - expected)  # a color that leaves the range takes luma with it
        assert np.median(cut) < 1.5
        assert np.mean(cut) < 3


def test_uint8_images_are_passed_to_the_engine_as_uint8(rng):
    engine = MixEngine(average)
    fuse(engine, *camera_images(rng, SIZE, np.uint8))
    assert [image.dtype for image in engine.inputs[0].values()] == [np.uint8, np.uint8]
    assert len(engine.inputs) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(150, 220), (300, 40)])
def test_images_are_fused_in_place_of_the_visible_one(rng, shape, dtype):
    visible, infrared = camera_images(rng, shape, dtype)
    expected = fuse(MixEngine(average), visible, infrared)
    assert fuse(MixEngine(average), visible, infrared, out=visible) is visible
    np.testing.assert_array_equal(visible, expected)


def test_the_colors_of_an_rgba_image_are_fused_in_place(rng):
    image = rng.integers(0, 255, (60, 90, 4), dtype=np.uint8)
    infrared = rng.integers(0, 255, (60, 90), dtype=np.uint8)
    alpha, expected = (
        image[..., 3].copy(),
        fuse(MixEngine(average), image[..., :3].copy(), infrared),
    )
    fuse(MixEngine(average), image[..., :3], infrared, out=image[..., :3])
    np.testing.assert_array_equal(image[..., :3], expected)
    np.testing.assert_array_equal(image[..., 3], alpha)


def test_tiles_of_a_normalizing_model_are_matched_to_the_full_image(rng):
    def expose(visible, infrared):
        return visible * (0.4 / visible.mean()) + 0.1 * infrared

    light = np.linspace(0.1, 0.5, 150, dtype=np.float32)[:, None] * np.ones(220, np.float32)
    visible, infrared = light[..., None].repeat(3, axis=2), np.full((150, 220), 0.5, np.float32)
    fused = fuse(MixEngine(expose), visible, infrared)
    np.testing.assert_allclose(fused[..., 0], expose(light, infrared), atol=0.05)


@pytest.mark.parametrize(
    ("visible", "infrared", "reason"),
    [
        ((8, 9, 3), (9, 8), "visible 8x9, infrared 9x8"),
        ((8, 9, 2), (8, 9), "An image must be"),
        ((8, 9, 3), (8, 9, 2), "An infrared image must have one channel"),
        ((8, 9, 3), (8, 9, 3), "false colors"),
    ],
)
def test_mismatched_images_are_refused(rng, visible, infrared, reason):
    images = [rng.integers(0, 255, shape, dtype=np.uint8) for shape in (visible, infrared)]
    with pytest.raises(UsageError, match=reason):
        fuse(MixEngine(average), *images)


def test_a_model_with_one_input_is_refused(rng):
    with pytest.raises(UsageError, match="low"):
        fuse(MixEngine(average, contract=ENHANCE), *camera_images(rng, (4, 4)))


def test_the_gray_of_opencv_is_the_luma_of_the_metrics(rng):
    image = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert np.abs(gray - np.rint(color.luma(image))).max() <= 1


def test_the_output_stretch_leaves_no_gaps_between_gray_levels(rng):
    smooth = np.linspace(0.3, 0.7, 4800, dtype=np.float32).reshape(60, 80, 1)
    visible = np.uint8(np.rint(smooth * 255)).repeat(3, axis=2)
    infrared = np.float32(smooth + rng.uniform(-0.01, 0.01, smooth.shape))
    fused = fuse(
        MixEngine(average), visible, infrared, preprocessing=PairPreprocessing(output_stretch=1.0)
    )
    assert fused.dtype == np.uint8
    assert fused[..., 0].min() == 0
    assert fused[..., 0].max() == 255
    assert len(np.unique(fused[..., 0])) > 1.5 * len(np.unique(visible))
