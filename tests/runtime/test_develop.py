"""RAW pictures of any size, phase and position through engines of any size."""

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


class Unfolded(Engine):
    """An engine that gives back the mosaic that it was shown, as a gray picture."""

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


class Cells(Unfolded):
    """An engine that gives the greens of each cell: half the size."""

    contract = RAW_TO_RGB_HALF

    def __call__(self, images):
        return {"enhanced": np.repeat(images["raw"][..., 1:3].mean(-1, keepdims=True), 3, axis=3)}


def taken(rng, size=(40, 52), phase="RGGB", orientation=1, wb=(1.0, 1.0, 1.0)):
    """Return a picture of 12 bits, and its digits as they lie."""
    digits = rng.integers(60, 4096, size, dtype=np.uint16)
    sides = cfa.packing_factor(phase) ** 2
    shot = RawMetadata(
        phase, size, (64.0,) * sides, (4095.0,) * sides, camera_wb=wb, orientation=orientation
    )
    return RawImage(cfa.pack(digits, phase), shot), digits


@pytest.mark.parametrize("size", [None, (16, 16), (16, 32), (32, 16), (64, 64)])
@pytest.mark.parametrize("phase", cfa.BAYER_PATTERNS)
def test_every_sensor_pixel_keeps_its_position(rng, phase, size):
    picture, digits = taken(rng, phase=phase)
    result = develop(Unfolded(size), picture, ratio=2, dtype=np.float32)
    light = np.minimum(2 * np.maximum(digits - 64.0, 0) / (4095 - 64), 1)
    assert result.shape == (40, 52, 3)
    np.testing.assert_allclose(result, np.repeat(light[..., None], 3, axis=2), atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_developed_image_is_upright(rng, orientation):
    picture, _ = taken(rng, orientation=orientation)
    lying, _ = RawImage(picture.raw_values, taken(rng)[0].metadata), None
    expected = picture.metadata.orient(develop(Unfolded(), lying, ratio=3))
    np.testing.assert_array_equal(develop(Unfolded(), picture, ratio=3), expected)


def test_the_model_gets_white_balanced_values(rng):
    picture, _ = taken(rng, wb=(2.0, 1.0, 1.5))
    result = develop(Unfolded(), picture, ratio=1.5, dtype=np.float32)
    exposed = raw_image.amplify(picture.packed, picture.metadata, 1.5)
    np.testing.assert_allclose(result[::2, ::2, 0], exposed[..., 0], atol=1e-6)
    np.testing.assert_allclose(result[1::2, 1::2, 0], exposed[..., 3], atol=1e-6)


def test_the_result_uses_all_16_bits_and_8_bits_on_request(rng):
    picture, _ = taken(rng)
    sixteen = develop(Unfolded(), picture, ratio=1)
    floats = develop(Unfolded(), picture, ratio=1, dtype=np.float32)
    assert sixteen.dtype == np.uint16
    np.testing.assert_allclose(sixteen / 65535, floats, atol=1e-5)
    eight = develop(Unfolded(), picture, ratio=1, dtype=np.uint8)
    assert eight.dtype == np.uint8
    np.testing.assert_allclose(eight / 255, floats, atol=0.51 / 255)


@pytest.mark.parametrize(
    ("phase", "size"), [("RGGB", (16, 16)), ("BGGR", None), ("GRBG", (32, 32))]
)
def test_a_half_resolution_result_has_one_pixel_per_cfa_cell(rng, phase, size):
    picture, _ = taken(rng, phase=phase)
    result = develop(Cells(size), picture, ratio=1, dtype=np.float32)
    assert result.shape == (20, 26, 3)
    top, left = cfa.pattern_offset(phase)
    greens = picture.packed[..., 1:3].mean(-1)[top:, left:][:20, :26]
    np.testing.assert_allclose(result[..., 0], greens, atol=1e-6)


def test_a_large_frame_is_never_converted_to_float_at_once(rng):
    # 2 megapixels as float32 would be 24 MB of a result, 8 MB of light.
    picture, _ = taken(rng, size=(1024, 2048))
    tracemalloc.start()
    result = develop(Unfolded((64, 64)), picture, ratio=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < result.nbytes + 8e6


def test_progress_rises_to_one(rng):
    shares = []
    develop(Unfolded((16, 16)), taken(rng)[0], ratio=1, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_sensor_without_bayer_pattern_is_refused_by_bayer_models(rng):
    picture, _ = taken(rng, size=(36, 36), phase=cfa.XTRANS)
    with pytest.raises(UsageError, match=r"Bayer sensors \(4 channels\)\. Received: X-Trans"):
        develop(Unfolded(), picture, ratio=1)


def test_a_ratio_of_zero_is_refused(rng):
    with pytest.raises(UsageError, match="`ratio` must be a positive number"):
        develop(Unfolded(), taken(rng)[0], ratio=0)


def test_image_models_refuse_raw_and_raw_models_refuse_images(rng):
    class Bright(Unfolded):
        contract = ENHANCE

    with pytest.raises(UsageError, match="Developing takes a model from a RAW image"):
        develop(Bright(), taken(rng)[0], ratio=1)
    with pytest.raises(UsageError, match="Enhancing takes a model from one color image"):
        enhance(Unfolded(), np.zeros((16, 16, 3), np.uint8))


def test_the_automatic_ratio_makes_the_mean_gray(rng):
    picture, digits = taken(rng, size=(64, 64), wb=(1.5, 1.0, 2.0))
    digits = 64 + (digits - 60) // 100
    dark = RawImage(cfa.pack(digits, "RGGB"), picture.metadata)
    ratio = auto_exposure_ratio(dark)
    mean = raw_image.amplify(dark.packed, dark.metadata, ratio).mean()
    assert mean == pytest.approx(MID_GRAY, rel=0.01)
    assert auto_exposure_ratio(picture) == pytest.approx(1, abs=0.01)  # bright enough as it is


def test_a_black_image_gets_the_largest_ratio():
    shot = taken(np.random.default_rng(0))[0].metadata
    black = RawImage(np.full((20, 26, 4), 64, np.uint16), shot)
    assert auto_exposure_ratio(black) == 300
    assert auto_exposure_ratio(black, cap=None) == 2**16


def test_the_libraw_baseline_gets_the_camera_metadata():
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    digits = np.full((32, 40), 164, np.uint16)
    shot = RawMetadata("RGGB", (32, 40), (64.0,) * 4, (4095.0,) * 4)
    gray = RawImage(cfa.pack(digits, "RGGB"), shot)
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
