"""What the image part of `lowlight-tf enhance` says about what its results lack."""

import numpy as np
import pytest
from PIL import Image

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.image_io import LoadedImage


@pytest.fixture
def enhance(tmp_path):
    """Run the command with a baseline; the last word is the output."""
    return lambda *words: main(
        ["enhance", *map(str, words[:-1]), "--model", "gamma", "--output", str(words[-1])]
    )


def test_frames_of_an_animation_are_left_out_with_a_line(enhance, tmp_path, capsys):
    frames = [Image.new("RGB", (16, 12), (40, level, 9)) for level in (10, 40, 90)]
    source, out = tmp_path / "anim.webp", tmp_path / "out"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    assert enhance(source, out) == 0
    expected = f"{out / 'anim.webp'}: left out of anim.webp: 2 of 3 frames\n"
    assert capsys.readouterr().err == f"lowlight-tf enhance: {expected}"


def test_metadata_without_a_place_are_left_out_with_a_line(enhance, tmp_path, capsys):
    pixels = np.full((12, 16, 3), 40, np.uint8)
    image_io.save_image(tmp_path / "x.jpg", LoadedImage(pixels, iptc=b"\x1c\x02\x78\0\1a"))
    assert enhance(tmp_path / "x.jpg", tmp_path / "y.webp") == 0
    assert capsys.readouterr().err.endswith("y.webp: left out of x.jpg: IPTC data\n")


def test_nothing_is_said_where_nothing_is_left_out(enhance, tmp_path, capsys):
    pixels = np.full((12, 16, 3), 40, np.uint8)
    full = LoadedImage(pixels, xmp=b"<x/>", iptc=b"\x1c\x02\x78\0\1a", dpi=(300, 300))
    names = ("a.jpg", "b.png", "c.tif")
    for name in names:
        image_io.save_image(tmp_path / name, full)
    assert enhance(*(tmp_path / name for name in names), tmp_path / "out") == 0
    assert capsys.readouterr().err == ""
    for name in names:
        result = image_io.load_image(tmp_path / "out" / name)
        assert (result.xmp, result.iptc, result.dpi) == (full.xmp, full.iptc, full.dpi)
