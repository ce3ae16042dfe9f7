"""The card's pictures are known by their pixels."""

import pytest

from lowlight_tf.datasets import checksums, dataset_card
from lowlight_tf.imaging import image_io


def test_a_lossless_copy_has_the_same_digest(picture, tmp_path):
    first, second = picture("a/1.png"), picture("a/2.png")
    copy = tmp_path / "b" / "1.webp"
    copy.parent.mkdir()
    image_io.save_image(copy, image_io.load_image(first))
    assert checksums.hash_files([first, second]) == checksums.hash_files([second, copy])


def test_other_pixels_and_other_names_have_another(picture, tmp_path):
    first, second = picture("a/1.png"), picture("a/2.png")
    renamed = tmp_path / "a" / "3.png"
    renamed.write_bytes(first.read_bytes())
    assert len({checksums.hash_files([path]) for path in (first, second, renamed)}) == 3


@pytest.mark.slow
def test_copies_that_lost_something_are_told_from_those_that_did_not(shared):
    verdicts = checksums.verify_checksums(dataset_card.get_dataset("lol_v1"), shared)
    found = {(v.split, v.key): (v.count, v.matches) for v in verdicts}
    assert found["val", "low"] == (30, True)  # lossless WebP of the original PNG
    assert found["val", "high"] == (30, False)  # JPEG
    assert found["train", "low"] == (230, False)  # not all of them


@pytest.mark.slow
def test_a_side_without_a_checksum_is_not_judged(shared):
    verdicts = checksums.verify_checksums(dataset_card.get_dataset("roadscene"), shared)
    found = {(v.split, v.key): (v.count, v.matches) for v in verdicts}
    assert found["val", "infrared"] == (26, True)
    assert found["val", "visible"] == (26, None)  # published in two sizes
    assert found["all", "infrared"] == (130, False)  # of 221
