"""The documentation forgets no verb, no module and no dataset, and shows no command that fails."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs import pages
from lowlight_tf.catalog import METRICS
from lowlight_tf.cli.main import COMMANDS, build_parser
from lowlight_tf.config import RECIPE_DIR as RECIPES
from lowlight_tf.config import Recipe
from lowlight_tf.datasets import dataset_card
from lowlight_tf.metrics import fidelity

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def made():
    return pages.pages()


def leaves(navigation):
    """Return the pages of a navigation, in order."""
    if isinstance(navigation, str):
        return [navigation]
    branches = navigation.values() if isinstance(navigation, dict) else navigation
    return [leaf for branch in branches for leaf in leaves(branch)]


def blocks(path, language):
    """Return the pieces of code of a document in one language."""
    text = path.read_text(encoding="utf-8")
    return [found[2] for found in BLOCK.finditer(text) if found[1] == language]


def shown(path):
    """Return the lines of a document that call lowlight-tf."""
    lines = "\n".join(blocks(path, "sh")).replace("\\\n", " ").splitlines()
    if path in GUIDES:  # elsewhere what stands in a sentence may be half a command
        lines += re.findall(r"`(lowlight-tf (?!VERB)\w+ [^`]+)`", path.read_text(encoding="utf-8"))
    return [line.strip() for line in lines if line.strip().startswith("lowlight-tf ")]


def test_every_page_is_in_the_navigation_once(made):
    written = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = leaves([*written, *pages.navigation()])
    there = [path.relative_to(ROOT / "docs").as_posix() for path in GUIDES]
    assert sorted(listed) == sorted([*there, *made])


def test_the_commands_page_prints_the_help_of_every_verb(made):
    page = made["reference/commands.md"]
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(COMMANDS)
    assert page.count("usage: lowlight-tf ") == len(COMMANDS)
    assert "--chessboard 9x6" in page
    printed = [line for found in BLOCK.finditer(page) for line in found[2].splitlines()]
    assert max(map(len, printed)) <= pages.WIDTH


def test_the_catalog_and_the_datasets_name_everything(made):
    assert all(f"[`{name}`]" in made["reference/catalog.md"] for name in METRICS)
    assert all(
        f"## {name} {{" in made["reference/datasets.md"] for name in dataset_card.list_datasets()
    )
    assert "`lol_v2_real/Real_captured/Train/Low`" in made["reference/datasets.md"]


def test_every_module_has_a_page(made):
    assert made["api/models/zero_dce.md"] == "::: lowlight_tf.models.zero_dce\n"
    assert made["api/contract.md"] == "::: lowlight_tf.contract\n"
    told = [line for line in made["api/index.md"].splitlines() if line.endswith("|  |")]
    assert told == []  # each says what it does


def test_documents_lead_to_pages_of_the_site(made):
    read_me = made["project/readme.md"]
    assert "](../before_after.png)" in read_me
    assert "](tflite.md)" in read_me
    assert "](contributing.md)" in read_me
    assert ".ipynb)" not in read_me  # no page: the text alone


@pytest.mark.parametrize(
    "path",
    [*GUIDES, ROOT / "README.md", ROOT / "tflite/README.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_every_command_that_is_shown_can_be_given(path):
    for line in shown(path):
        words = shlex.split(line, comments=True)
        try:
            args = build_parser().parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"{path.name}: {line}")
        for metric in (getattr(args, "metrics", None) or "").split(","):
            assert metric in ("", *METRICS), line
        for protocol in filter(None, (getattr(args, "protocol", None) or "").split(",")):
            fidelity.check_protocol(protocol)
        recipe = getattr(args, "recipe", None) or "FILE"
        assert recipe in ("FILE", "bend.toml") or (RECIPES / f"{recipe}.toml").is_file(), line
        if args.command == "download" and args.name != "NAME":
            dataset_card.get_dataset(args.name)


def test_the_card_of_the_guide_is_one(tmp_path):
    (text,) = blocks(ROOT / "docs/guides/datasets.md", "toml")
    path = tmp_path / "market.toml"
    path.write_text(text)
    assert dataset_card.get_dataset(str(path)).folders == {"high": "bright"}


def test_the_recipe_of_the_guide_is_one(tmp_path):
    (text,) = blocks(ROOT / "docs/guides/new_model.md", "toml")
    path = tmp_path / "bend.toml"
    path.write_text(text)
    recipe = Recipe.load(path)
    assert (recipe.model, recipe.training.steps) == ("bend", 200)


@pytest.mark.slow
def test_the_model_of_the_guide_is_built(rng):
    code, line = blocks(ROOT / "docs/guides/new_model.md", "python")
    room = {}
    exec(code, room)
    net = room["bend"]()
    low = rng.random((1, 4, 6, 3), dtype="float32")
    enhanced = net({"low": low})["enhanced"]
    assert enhanced.shape == low.shape
    assert 0 <= float(enhanced.numpy().min()) <= float(enhanced.numpy().max()) <= 1
    assert "lowlight_tf.models.bend:bend" in line


@pytest.mark.slow
def test_making_pages_loads_neither_arrays_nor_tensorflow():
    heavy = {"numpy", "cv2", "keras", "tensorflow", "lowlight_tf.imaging"}
    code = (
        "import sys; from docs import pages; pages.pages(); "
        f"sys.exit(bool({heavy!r} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
