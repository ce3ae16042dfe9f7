"""A flag's former names are accepted, and documented nowhere."""

import argparse

import pytest

from lowlight_tf.cli.options import add_flag


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="verb")
    add_flag(parser, "--crop-size", former=("--crop", "--side"), type=int, help="in pixels")
    group = parser.add_mutually_exclusive_group()
    add_flag(group, "--dry-run", former=("--rehearse",), action="store_true")
    group.add_argument("--resume", action="store_true")
    return parser


@pytest.mark.parametrize("flag", ["--crop-size", "--crop", "--side"])
def test_every_name_sets_the_same_attribute(flag, parser):
    assert parser.parse_args([flag, "7"]).crop_size == 7
    assert parser.parse_args([f"{flag}=7"]).crop_size == 7
    assert parser.parse_args([]).crop_size is None


def test_a_former_name_takes_part_in_its_group(parser, capsys):
    assert parser.parse_args(["--rehearse"]).dry_run is True
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--rehearse", "--resume"])
    assert "--resume: not allowed with argument --dry-run" in capsys.readouterr().err


def test_help_and_messages_show_todays_name_alone(parser, capsys):
    text = parser.format_help()
    assert "--crop-size CROP_SIZE" in text
    assert not any(name in text for name in ("--crop ", "--side", "--rehearse"))
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--crop=wide"])
    assert "argument --crop-size: invalid int value: 'wide'" in capsys.readouterr().err
