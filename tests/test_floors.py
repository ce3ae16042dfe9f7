"""The house keeps its floors: imports go down, and the field wing never meets TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "lowlight_tf"
FLOORS = (  # from the ground up; a room uses only rooms of lower lines
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
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
SAME_FLOOR = {  # within a floor: who may use whom
    ("fileio", "checks"),
    ("catalog", "metric_catalog"),
    ("losses", "models"),
    ("export", "evaluation"),
    ("pipeline", "runtime"),
    ("training", "evaluation"),
    ("training", "export"),
    ("tflite_graph", "model_card"),
}
WORKSHOP = {"layers", "losses", "models", "pipeline", "export", "training"}
FILES = {file.relative_to(HOUSE): file for file in HOUSE.rglob("*.py")}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("place", FILES, ids=str)
def test_imports_go_down(place):
    room = place.parts[0].removesuffix(".py")
    for name in imports(FILES[place]):
        package, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if package != "lowlight_tf" or other == room:
            continue
        if other not in FLOOR:  # a name of lowlight_tf/__init__.py itself
            other = "__init__"
        below = FLOOR[other] < FLOOR[room] or (room, other) in SAME_FLOOR
        assert below, f"{place} reaches up to {name}"


@pytest.mark.parametrize("place", [p for p in FILES if p.parts[0] == "models"], ids=str)
def test_what_saved_nets_are_made_of_lies_in_layers(place):
    # Whoever opens a saved net brings in the layers, and no model.
    assert "register_keras_serializable" not in FILES[place].read_text()


def test_the_field_wing_starts_without_tensorflow():
    field = [p for p in FILES if p.parts[0].removesuffix(".py") not in WORKSHOP | {"__main__"}]
    names = [".".join(("lowlight_tf", *p.with_suffix("").parts)) for p in field]
    code = "import importlib, sys; sys.modules.update(keras=None, tensorflow=None)\n"
    code += f"for name in {names}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code], check=True)
