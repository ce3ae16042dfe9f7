"""RAW images of any size, phase and orientation are developed by engines of any size."""

import tracemalloc

import numpy as np
import pytest

from lowlight_tf.catalog import BASELINES
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, RAW_TO_RGB, RAW_TO_RGB_HALF
from lowlight_tf.imaging import color
from lowlight_tf.imaging.raw import cfa, raw_image
from lowlight_tf.imaging.raw.raw_image import RawImage, RawMetadata
from lowlight_tf.runtime.develop import MID_GRAY, auto_exposure_ratio, develop
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model


class MosaicEngine(Engine):
    """An engine that returns its input mosaic as a gray image."""

    name, contract = "unfolded", RAW_TO_RGB

    def __init__(self, size=None):
        self.size = size

    def __call__(self, images):
        (packed,) = images["raw"]
        assert packed.dtype == np.float32
        assert 0 <= packed.min() <= packed.max() <= 1
        assert self.size is None or packed.shape[:2] == self.size
        rows, columns = packed.shape[:2]
        cells = packed.reshape(rows, columns, 2, 2).swapaxes(1, 2)
        gray = cells.reshape(1, 2 * rows, 2 * columns, 1)
        return {"enhanced": np.repeat(gray, 3, axis=3)}


class HalfResolutionEngine(MosaicEngine):
    """An engine that returns the mean green of each cell, at half the resolution."""

    contract = RAW_TO_RGB_HALF

    def __call__(self, images):
        return {"enhanced": np.repeat(images["raw"][..., 1:3].mean(-1, keepdims=True), 3, axis=3)}


def make_raw(rng, size=(40, 52), phase="RGGB", orientation=1, wb=(1.0, 1.0, 1.0)):
    """Return a 12-bit RAW image, and its raw values as a mosaic."""
    raw_values = rng.integers(60, 4096, size, dtype=np.uint16)
    sides = cfa.packing_factor(phase) ** 2
    metadata = RawMetadata(
        phase, size, (64.0,) * sides, (4095.0,) * sides, camera_wb=wb, orientation=orientation
    )
    return RawImage(cfa.pack(raw_values, phase), metadata), raw_values


@pytest.mark.parametrize("size", [None, (16, 16), (16, 32), (32, 16), (64, 64)])
@pytest.mark.parametrize("phase", cfa.BAYER_PATTERNS)
def test_every_sensor_pixel_keeps_its_position(rng, phase, size):
    image, raw_values = make_raw(rng, phase=phase)
    result = develop(MosaicEngine(size), image, ratio=2, dtype=np.float32)
    light = np.minimum(2 * np.maximum(raw_values - 64.0, 0) / (4095 - 64), 1)
    assert result.shape == (40, 52, 3)
    np.testing.assert_allclose(result, np.repeat(light[..., None], 3, axis=2), atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_developed_image_is_upright(rng, orientation):
    image, _ = make_raw(rng, orientation=orientation)
    sideways, _ = RawImage(image.raw_values, make_raw(rng)[0].metadata), None
    expected = image.metadata.orient(develop(MosaicEngine(), sideways, ratio=3))
    np.testing.assert_array_equal(develop(MosaicEngine(), image, ratio=3), expected)


def test_the_model_gets_white_balanced_values(rng):
    image, _ = make_raw(rng, wb=(2.0, 1.0, 1.5))
    result = develop(MosaicEngine(), image, ratio=1.5, dtype=np.float32)
    exposed = raw_image.amplify(image.packed, image.metadata, 1.5)
    np.testing.assert_allclose(result[::2, ::2, 0], exposed[..., 0], atol=1e-6)
    np.testing.assert_allclose(result[1::2, 1::2, 0], exposed[..., 3], atol=1e-6)


def test_the_result_uses_all_16_bits_and_8_bits_on_request(rng):
    image, _ = make_raw(rng)
    sixteen = develop(MosaicEngine(), image, ratio=1)
    floats = develop(MosaicEngine(), image, ratio=1, dtype=np.float32)
    assert sixteen.dtype == np.uint16
    np.testing.assert_allclose(sixteen / 65535, floats, atol=1e-5)
    eight = develop(MosaicEngine(), image, ratio=1, dtype=np.uint8)
    assert eight.dtype == np.uint8
    np.testing.assert_allclose(eight / 255, floats, atol=0.51 / 255)


@pytest.mark.parametrize(
    ("phase", "size"), [("RGGB", (16, 16)), ("BGGR", None), ("GRBG", (32, 32))]
)
def test_a_half_resolution_result_has_one_pixel_per_cfa_cell(rng, phase, size):
    image, _ = make_raw(rng, phase=phase)
    result = develop(HalfResolutionEngine(size), image, ratio=1, dtype=np.float32)
    assert result.shape == (20, 26, 3)
    top, left = cfa.pattern_offset(phase)
    greens = image.packed[..., 1:3].mean(-1)[top:, left:][:20, :26]
    np.testing.assert_allclose(result[..., 0], greens, atol=1e-6)


def test_a_large_frame_is_never_converted_to_float_at_once(rng):
    # 2 megapixels as float32 would be 24 MB of a result, 8 MB of light.
    image, _ = make_raw(rng, size=(1024, 2048))
    tracemalloc.start()
    result = develop(MosaicEngine((64, 64)), image, ratio=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < result.nbytes + 8e6


def test_progress_rises_to_one(rng):
    fractions = []
    develop(MosaicEngine((16, 16)), make_raw(rng)[0], ratio=1, progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_a_sensor_without_bayer_pattern_is_refused_by_bayer_models(rng):
    image, _ = make_raw(rng, size=(36, 36), phase=cfa.XTRANS)
    with pytest.raises(UsageError, match=r"Bayer sensors \(4 channels\)\. Received: X-Trans"):
        develop(MosaicEngine(), image, ratio=1)


def test_a_ratio_of_zero_is_refused(rng):
    with pytest.raises(UsageError, match="`ratio` must be a positive number"):
        develop(MosaicEngine(), make_raw(rng)[0], ratio=0)


def test_image_models_refuse_raw_and_raw_models_refuse_images(rng):
    class Bright(MosaicEngine):
        contract = ENHANCE

    with pytest.raises(UsageError, match="Developing takes a model from a RAW image"):
        develop(Bright(), make_raw(rng)[0], ratio=1)
    with pytest.raises(UsageError, match="Enhancing takes a model from one color image"):
        enhance(MosaicEngine(), np.zeros((16, 16, 3), np.uint8))


def test_the_automatic_ratio_makes_the_mean_gray(rng):
    image, raw_values = make_raw(rng, size=(64, 64), wb=(1.5, 1.0, 2.0))
    raw_values = 64 + (raw_values - 60) // 100
    dark = RawImage(cfa.pack(raw_values, "RGGB"), image.metadata)
    ratio = auto_exposure_ratio(dark)
    mean = raw_image.amplify(dark.packed, dark.metadata, ratio).mean()
    assert mean == pytest.approx(MID_GRAY, rel=0.01)
    assert auto_exposure_ratio(image) == pytest.approx(1, abs=0.01)  # bright enough as it is


def test_a_black_image_gets_the_largest_ratio():
    metadata = make_raw(np.random.default_rng(0))[0].metadata
    black = RawImage(np.full((20, 26, 4), 64, np.uint16), metadata)
    assert auto_exposure_ratio(black) == 300
    assert auto_exposure_ratio(black, cap=None) == 2**16


def test_the_libraw_baseline_gets_the_camera_metadata():
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    raw_values = np.full((32, 40), 164, np.uint16)
    metadata = RawMetadata("RGGB", (32, 40), (64.0,) * 4, (4095.0,) * 4)
    gray = RawImage(cfa.pack(raw_values, "RGGB"), metadata)
    image = develop(load_model("libraw"), gray, ratio=10, dtype=np.float32)
    assert image.shape == (32, 40, 3)
    light = color.to_linear(image[8:-8, 8:-8])
    np.testing.assert_allclose(light, 1000 / (4095 - 64), rtol=0.01)
    other = develop(load_model("libraw_bt709"), gray, ratio=10)
    assert other.dtype == np.uint16
    light = 1000 / (4095 - 64)
    np.testing.assert_allclose(other[16, 16] / 65535, 1.099 * light**0.45 - 0.099, atol=2e-3)


@pytest.mark.parametrize("name", [n for n in BASELINES if BASELINES.find(n).contract.is_raw])
def test_packed_images_without_metadata_are_refused_by_the_libraw_baseline(name):
    engine = load_model(name)
    with pytest.raises(UsageError, match="develops RAW files; it takes no packed images"):
        engine({"raw": np.zeros((1, 16, 16, 4), np.float32)})
