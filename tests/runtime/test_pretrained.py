"""The shipped models are complete, small, and match their names."""

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import pretrained

SIZES = ("nano", "tiny", "base")


def test_every_model_has_a_card_and_a_golden_pair_and_all_files_are_small():
    files = list(pretrained.MODEL_DIR.iterdir())
    for name in pretrained.list_pretrained():
        assert pretrained.find_pretrained(name).with_suffix(".npz") in files
    assert sum(file.stat().st_size for file in files) < 14e6  # of the wheel's 20 MB


def test_the_default_models_ship():
    defaults = {
        pretrained.default_model(),
        pretrained.default_model(raw=True),
        pretrained.default_model(cameras=True),
        pretrained.default_model(videos=True),
    }
    assert defaults <= set(pretrained.list_pretrained())


def test_did_fuse_ships_resizable_without_an_output_stretch():
    for end, quantization in (("", "float16"), ("_int8", "int8")):
        card = ModelCard.load(pretrained.find_pretrained(f"did_fuse{end}").with_suffix(".json"))
        assert (card.model, card.quantization) == ("did_fuse", quantization)
        assert card.contract.is_fusion
        assert card.resizable
        assert not card.preprocessing


def test_am_fusion_ships_for_one_frame_size_without_output_stretch():
    for end, quantization in (("", "float16"), ("_int8", "int8")):
        card = ModelCard.load(pretrained.find_pretrained(f"am_fusion{end}").with_suffix(".json"))
        assert (card.model, card.quantization) == ("am_fusion", quantization)
        assert card.contract.is_fusion
        assert not card.resizable
        assert not card.preprocessing.get("finish")


def test_the_raw_model_ships_resizable():
    for end, quantization in (("", "float16"), ("_int8", "int8")):
        card = ModelCard.load(
            pretrained.find_pretrained(f"attention_unet{end}").with_suffix(".json")
        )
        assert (card.model, card.quantization) == ("attention_unet", quantization)
        assert card.contract.is_raw
        assert card.contract.scale == 2
        assert card.resizable


@pytest.mark.parametrize("size", SIZES)
def test_each_size_ships_resizable_in_two_precisions(size):
    for end, quantization, dtype in (
        ("", "float16", "float32"),
        ("_int8", "int8", "uint8"),
    ):
        card = ModelCard.load(pretrained.find_pretrained(f"{size}{end}").with_suffix(".json"))
        assert (card.name, card.quantization) == (f"dashcam_net_{size}{end}", quantization)
        assert card.dtype == dtype
        assert card.resizable


def test_an_unknown_shipped_name_is_refused():
    with pytest.raises(UsageError, match="No shipped model is called 'tiney'"):
        pretrained.find_pretrained("tiney")
