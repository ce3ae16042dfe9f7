"""`lowlight-tf catalog` names everything that can be asked for."""

import json

import pytest

from lowlight_tf.catalog import LOSSES, METRICS, MODELS
from lowlight_tf.cli.main import main
from lowlight_tf.config import FOLDER
from lowlight_tf.datasets import card
from lowlight_tf.runtime import pretrained

NAMES = {
    "models": set(MODELS),
    "losses": set(LOSSES),
    "metrics": set(METRICS),
    "datasets": {"embedded", *card.names()},
    "nets": set(pretrained.names()),
    "recipes": {path.stem for path in FOLDER.glob("*.toml")},
}


@pytest.mark.parametrize("kind", NAMES)
def test_every_name_is_listed(kind, capsys):
    assert main(["catalog", kind, "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in tables[kind]} == NAMES[kind]
    assert list(tables) == [kind]


def test_the_tables_say_what_matters(capsys):
    assert main(["catalog"]) == 0
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines() if line[0] != " "] == list(NAMES)
    assert "low (3, srgb)" in said
    assert "train 401, val 30, test 15" in said
    assert "CC BY-NC 4.0" in said
    assert "target, enhanced" in said


def test_an_unknown_kind_is_refused(capsys):
    assert main(["catalog", "cats"]) == 2
    assert "models" in capsys.readouterr().err
