"""A training run as plain data: read from TOML, written as TOML, every value checked."""

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.legacy_names import rename_recipe
from lowlight_tf.registry import closest_match
from lowlight_tf.training_config import DiscriminatorConfig, PipelineConfig, TrainingConfig

RECIPE_DIR = Path(__file__).parent / "recipes"
"""The recipes that come with the package, MODEL_DATASET.toml."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that a training run needs to be repeated.

    Attributes:
        model: A name of the catalog.
        data: Names of data sets, folders with `low/` and `high/`, or "embedded".
        data_root: Folder that holds the data sets named in `data`; "" for the current one.
        seed: Of weights, order and augmentation.
        options: Arguments of the function that builds the model.
        pipeline: How batches are made.
        losses: Loss -> weight.
        training: How the weights are found.
        discriminator: The model that this one is trained against, if any.
        preprocessing: What is done to the images of two cameras before the model gets them, in
            training and, from the card of the exported file, on the device.
    """

    model: str = "driving_unet"
    data: tuple[str, ...] = ("embedded",)
    data_root: str = ""
    seed: int = 1
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    pipeline: PipelineConfig = dataclasses.field(default_factory=PipelineConfig)
    losses: Mapping[str, float] = dataclasses.field(default_factory=lambda: {"charbonnier": 1.0})
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    discriminator: DiscriminatorConfig = dataclasses.field(default_factory=DiscriminatorConfig)
    preprocessing: PairPreprocessing = dataclasses.field(default_factory=PairPreprocessing)

    @classmethod
    def from_name(cls, name: str) -> "Recipe":
        """Read a recipe that comes with the package.

        Raises:
            UsageError: If none has this name; the closest names are offered.
        """
        known = [file.stem for file in RECIPE_DIR.glob("*.toml")]
        if name not in known:
            raise UsageError(
                f"No recipe is called {name!r}. Known: {closest_match(name, known)}. A .toml file "
                "is accepted too."
            )
        return cls.load(RECIPE_DIR / f"{name}.toml")

    @classmethod
    def load(cls, source: str | Path) -> "Recipe":
        """Read a recipe by name or from a TOML file, also of version 0.1.0.

        Raises:
            UsageError: If there is none, or it holds a key or value that no recipe has.
        """
        path = Path(source)
        if path.suffix != ".toml":
            return cls.from_name(str(source))
        try:
            # Paths that are not UTF-8 keep their bytes, see `fileio.write_text`.
            fields = tomllib.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
        except FileNotFoundError:
            raise UsageError(f"No recipe at {path}. Name a .toml file that exists.") from None
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path} is not TOML: {error}.") from None
        return _from_dict(cls, rename_recipe(fields), path.name)

    def dump(self) -> str:
        """Return the recipe as TOML that `load` reads back."""
        return "\n".join(_to_toml_lines(self.fields())) + "\n"

    def fields(self) -> dict[str, Any]:
        """Return the recipe as plain data, without the tables that say nothing."""
        fields = dataclasses.asdict(self)
        if not self.discriminator.model:
            del fields["discriminator"]
        if self.preprocessing == PairPreprocessing():
            del fields["preprocessing"]
        return fields

    def replace(self, settings: Sequence[str]) -> "Recipe":
        """Return the recipe with settings such as "training.steps=300" in place.

        The value is TOML; a bare word is taken as a string.

        Raises:
            UsageError: If a setting is no key=value, or the recipe has no such key.
        """
        fields = tomllib.loads(self.dump())
        fields.setdefault("discriminator", {"options": {}})
        fields.setdefault("preprocessing", {})
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise UsageError(f"A setting must be key=value. Received: {setting!r}.")
            *tables, last = key.strip().replace("-", "_").split(".")
            change: Any = {last: _parse_value(text.strip())}
            for table in reversed(tables):
                change = {table: change}
            change = rename_recipe(change)
            parent = fields
            for _ in tables:
                ((table, change),) = change.items()
                parent = parent.get(table)
                if not isinstance(parent, dict):
                    raise UsageError(f"A recipe has no table {table!r}. Received: {setting!r}.")
            parent.update(change)  # a value that is a table takes the place of the table
            if parent is fields["training"] and "steps" in change:
                parent["epochs"] = 0  # of two lengths the one that is said last counts
        return _from_dict(Recipe, fields, "the settings")


def _from_dict(kind: type, fields: Mapping[str, Any], source: str) -> Any:
    """Build a dataclass from plain fields, naming what does not fit."""
    known = {field.name: field.type for field in dataclasses.fields(kind)}
    for name in fields:
        if name not in known:
            raise UsageError(
                f"{source}: no key is called {name!r}. Known: {closest_match(name, known)}."
            )
    return kind(
        **{name: _coerce(known[name], value, name, source) for name, value in fields.items()}
    )


def _coerce(kind: Any, value: Any, name: str, source: str) -> Any:
    """Return `value` as `kind`; integers pass as floats, lists as tuples."""
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _from_dict(kind, value, source)
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is tuple:
        value = [value] if isinstance(value, str) else value
        right_length = Ellipsis in inner or (isinstance(value, list) and len(value) == len(inner))
        if isinstance(value, list) and right_length:
            return tuple(_coerce(inner[0], item, name, source) for item in value)
    elif origin is Mapping and isinstance(value, dict):
        return {key: _coerce(inner[1], item, key, source) for key, item in value.items()}
    elif origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif kind is Any or type(value) is origin:
        return value
    expected = kind if isinstance(kind, types.GenericAlias) else getattr(kind, "__name__", kind)
    raise UsageError(f"{source}: `{name}` must be of type {expected}. Received: {value!r}.")


def _to_toml_lines(fields: Mapping[str, Any], within: str = "") -> list[str]:
    """Return plain fields as lines of TOML, the tables among them last."""
    tables = {key: value for key, value in fields.items() if isinstance(value, dict)}
    lines = [_to_toml_line(key, value) for key, value in fields.items() if key not in tables]
    for key, table in tables.items():
        lines += ["", f"[{within}{key}]", *_to_toml_lines(table, f"{within}{key}.")]
    return lines


def _to_toml_line(key: str, value: Any) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
