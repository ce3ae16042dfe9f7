"""Packages import from lower layers only, and the runtime side never imports TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lowlight_tf"
LAYERS = (  # from the lowest; a module or subpackage imports those of lower layers only
    {"__init__", "checks", "constants", "fileio", "legacy_names"},
    {"contract", "registry", "training_config"},
    {"model_card", "imaging", "layers", "tflite_graph"},
    {"config", "catalog", "metric_catalog", "classical", "metrics", "datasets", "models", "losses"},
    {"runtime", "pipeline"},
    {"video", "demo"},
    {"evaluation", "export", "training"},
    {"cli", "api"},
    {"__main__"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
WITHIN_LAYER = {  # (importer, imported) of the same layer
    ("fileio", "checks"),
    ("catalog", "metric_catalog"),
    ("losses", "models"),
    ("export", "evaluation"),
    ("pipeline", "runtime"),
    ("training", "evaluation"),
    ("training", "export"),
    ("tflite_graph", "model_card"),
}
NEEDS_KERAS = {"layers", "losses", "models", "pipeline", "export", "training"}
MODULES = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.py")}


def list_imports(path):
    """Yield the full names that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_import_from_lower_layers_only(module):
    importer = module.parts[0].removesuffix(".py")
    for name in list_imports(MODULES[module]):
        package, _, rest = name.partition(".")
        imported = rest.split(".")[0]
        if package != "lowlight_tf" or imported == importer:
            continue
        if imported not in LAYER_OF:  # a name of lowlight_tf/__init__.py itself
            imported = "__init__"
        is_lower = LAYER_OF[imported] < LAYER_OF[importer]
        assert is_lower or (importer, imported) in WITHIN_LAYER, f"{module} must not import {name}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.parts[0] == "models"], ids=str)
def test_serializable_classes_of_saved_models_are_in_layers(module):
    # To load a saved model, only the layers are imported, and no architecture.
    assert "register_keras_serializable" not in MODULES[module].read_text()


def test_the_runtime_side_is_imported_without_tensorflow():
    modules = [
        m for m in MODULES if m.parts[0].removesuffix(".py") not in NEEDS_KERAS | {"__main__"}
    ]
    names = [".".join(("lowlight_tf", *module.with_suffix("").parts)) for module in modules]
    code = "import importlib, sys; sys.modules.update(keras=None, tensorflow=None)\n"
    code += f"for name in {names}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code], check=True)
