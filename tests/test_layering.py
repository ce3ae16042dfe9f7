"""Imports only go to lower layers, and the runtime side never imports TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lowlight_tf"
LAYERS = (  # from the lowest; a package imports only packages of lower lines
    {"__init__", "checks", "constants", "fileio", "legacy_names"},
    {"contract", "crash_notes", "registry", "training_config"},
    {"model_card", "imaging", "layers", "tflite_graph"},
    {"config", "catalog", "metric_catalog", "classical", "metrics", "datasets", "models", "losses"},
    {"runtime", "pipeline"},
    {"video", "demo"},
    {"evaluation", "export", "training"},
    {"cli", "api"},
    {"__main__"},
)
LAYER = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}
SAME_LAYER = {  # within a layer: (importer, imported)
    ("fileio", "checks"),
    ("legacy_names", "checks"),
    ("catalog", "metric_catalog"),
    ("losses", "models"),
    ("export", "evaluation"),
    ("pipeline", "runtime"),
    ("training", "evaluation"),
    ("training", "export"),
    ("tflite_graph", "model_card"),
}
TRAINING_SIDE = {"layers", "losses", "models", "pipeline", "export", "training"}
FILES = {file.relative_to(PACKAGE): file for file in PACKAGE.rglob("*.py")}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_to_lower_layers(path):
    importer = path.parts[0].removesuffix(".py")
    for name in imports(FILES[path]):
        top, _, rest = name.partition(".")
        imported = rest.split(".")[0]
        if top != "lowlight_tf" or imported == importer:
            continue
        if imported not in LAYER:  # a name of lowlight_tf/__init__.py itself
            imported = "__init__"
        allowed = LAYER[imported] < LAYER[importer] or (importer, imported) in SAME_LAYER
        assert allowed, f"{path} must not import {name}, which is in a higher layer"


@pytest.mark.parametrize("path", [p for p in FILES if p.parts[0] == "models"], ids=str)
def test_classes_of_saved_models_are_defined_in_layers(path):
    # Loading a saved model imports the layers, and no architecture.
    assert "register_keras_serializable" not in FILES[path].read_text()


def test_the_runtime_side_imports_without_tensorflow():
    excluded = TRAINING_SIDE | {"__main__"}
    runtime_side = [path for path in FILES if path.parts[0].removesuffix(".py") not in excluded]
    names = [".".join(("lowlight_tf", *path.with_suffix("").parts)) for path in runtime_side]
    code = "import importlib, sys; sys.modules.update(keras=None, tensorflow=None)\n"
    code += f"for name in {names}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code], check=True)
