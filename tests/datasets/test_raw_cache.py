"""RAW pairs are decoded once, and only the requested crop is read into memory."""

import shutil
import tracemalloc

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import raw_cache
from lowlight_tf.datasets.exposure_pairs import sid_folder
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import raw_image

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")


@pytest.fixture
def write_scene(tmp_path, rng):
    """Return a function that writes the exposures of a scene and returns the folder."""

    def write(name="00001", *, size=(32, 48), pattern="RGGB", times=("0.1",)):
        for folder in ("short", "long"):
            (tmp_path / folder).mkdir(exist_ok=True)
        light = rng.integers(600, 2**14, size, dtype=np.uint16)
        options = {"bit_depth": 14, "black_level": (512,)}
        for number, time in enumerate(times):
            dark = np.uint16(512 + (light - 512) // 100)
            dng.write(
                tmp_path / "short" / f"{name}_{number:02}_{time}s.dng", dark, pattern, **options
            )
        dng.write(tmp_path / "long" / f"{name}_00_10s.dng", light, pattern, **options)
        return tmp_path

    return write


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR"])
def test_a_cached_pair_equals_its_files(write_scene, tmp_path, pattern):
    pairs, _ = sid_folder(write_scene(pattern=pattern))
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    sample = cache.read(0)
    image = raw_image.read_raw(pairs[0].inputs["raw"])
    np.testing.assert_array_equal(sample.packed, image.packed)
    assert (sample.ratio, sample.metadata) == (pytest.approx(100), image.metadata)
    assert (sample.packed.dtype, sample.target.dtype) == (np.float32, np.float32)
    # The target is aligned with the packed image, whatever margin the pattern needs.
    height, width = cache.size(0)
    assert sample.target.shape == (2 * height, 2 * width, 3)
    developed = raw_image.develop_with_libraw(pairs[0].target) / 65535
    np.testing.assert_allclose(sample.metadata.crop_and_orient(sample.target), developed, atol=1e-6)


def test_a_crop_is_the_same_region_of_both(write_scene, tmp_path):
    pairs, _ = sid_folder(write_scene())
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    full, crop = cache.read(0), cache.read(0, crop=(3, 5, 8, 10))
    np.testing.assert_array_equal(crop.packed, full.packed[3:11, 5:15])
    np.testing.assert_array_equal(crop.target, full.target[6:22, 10:30])


def test_reading_a_crop_allocates_memory_for_the_crop_only(write_scene, tmp_path):
    pairs, _ = sid_folder(write_scene(size=(512, 768)))
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    on_disk = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy"))
    assert on_disk > 3e6
    cache.read(0, crop=(0, 0, 16, 16))
    tracemalloc.start()
    try:
        sample = cache.read(0, crop=(100, 200, 16, 16))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    crop_bytes = sample.packed.nbytes + sample.target.nbytes
    assert crop_bytes == 4 * (16 * 16 * 4 + 32 * 32 * 3)
    assert peak < 2 * crop_bytes + 50_000 < on_disk / 30


def test_cached_files_are_not_decoded_again(write_scene, tmp_path, monkeypatch):
    folder = write_scene(times=("0.1", "0.04"))
    pairs, _ = sid_folder(folder)
    assert len(raw_cache.build_raw_cache(pairs[:1], tmp_path / "cache")) == 1
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    assert [round(cache.read(index).ratio) for index in range(len(cache))] == [100, 250]
    assert before == {path: path.stat().st_mtime_ns for path in files}
    assert len([*(tmp_path / "cache" / "long").glob("*.npy")]) == 1


def test_a_changed_file_is_decoded_again(write_scene, tmp_path):
    pairs, _ = sid_folder(write_scene())
    first = raw_cache.build_raw_cache(pairs, tmp_path / "cache").read(0)
    pairs, _ = sid_folder(write_scene())  # other raw values
    second = raw_cache.build_raw_cache(pairs, tmp_path / "cache").read(0)
    assert (first.packed != second.packed).any()
    assert (first.target != second.target).any()
    np.testing.assert_array_equal(second.packed, raw_image.read_raw(pairs[0].inputs["raw"]).packed)


def test_an_incomplete_file_is_decoded_again(write_scene, tmp_path):
    pairs, _ = sid_folder(write_scene())
    cache = tmp_path / "cache"
    raw_cache.build_raw_cache(pairs, cache)
    (metadata_file,) = (cache / "short").glob(f"{pairs[0].name}_*.json")
    metadata_file.unlink()
    metadata_file.with_suffix(".npy").write_bytes(b"half a fi")
    sample = raw_cache.build_raw_cache(pairs, cache).read(0)
    np.testing.assert_array_equal(sample.packed, raw_image.read_raw(pairs[0].inputs["raw"]).packed)
    assert not [*cache.rglob("*.part*")]


def test_damaged_pairs_are_reported_and_the_rest_is_cached(write_scene, tmp_path):
    for name in ("00001", "00002", "00003"):
        write_scene(name, times=("0.1", "0.04"))
    long = tmp_path / "long" / "00002_00_10s.dng"
    long.write_bytes(long.read_bytes()[:1000])
    (tmp_path / "short" / "00003_00_0.1s.dng").write_bytes(b"no RAW file")
    pairs, _ = sid_folder(tmp_path)
    lines = []
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache", report=lines.append)
    assert cache.names == ["00001_00_0.1s", "00001_01_0.04s", "00003_01_0.04s"]
    assert [line.partition(" is skipped: ")[0] for line in lines] == [
        *("00002_00_0.1s", "00002_01_0.04s", "00003_00_0.1s")
    ]
    assert all("\n" not in line for line in lines)
    assert "00002_00_10s.dng is truncated" in lines[0]


def test_exposures_of_two_sizes_are_rejected(write_scene, tmp_path):
    write_scene(size=(32, 48))
    dng.write(
        tmp_path / "long" / "00001_00_10s.dng",
        np.full((32, 50), 700, np.uint16),
        "RGGB",
        black_level=(512,),
    )
    pairs, _ = sid_folder(tmp_path)
    lines = []
    with pytest.raises(UsageError, match="None of 1 RAW pairs could be decoded"):
        raw_cache.build_raw_cache(pairs, tmp_path / "cache", report=lines.append)
    assert "32x50 (height x width), its short exposure 32x48" in lines[0]


def test_files_of_one_name_in_two_folders_are_distinct(write_scene, tmp_path):
    folder, pairs = write_scene(), []
    for copy in ("one", "two"):
        for subfolder in ("short", "long"):
            shutil.copytree(folder / subfolder, tmp_path / copy / subfolder)
        pairs += sid_folder(tmp_path / copy)[0]
        write_scene()  # another exposure
    caches = [raw_cache.build_raw_cache([pair], tmp_path / "cache") for pair in pairs]
    for pair, cache in zip(pairs, caches, strict=True):
        expected = raw_image.read_raw(pair.inputs["raw"]).packed
        np.testing.assert_array_equal(cache.read(0).packed, expected)
    assert (caches[0].read(0).target != caches[1].read(0).target).any()
