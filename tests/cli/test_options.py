"""Flags of several verbs: former names, lists, and the recorded command."""

import argparse
import shlex

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.main import ALIASES, COMMANDS, build_parser
from lowlight_tf.cli.options import (
    add_flag,
    command_line,
    image_sizes,
    split_names,
    split_numbers,
)

PARSER = build_parser()


@pytest.mark.parametrize("words", ["a,b,c", ["a,b,c"], ["a", "b", "c"], ["a,", "b,a", " c "]])
def test_a_list_is_separated_by_spaces_or_commas(words):
    assert split_names("flag", words) == ["a", "b", "c"]


@pytest.mark.parametrize("words", ["", [], [""], [","], [" , "]])
def test_an_empty_list_is_refused(words):
    with pytest.raises(UsageError, match="`flag` must name at least one, separated by spaces or"):
        split_names("flag", words)


def test_numbers_and_sizes_are_lists_too():
    assert split_numbers("threads", ["1,2", "4", "1"]) == [1, 2, 4]
    assert image_sizes(["400x600,8x16", "8X16"]) == [(400, 600), (8, 16)]


@pytest.mark.parametrize("words", [["0"], ["-1"], ["1", "two"], ["1.5"]])
def test_a_number_that_is_no_positive_integer_is_refused(words):
    with pytest.raises(UsageError, match="`threads` must be integers above zero"):
        split_numbers("threads", words)


@pytest.mark.parametrize(
    "line",
    [
        "export RUN --size 8x8 --quantize int8 float16",
        "export --size 8x8 --quantize int8 float16 RUN",
        "export --size=8x8 RUN --quantize int8 float16",
        "export --golden RUN --size 8x8 --quantize int8 float16",
        "export --size 8x8 --name night --quantize int8 float16 RUN",
        "export --quantize int8 float16 --size 8x8 --golden RUN",
    ],
)
def test_the_run_may_be_anywhere_among_list_flags(line):
    args = PARSER.parse_args(shlex.split(line))
    assert str(args.run) == "RUN"
    assert args.size == ["8x8"]
    assert args.quantize == ["int8", "float16"]


@pytest.mark.parametrize(
    ("line", "flag", "expected"),
    [
        ("export --size 8x8 RUN --quantize int8,float16", "quantize", ["int8,float16"]),
        ("resize --size 8x8,16x16 RUN", "size", ["8x8,16x16"]),
        ("benchmark --threads 1,2 RUN", "threads", ["1,2"]),
        ("benchmark RUN --threads 1 2", "threads", ["1", "2"]),
        ("ladder --quantize none RUN --size 8x8", "quantize", ["none"]),
    ],
)
def test_a_line_of_0_1_0_is_parsed_as_before(line, flag, expected):
    args = PARSER.parse_args(shlex.split(line))
    assert getattr(args, flag) == expected
    assert "RUN" in map(str, vars(args).values())


def test_a_missing_run_is_still_an_error(capsys):
    with pytest.raises(SystemExit):
        PARSER.parse_args(["export", "--size", "8x8"])
    assert "the following arguments are required: run" in capsys.readouterr().err


def test_sweep_is_an_alias_of_ladder():
    assert ALIASES == {"sweep": "ladder"}
    assert "sweep" not in COMMANDS
    sweep, former = (PARSER.parse_args([verb, "RUN", "--size=8x8"]) for verb in ("sweep", "ladder"))
    assert sweep.run_command == former.run_command


@pytest.mark.parametrize(
    "line",
    [
        "ladder RUN --size 8x8 --quantize none int8_qat --no-delegate --teacher 0 --metrics mae",
        "sweep 'a run' --size 8x8 --data 'a folder' --name=x",
    ],
)
def test_the_recorded_command_reproduces_the_run(line):
    args = PARSER.parse_args(shlex.split(line))
    repeated = command_line(args, positional=["run"])
    assert PARSER.parse_args(shlex.split(repeated)[1:]) == args
    assert repeated.startswith(f"lowlight-tf {line.split()[0]} ")


def test_flags_of_output_files_are_omitted_from_the_recorded_command():
    args = PARSER.parse_args(["ladder", "RUN", "--size=8x8", "--output=x", "--split=val"])
    line = command_line(args, positional=["run"], omit=["output"])
    assert "--output" not in line
    assert "--split val" in line


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
