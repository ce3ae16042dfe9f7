"""RAW pairs are decoded once, and only what is asked for is read into memory."""

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
def scene(tmp_path, rng):
    """Return a function: scene, size -> the folder, with a short and a long exposure of it."""

    def take(name="00001", *, size=(32, 48), phase="RGGB", times=("0.1",)):
        for side in ("short", "long"):
            (tmp_path / side).mkdir(exist_ok=True)
        light = rng.integers(600, 2**14, size, dtype=np.uint16)
        said = {"bits": 14, "black": (512,)}
        for number, time in enumerate(times):
            dark = np.uint16(512 + (light - 512) // 100)
            dng.write(tmp_path / "short" / f"{name}_{number:02}_{time}s.dng", dark, phase, **said)
        dng.write(tmp_path / "long" / f"{name}_00_10s.dng", light, phase, **said)
        return tmp_path

    return take


@pytest.mark.parametrize("phase", ["RGGB", "BGGR"])
def test_a_pair_is_read_as_its_files_are(scene, tmp_path, phase):
    pairs, _ = sid_folder(scene(phase=phase))
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    made = cache.read(0)
    picture = raw_image.read_raw(pairs[0].inputs["raw"])
    np.testing.assert_array_equal(made.packed, picture.packed)
    assert (made.ratio, made.metadata) == (pytest.approx(100), picture.metadata)
    assert (made.packed.dtype, made.target.dtype) == (np.float32, np.float32)
    # The target lies over the light, with the camera's tone curve, whatever the phase's margin.
    height, width = cache.size(0)
    assert made.target.shape == (2 * height, 2 * width, 3)
    developed = raw_image.develop_with_libraw(pairs[0].target) / 65535
    np.testing.assert_allclose(made.metadata.crop_and_orient(made.target), developed, atol=1e-6)


def test_a_crop_is_what_lies_there_of_both(scene, tmp_path):
    pairs, _ = sid_folder(scene())
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    whole, part = cache.read(0), cache.read(0, crop=(3, 5, 8, 10))
    np.testing.assert_array_equal(part.packed, whole.packed[3:11, 5:15])
    np.testing.assert_array_equal(part.target, whole.target[6:22, 10:30])


def test_reading_a_crop_loads_the_crop_and_no_more(scene, tmp_path):
    pairs, _ = sid_folder(scene(size=(512, 768)))
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    on_disk = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy"))
    assert on_disk > 3e6
    cache.read(0, crop=(0, 0, 16, 16))
    tracemalloc.start()
    try:
        made = cache.read(0, crop=(100, 200, 16, 16))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    wanted = made.packed.nbytes + made.target.nbytes
    assert wanted == 4 * (16 * 16 * 4 + 32 * 32 * 3)
    assert peak < 2 * wanted + 50_000 < on_disk / 30


def test_what_is_decoded_is_not_decoded_again(scene, tmp_path, monkeypatch):
    folder = scene(times=("0.1", "0.04"))
    pairs, _ = sid_folder(folder)
    assert len(raw_cache.build_raw_cache(pairs[:1], tmp_path / "cache")) == 1
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache")
    assert [round(cache.read(index).ratio) for index in range(len(cache))] == [100, 250]
    assert before == {path: path.stat().st_mtime_ns for path in files}
    assert len([*(tmp_path / "cache" / "long").glob("*.npy")]) == 1


def test_a_file_that_has_changed_is_decoded_again(scene, tmp_path):
    pairs, _ = sid_folder(scene())
    first = raw_cache.build_raw_cache(pairs, tmp_path / "cache").read(0)
    pairs, _ = sid_folder(scene())  # other digits
    second = raw_cache.build_raw_cache(pairs, tmp_path / "cache").read(0)
    assert (first.packed != second.packed).any()
    assert (first.target != second.target).any()
    np.testing.assert_array_equal(second.packed, raw_image.read_raw(pairs[0].inputs["raw"]).packed)


def test_what_broke_off_is_decoded_again(scene, tmp_path):
    pairs, _ = sid_folder(scene())
    cache = tmp_path / "cache"
    raw_cache.build_raw_cache(pairs, cache)
    (said,) = (cache / "short").glob(f"{pairs[0].name}_*.json")
    said.unlink()
    said.with_suffix(".npy").write_bytes(b"half a fi")
    made = raw_cache.build_raw_cache(pairs, cache).read(0)
    np.testing.assert_array_equal(made.packed, raw_image.read_raw(pairs[0].inputs["raw"]).packed)
    assert not [*cache.rglob("*.part*")]


def test_a_broken_pair_is_told_and_the_rest_is_done(scene, tmp_path):
    for name in ("00001", "00002", "00003"):
        scene(name, times=("0.1", "0.04"))
    long = tmp_path / "long" / "00002_00_10s.dng"
    long.write_bytes(long.read_bytes()[:1000])
    (tmp_path / "short" / "00003_00_0.1s.dng").write_bytes(b"no RAW file")
    pairs, _ = sid_folder(tmp_path)
    lines = []
    cache = raw_cache.build_raw_cache(pairs, tmp_path / "cache", report=lines.append)
    assert cache.names == ["00001_00_0.1s", "00001_01_0.04s", "00003_01_0.04s"]
    assert [line.partition(" is left out: ")[0] for line in lines] == [
        *("00002_00_0.1s", "00002_01_0.04s", "00003_00_0.1s")
    ]
    assert all("\n" not in line for line in lines)
    assert "00002_00_10s.dng is truncated" in lines[0]


def test_exposures_of_two_sizes_are_no_pair(scene, tmp_path):
    scene(size=(32, 48))
    dng.write(
        tmp_path / "long" / "00001_00_10s.dng",
        np.full((32, 50), 700, np.uint16),
        "RGGB",
        black=(512,),
    )
    pairs, _ = sid_folder(tmp_path)
    lines = []
    with pytest.raises(UsageError, match="None of 1 RAW pairs could be decoded"):
        raw_cache.build_raw_cache(pairs, tmp_path / "cache", report=lines.append)
    assert "32x50 (height x width), its short exposure 32x48" in lines[0]


def test_files_of_one_name_in_two_folders_are_two(scene, tmp_path):
    folder, pairs = scene(), []
    for place in ("one", "two"):
        for side in ("short", "long"):
            shutil.copytree(folder / side, tmp_path / place / side)
        pairs += sid_folder(tmp_path / place)[0]
        scene()  # another light
    caches = [raw_cache.build_raw_cache([pair], tmp_path / "cache") for pair in pairs]
    for pair, cache in zip(pairs, caches, strict=True):
        expected = raw_image.read_raw(pair.inputs["raw"]).packed
        np.testing.assert_array_equal(cache.read(0).packed, expected)
    assert (caches[0].read(0).target != caches[1].read(0).target).any()
