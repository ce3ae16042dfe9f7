"""Checksums of a card are of pixels, not of files."""

import pytest

from lowlight_tf.datasets import checksums, dataset_card
from lowlight_tf.imaging import image_io


def test_a_lossless_copy_has_the_same_hash(write_image, tmp_path):
    first, second = write_image("a/1.png"), write_image("a/2.png")
    copy = tmp_path / "b" / "1.webp"
    copy.parent.mkdir()
    image_io.save_image(copy, image_io.load_image(first))
    assert checksums.hash_files([first, second]) == checksums.hash_files([second, copy])


def test_other_pixels_or_names_have_another_hash(write_image, tmp_path):
    first, second = write_image("a/1.png"), write_image("a/2.png")
    renamed = tmp_path / "a" / "3.png"
    renamed.write_bytes(first.read_bytes())
    assert len({checksums.hash_files([path]) for path in (first, second, renamed)}) == 3


@pytest.mark.slow
def test_lossy_copies_do_not_match_and_lossless_ones_do(shared):
    results = checksums.verify_checksums(dataset_card.get_dataset("lol_v1"), shared)
    found = {(result.split, result.key): (result.count, result.matches) for result in results}
    assert found["val", "low"] == (30, True)  # lossless WebP of the original PNG
    assert found["val", "high"] == (30, False)  # JPEG
    assert found["train", "low"] == (230, False)  # not all of them


@pytest.mark.slow
def test_images_without_a_checksum_are_not_compared(shared):
    results = checksums.verify_checksums(dataset_card.get_dataset("roadscene"), shared)
    found = {(result.split, result.key): (result.count, result.matches) for result in results}
    assert found["val", "infrared"] == (26, True)
    assert found["val", "visible"] == (26, None)  # published in two sizes
    assert found["all", "infrared"] == (130, False)  # of 221
