"""The public names of the package, used as the README does."""

import numpy as np
import pytest

import lowlight_tf as ll
from lowlight_tf.imaging.image_io import LoadedImage


@pytest.mark.parametrize("name", [*ll.__all__, *ll._ALIASES])
def test_every_public_name_exists(name):
    assert getattr(ll, name) is not None


def test_former_names_are_the_same_objects():
    assert ll.open_engine is ll.load_model
    assert ll.load is ll.load_image
    assert ll.Card is ll.ModelCard


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lod_image'"):
        _ = ll.lod_image


def test_models_and_metrics_are_listed_and_created_by_name():
    assert "dashcam_net" in ll.list_models()
    assert "dashcam_net_tiny" in ll.list_pretrained()
    assert {"psnr", "lpips", "vif"} <= set(ll.list_metrics())
    assert ll.create_model("can24", filters=4, depth=3).count_params() > 0
    with pytest.raises(ll.UsageError, match=r"has no option 'filterz'\. Known: filters"):
        ll.create_model("can24", filterz=4)


def test_a_metric_takes_the_output_first(rng):
    target = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    output = np.full_like(target, 128)
    assert ll.metric("psnr")(output, target) == pytest.approx(
        10 * np.log10(255**2 / np.square(target - 128.0).mean())
    )
    luma = target[..., :1].repeat(3, axis=2)
    visible, infrared = luma, np.full_like(luma, 9)
    swapped = ll.metric("scd")(visible, infrared, visible)
    assert swapped != ll.metric("scd")(infrared, infrared, visible)
    with pytest.raises(TypeError, match="psnr takes 2 images: enhanced, target"):
        ll.metric("psnr")(output)


def test_an_enhanced_array_is_saved_like_its_input(tmp_path, rng):
    pixels = rng.integers(0, 60, (24, 32, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (24, 32), dtype=np.uint8)
    exif = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    ll.save_image(tmp_path / "in.png", LoadedImage(pixels, alpha, exif=exif))
    image = ll.load_image(str(tmp_path / "in.png"))
    model = ll.load_model("gamma")
    bright = ll.enhance(model, image.pixels)
    ll.save_image(str(tmp_path / "out.png"), bright, like=image)
    saved = ll.load_image(tmp_path / "out.png")
    np.testing.assert_array_equal(saved.pixels, bright)
    np.testing.assert_array_equal(saved.alpha, alpha)
    assert saved.exif == image.exif
    ll.save_image(tmp_path / "float.png", np.float32(bright) / 255)
    np.testing.assert_array_equal(ll.load_image(tmp_path / "float.png").pixels, bright)


def test_a_recipe_is_read_by_name():
    assert ll.Recipe.from_name("dashcam_net_tiny").model == "dashcam_net"
