"""The documentation covers every command, module and dataset, and its commands parse."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs import pages
from lowlight_tf import _ALIASES, legacy_names
from lowlight_tf.catalog import METRICS, Model
from lowlight_tf.cli.main import COMMANDS, build_parser
from lowlight_tf.config import RECIPE_DIR, Recipe
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets import dataset_card
from lowlight_tf.metrics import fidelity

ROOT = Path(__file__).parents[2]
WRITTEN_PAGES = sorted((ROOT / "docs").rglob("*.md"))
BENCHMARKS = sorted((ROOT / "docs/benchmarks").glob("*.md"))
MAX_README_LINES = 150
CODE_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


NUMBERS_ROW = re.compile(r"^\|.*\|[^|]*\d[^|]*\|", re.MULTILINE)
COMMAND = re.compile(r"(?:lowlight-tf|python) \w[^`\n]+")


@pytest.fixture(scope="module")
def generated():
    return pages.pages()


def leaves(navigation):
    """Return the pages of a navigation, in order."""
    if isinstance(navigation, str):
        return [navigation]
    branches = navigation.values() if isinstance(navigation, dict) else navigation
    return [leaf for branch in branches for leaf in leaves(branch)]


def code_blocks(path, language):
    """Return the code blocks of a document in one language."""
    text = path.read_text(encoding="utf-8")
    return [match[2] for match in CODE_BLOCK.finditer(text) if match[1] == language]


def commands(path):
    """Return the lines of a document that call lowlight-tf."""
    lines = "\n".join(code_blocks(path, "sh")).replace("\\\n", " ").splitlines()
    if path in WRITTEN_PAGES:  # in other documents, inline code may be half a command
        lines += re.findall(r"`(lowlight-tf (?!VERB)\w+ [^`]+)`", path.read_text(encoding="utf-8"))
    found = [line.strip() for line in lines if line.strip().startswith("lowlight-tf ")]
    return [line.partition(" |")[0] for line in found]  # up to a pipe


def split_names(value):
    """Return the names of a flag that takes a list, separated by spaces or commas."""
    words = [value] if isinstance(value, str) else value or ()
    return [name for word in words for name in word.split(",") if name]


def sections(path):
    """Return the sections of a document, each from its `##` heading: heading -> text."""
    _, *parts = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts}


def test_every_page_is_in_the_navigation_once(generated):
    written = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    navigation = pages.complete_navigation(written)
    paths = [path.relative_to(ROOT / "docs").as_posix() for path in WRITTEN_PAGES]
    assert sorted(leaves(navigation)) == sorted([*paths, *generated])


def test_the_navigation_has_six_sections():
    written = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    titles = [title for section in written for title in section]
    assert titles == ["Getting started", "Guides", "Concepts", "Benchmarks", "Reference", "Design"]
    assert set(pages.navigation()) <= set(titles)


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_README_LINES


@pytest.mark.parametrize(
    "path", [*BENCHMARKS, ROOT / "README.md"], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_numbers_stand_next_to_the_command_that_reproduces_them(path):
    tables = {heading: text for heading, text in sections(path).items() if NUMBERS_ROW.search(text)}
    assert tables
    for heading, text in tables.items():
        assert COMMAND.search(text), f"{path.name}: no command in the section {heading!r}"


def test_the_benchmarks_name_programs_that_exist():
    for path in BENCHMARKS:
        for program in re.findall(r"python (?:benchmarks/)?(\w+\.py)", path.read_text("utf-8")):
            assert (ROOT / "benchmarks" / program).is_file(), f"{path.name}: {program}"


def test_the_commands_page_prints_the_help_of_every_command(generated):
    page = generated["reference/commands.md"]
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(COMMANDS)
    assert page.count("usage: lowlight-tf ") == len(COMMANDS)
    assert "--chessboard 9x6" in page
    lines = [line for match in CODE_BLOCK.finditer(page) for line in match[2].splitlines()]
    assert max(map(len, lines)) <= pages.HELP_WIDTH


def test_the_catalog_and_the_datasets_name_everything(generated):
    assert all(f"[`{name}`]" in generated["reference/catalog.md"] for name in METRICS)
    assert all(
        f"## {name} {{" in generated["reference/datasets.md"]
        for name in dataset_card.list_datasets()
    )
    assert "`lol_v2_real/Real_captured/Train/Low`" in generated["reference/datasets.md"]


def test_every_module_has_a_page(generated):
    assert generated["api/models/zero_dce.md"] == "::: lowlight_tf.models.zero_dce\n"
    assert generated["api/contract.md"] == "::: lowlight_tf.contract\n"
    rows = [line for line in generated["api/index.md"].splitlines() if line.endswith("|  |")]
    assert rows == []  # each has a docstring


def test_the_former_names_are_complete(generated):
    page = generated["reference/former_names.md"]
    tables = [legacy_names.PIPELINE_KEYS, legacy_names.METRICS, _ALIASES]
    for old, new in (pair for table in tables for pair in table.items()):
        assert f"| `{old}` | `{new}` |" in page


def test_links_of_documents_lead_to_pages_of_the_site(generated):
    readme = generated["project/readme.md"]
    assert "](../before_after.png)" in readme
    assert "](../benchmarks/low_light.md)" in readme
    assert "](tflite.md)" in readme
    assert "](contributing.md)" in readme
    assert "](notebooks/)" not in readme  # not a page: replaced by its text


@pytest.mark.parametrize(
    "path",
    [*WRITTEN_PAGES, ROOT / "README.md", ROOT / "tflite/README.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_every_documented_command_parses(path):
    for line in commands(path):
        words = shlex.split(line, comments=True)
        try:
            args = build_parser().parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"{path.name}: {line}")
        for metric in split_names(getattr(args, "metrics", None)):
            assert metric in METRICS, line
        for protocol in split_names(getattr(args, "protocol", None)):
            fidelity.check_protocol(protocol)
        recipe = getattr(args, "recipe", None) or "FILE"
        assert recipe in ("FILE", "tone_curve.toml") or (RECIPE_DIR / f"{recipe}.toml").is_file(), (
            line
        )
        if args.command == "download" and args.name != "NAME":
            dataset_card.get_dataset(args.name)


def test_the_dataset_card_of_the_guide_is_valid(tmp_path):
    (text,) = code_blocks(ROOT / "docs/guides/datasets.md", "toml")
    path = tmp_path / "market.toml"
    path.write_text(text)
    assert dataset_card.get_dataset(str(path)).folders == {"high": "bright"}


def test_the_recipe_of_the_guide_is_valid(tmp_path):
    (text,) = code_blocks(ROOT / "docs/guides/new_model.md", "toml")
    path = tmp_path / "tone_curve.toml"
    path.write_text(text)
    recipe = Recipe.load(path)
    assert (recipe.model, recipe.training.steps) == ("tone_curve", 200)


@pytest.mark.slow
def test_the_model_of_the_guide_builds(rng):
    code, catalog = code_blocks(ROOT / "docs/guides/new_model.md", "python")
    namespace = {}
    exec(code, namespace)
    model = namespace["tone_curve"]()
    low = rng.random((1, 4, 6, 3), dtype="float32")
    enhanced = model({"low": low})["enhanced"]
    assert enhanced.shape == low.shape
    assert 0 <= float(enhanced.numpy().min()) <= float(enhanced.numpy().max()) <= 1
    namespace = {"Model": Model, "ENHANCE": ENHANCE, "Registry": lambda *_, **entries: entries}
    exec(catalog, namespace)
    assert namespace["MODELS"] == {
        "tone_curve": Model("lowlight_tf.models.tone_curve:tone_curve", ENHANCE)
    }


@pytest.mark.slow
def test_generating_pages_loads_neither_numpy_nor_tensorflow():
    heavy = {"numpy", "cv2", "keras", "tensorflow", "lowlight_tf.imaging"}
    code = (
        "import sys; from docs import pages; pages.pages(); "
        f"sys.exit(bool({heavy!r} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
