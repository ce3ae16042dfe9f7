"""Photographs become RAW pairs that are read like a camera's."""

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
    """Two day pictures, one of an odd size."""
    for name, shape in (("a", (32, 48)), ("b", (37, 43))):
        image = rng.random((*shape, 3), dtype=np.float32)
        (tmp_path / "day").mkdir(exist_ok=True)
        image_io.write_float_rgb(tmp_path / "day" / f"{name}.png", image)
    return pairing.target_only_folder(tmp_path / "day")


def test_what_is_written_is_a_dataset_of_raw_files(photographs, tmp_path):
    made = synthesize_raw_pairs(photographs, tmp_path / "made")
    assert exposure_pairs.paired_raw_folder(tmp_path / "made") == (made, [])
    assert pairing.pair_folder(tmp_path / "made", inputs=("raw",), target="high") == made
    pairing.check_sizes(made, crop_size=32)
    assert [image_size(pair.inputs["raw"]) for pair in made] == [(32, 48), (36, 42)]
    ratios = [exposure_pairs.exposure_ratio(pair) for pair in made]
    assert all(100 <= ratio <= 300 for ratio in ratios)
    assert ratios[0] != ratios[1]


def test_it_is_what_a_training_sample_of_the_photograph_would_be(photographs, tmp_path):
    # The random numbers come in one order: camera, noise, ratio, then the sensor's.
    made = synthesize_raw_pairs(photographs, tmp_path / "made")[0]
    rng = np.random.default_rng([1, zlib.crc32(photographs[0].target.read_bytes())])
    expected = unprocess.sample_pair(image_io.read_float_rgb(photographs[0].target), rng)
    picture = raw_image.read_raw(made.inputs["raw"])
    np.testing.assert_array_equal(picture.packed, expected.packed)
    np.testing.assert_array_equal(image_io.read_float_rgb(made.target), expected.target)
    assert exposure_pairs.exposure_ratio(made) == pytest.approx(expected.ratio)
    np.testing.assert_allclose(picture.metadata.camera_wb, expected.metadata.camera_wb, rtol=1e-5)
    np.testing.assert_allclose(
        picture.metadata.color_matrix, expected.metadata.color_matrix, atol=1e-4
    )


def test_a_photograph_gives_the_same_files_whatever_others_there_are(photographs, tmp_path):
    together = synthesize_raw_pairs(photographs, tmp_path / "one")
    alone = synthesize_raw_pairs(photographs[1:], tmp_path / "two")
    other = synthesize_raw_pairs(photographs[1:], tmp_path / "three", seed=2)
    content = [pair.inputs["raw"].read_bytes() for pair in (together[1], alone[0], other[0])]
    assert content[0] == content[1] != content[2]


def test_photographs_of_one_name_are_told_apart(photographs, tmp_path):
    namesake = pairing.Pair("a", {}, photographs[1].target)
    made = synthesize_raw_pairs([photographs[0], namesake], tmp_path / "made")
    checksum = zlib.crc32(namesake.target.read_bytes())
    assert [pair.name for pair in made] == ["a", f"a_{checksum:08x}"]
    assert image_size(made[1].target) == (36, 42)
    assert synthesize_raw_pairs([namesake, photographs[0]], tmp_path / "made") == made[::-1]
    assert [exposure_pairs.exposure_ratio(pair) for pair in made] == [
        exposure_pairs.exposure_ratio(pair)
        for pair in synthesize_raw_pairs(photographs, tmp_path / "other")
    ]


def test_what_is_there_is_kept(photographs, tmp_path):
    made = synthesize_raw_pairs(photographs[:1], tmp_path / "made")
    before = made[0].inputs["raw"].stat().st_mtime_ns
    made[0].target.unlink()
    synthesize_raw_pairs(photographs, tmp_path / "made")
    assert made[0].target.is_file()
    again = made[0].inputs["raw"].stat().st_mtime_ns
    assert again > before  # one half was gone: both are made
    synthesize_raw_pairs(photographs, tmp_path / "made")
    assert made[0].inputs["raw"].stat().st_mtime_ns == again


def test_it_is_decoded_as_exposures_are(photographs, tmp_path):
    made = synthesize_raw_pairs(photographs, tmp_path / "made")
    sample = raw_cache.build_raw_cache(made, tmp_path / "cache").read(1)
    assert sample.packed.shape == (18, 21, 4)
    np.testing.assert_array_equal(sample.target, image_io.read_float_rgb(made[1].target))
    assert sample.ratio == exposure_pairs.exposure_ratio(made[1])


def test_what_has_no_partner_is_told_and_the_rest_paired(photographs, tmp_path):
    made = synthesize_raw_pairs(photographs, tmp_path / "made")
    made[0].target.unlink()
    assert exposure_pairs.paired_raw_folder(tmp_path / "made") == (
        [made[1]],
        [made[0].inputs["raw"]],
    )


@pytest.mark.parametrize("known", [{"a": 0}, {"a": "much"}, {}, {"a": float("inf")}])
def test_a_ratio_that_is_none_is_refused(photographs, tmp_path, known):
    made = synthesize_raw_pairs(photographs, tmp_path / "made")
    (tmp_path / "made" / "ratios.json").write_text(json.dumps(known))
    with pytest.raises(UsageError, match=r"must give a a ratio above zero\. Received"):
        exposure_pairs.exposure_ratio(made[0])


def test_without_a_ratio_one_is_asked_for(photographs, tmp_path):
    made = synthesize_raw_pairs(photographs, tmp_path / "made")
    (tmp_path / "made" / "ratios.json").unlink()
    with pytest.raises(UsageError, match=r'Write it into .*ratios\.json, as \{"a": 100\}'):
        exposure_pairs.exposure_ratio(made[0])
