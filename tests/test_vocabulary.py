"""Names in the code are the standard terms of the field, not the former private words."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("lowlight_tf", "scripts", "benchmarks", "tflite", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FORMER = {  # word -> the standard term
    "beside": "sidecar, next to",
    "belt": "queue",
    "bent": "gamma",
    "critic": "discriminator",
    "critics": "discriminators",
    "dusk": "synthetic low light",
    "given": "inputs, args",
    "glance": "thumbnail",
    "glances": "thumbnails",
    "judge": "metric, monitor, reference detector",
    "judges": "metrics",
    "ladder": "sweep",
    "leveled": "normalized",
    "lit": "blended",
    "lone": "unpaired",
    "muster": "rendezvous",
    "net": "model",
    "nets": "models",
    "opponent": "discriminator",
    "picture": "image",
    "pictures": "images",
    "rung": "variant",
    "rungs": "variants",
    "seen": "inputs",
    "shadow": "clone",
    "share": "fraction",
    "shares": "fractions",
    "shown": "inputs, displayed",
    "tell": "report",
    "tells": "reports",
    "told": "reported",
    "twin": "pair, counterpart",
    "whole": "full, complete, untiled",
}
PROPER_NAMES = re.compile(r"dashcam_net|dashcamnet|nanodet|ladder$|(visible|infrared)_glance")
"""Names of architectures, of a verb of the command line, and of ports of shipped files."""
SENTENCE_WORDS = {"given", "share"}
"""Plain English in the names of tests, which are sentences."""
NO_PARTICIPLES = {  # -ed words that a function's name may begin with
    "embed",
    "guided",  # of guided_filter, a name in the catalog
    "infrared",
    "inverted",  # of inverted_dehaze, a name in the catalog
    "need",
    "pretrained",
    "seed",
    "speed",
}
METRIC_NAMES = {"clipped_fraction", "normalized_mutual_information"}
"""Metrics are named by nouns: the name in the catalog is that of the function."""


def names_of(tree):
    """Yield every name that a module defines, as (line, name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def decorator_name(node):
    """Return the last name of a decorator: "fixture" of `@pytest.fixture(scope="module")`."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "id", getattr(node, "attr", ""))


def words_of(name):
    """Split snake_case and CamelCase into lower-case words."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_is_one_of_the_former_private_words(path):
    found = []
    for line, name in names_of(ast.parse(path.read_text())):
        words = {word.lower() for word in words_of(PROPER_NAMES.sub("", name))}
        former = words & set(FORMER) - (SENTENCE_WORDS if "test" in words else set())
        found += [f"{line}: {name}: use {FORMER[word]}" for word in former]
    assert not found, "\n".join(sorted(set(found)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_named_by_verbs_and_not_by_participles(path):
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        decorators = {decorator_name(decorator) for decorator in node.decorator_list}
        first = (words_of(node.name) or [""])[0].lower()
        is_property = decorators & {"property", "cached_property", "fixture"}
        is_noun = is_property or node.name in METRIC_NAMES
        if first.endswith("ed") and first not in NO_PARTICIPLES and not is_noun:
            found.append(f"{node.lineno}: {node.name}")
    assert not found, "\n".join(found)
