"""Synthetic RAW pairs are read like those of a camera."""

import json
import zlib

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import exposure_pairs, pairing, raw_cache
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.datasets.synthetic_raw import synthesize_raw_pairs
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image, unprocess

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")


@pytest.fixture
def photographs(tmp_path, rng):
    """Two images, one of an odd size."""
    for name, shape in (("a", (32, 48)), ("b", (37, 43))):
        image = rng.random((*shape, 3), dtype=np.float32)
        (tmp_path / "photographs").mkdir(exist_ok=True)
        image_io.write_float_rgb(tmp_path / "photographs" / f"{name}.png", image)
    return pairing.target_only_folder(tmp_path / "photographs")


def test_the_files_are_a_dataset_of_raw_pairs(photographs, tmp_path):
    pairs = synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    assert exposure_pairs.pair_raw_folder(tmp_path / "raw_pairs") == (pairs, [])
    assert pairing.pair_folder(tmp_path / "raw_pairs", inputs=("raw",), target="high") == pairs
    pairing.check_sizes(pairs, crop_size=32)
    assert [image_size(pair.inputs["raw"]) for pair in pairs] == [(32, 48), (36, 42)]
    ratios = [exposure_pairs.exposure_ratio(pair) for pair in pairs]
    assert all(100 <= ratio <= 300 for ratio in ratios)
    assert ratios[0] != ratios[1]


def test_a_pair_equals_a_training_sample_of_the_photograph(photographs, tmp_path):
    # The random numbers are drawn in one order: camera, noise, ratio, sensor noise.
    pairs = synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")[0]
    rng = np.random.default_rng([1, zlib.crc32(photographs[0].target.read_bytes())])
    expected = unprocess.sample_pair(image_io.read_float_rgb(photographs[0].target), rng)
    image = raw_image.read_raw(pairs.inputs["raw"])
    np.testing.assert_array_equal(image.packed, expected.packed)
    np.testing.assert_array_equal(image_io.read_float_rgb(pairs.target), expected.target)
    assert exposure_pairs.exposure_ratio(pairs) == pytest.approx(expected.ratio)
    np.testing.assert_allclose(image.metadata.camera_wb, expected.metadata.camera_wb, rtol=1e-5)
    np.testing.assert_allclose(
        image.metadata.color_matrix, expected.metadata.color_matrix, atol=1e-4
    )


def test_the_files_of_a_photograph_do_not_depend_on_the_others(photographs, tmp_path):
    both = synthesize_raw_pairs(photographs, tmp_path / "one")
    single = synthesize_raw_pairs(photographs[1:], tmp_path / "two")
    other = synthesize_raw_pairs(photographs[1:], tmp_path / "three", seed=2)
    content = [pair.inputs["raw"].read_bytes() for pair in (both[1], single[0], other[0])]
    assert content[0] == content[1] != content[2]


def test_photographs_of_one_name_get_different_names(photographs, tmp_path):
    namesake = pairing.Pair("a", {}, photographs[1].target)
    pairs = synthesize_raw_pairs([photographs[0], namesake], tmp_path / "raw_pairs")
    checksum = zlib.crc32(namesake.target.read_bytes())
    assert [pair.name for pair in pairs] == ["a", f"a_{checksum:08x}"]
    assert image_size(pairs[1].target) == (36, 42)
    assert synthesize_raw_pairs([namesake, photographs[0]], tmp_path / "raw_pairs") == pairs[::-1]
    assert [exposure_pairs.exposure_ratio(pair) for pair in pairs] == [
        exposure_pairs.exposure_ratio(pair)
        for pair in synthesize_raw_pairs(photographs, tmp_path / "other")
    ]


def test_existing_pairs_are_kept(photographs, tmp_path):
    pairs = synthesize_raw_pairs(photographs[:1], tmp_path / "raw_pairs")
    before = pairs[0].inputs["raw"].stat().st_mtime_ns
    pairs[0].target.unlink()
    synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    assert pairs[0].target.is_file()
    again = pairs[0].inputs["raw"].stat().st_mtime_ns
    assert again > before  # one of the two files was missing: both are written
    synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    assert pairs[0].inputs["raw"].stat().st_mtime_ns == again


def test_the_pairs_can_be_cached(photographs, tmp_path):
    pairs = synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    sample = raw_cache.build_raw_cache(pairs, tmp_path / "cache").read(1)
    assert sample.packed.shape == (18, 21, 4)
    np.testing.assert_array_equal(sample.target, image_io.read_float_rgb(pairs[1].target))
    assert sample.ratio == exposure_pairs.exposure_ratio(pairs[1])


def test_a_file_without_a_partner_is_returned_and_the_rest_paired(photographs, tmp_path):
    pairs = synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    pairs[0].target.unlink()
    assert exposure_pairs.pair_raw_folder(tmp_path / "raw_pairs") == (
        [pairs[1]],
        [pairs[0].inputs["raw"]],
    )


@pytest.mark.parametrize("ratios", [{"a": 0}, {"a": "much"}, {}, {"a": float("inf")}])
def test_an_invalid_ratio_is_rejected(photographs, tmp_path, ratios):
    pairs = synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    (tmp_path / "raw_pairs" / "ratios.json").write_text(json.dumps(ratios))
    with pytest.raises(UsageError, match=r"must give a a ratio above zero\. Received"):
        exposure_pairs.exposure_ratio(pairs[0])


def test_the_error_for_a_missing_ratio_says_where_to_write_it(photographs, tmp_path):
    pairs = synthesize_raw_pairs(photographs, tmp_path / "raw_pairs")
    (tmp_path / "raw_pairs" / "ratios.json").unlink()
    with pytest.raises(UsageError, match=r'Write it into .*ratios\.json, as \{"a": 100\}'):
        exposure_pairs.exposure_ratio(pairs[0])
