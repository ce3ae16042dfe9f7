"""Generate the reference pages of the documentation from the code whenever the site is built.

A hook of MkDocs, see mkdocs.yml. Modules are parsed and not imported, except for the command line
and the catalog, which load neither NumPy nor TensorFlow.
"""

import ast
import os
import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from unittest import mock

from lowlight_tf import _ALIASES as ALIASES
from lowlight_tf import _EXPORTS as EXPORTS
from lowlight_tf import legacy_names
from lowlight_tf.catalog import BASELINES, LOSSES, METRICS, MODELS
from lowlight_tf.cli.main import COMMANDS, build_parser
from lowlight_tf.legacy_names import DATASET_FIELDS, rename_keys

ROOT = Path(__file__).parents[1]

DOCUMENTS = {
    "README.md": ("Getting started", "README"),
    "tflite/README.md": ("Guides", "Devices: Raspberry Pi, Linux, Android"),
    "lowlight_tf/runtime/models/README.md": ("Benchmarks", "Model cards"),
    "THIRD_PARTY_NOTICES.md": ("Reference", "Third-party notices"),
    "CONTRIBUTING.md": ("Design", "Contributing"),
    "CHANGELOG.md": ("Design", "Changelog"),
}
"""Documents of the repository that are also pages: path -> section and title in the navigation."""

FORMER_NAMES = {
    "RECIPE_TABLES": "Tables of recipes",
    "PIPELINE_KEYS": "Keys of `[pipeline]`",
    "TRAINING_KEYS": "Keys of `[training]`",
    "DISCRIMINATOR_KEYS": "Keys of `[discriminator]`",
    "PREPROCESSING_KEYS": "Keys of `[preprocessing]`",
    "MODEL_OPTIONS": "Keys of `[options]`",
    "LOSSES": "Losses",
    "METRICS": "Metrics",
    "PROTOCOLS": "Protocols",
    "SCHEDULES": "Learning rate schedules",
    "QUANTIZATIONS": "Quantizations",
    "CARD_FIELDS": "Fields of model cards",
    "PORT_FIELDS": "Fields of contracts",
    "DATASET_FIELDS": "Fields of dataset cards",
}
"""Tables of `legacy_names` -> their headings; tables without a heading here get their own name."""

HELP_WIDTH = 80  # characters per line of help text

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def pages() -> dict[str, str]:
    """Return path below docs/ -> Markdown, for every generated page."""
    return {
        "reference/commands.md": commands(),
        "reference/catalog.md": catalog(),
        "reference/datasets.md": datasets(),
        "reference/former_names.md": former_names(),
        "api/index.md": python_overview(),
        **{api_page(module): f"::: {module}\n" for module in modules()},
        **{document_page(source): document(source) for source in DOCUMENTS},
    }


def navigation() -> dict[str, list]:
    """Return the navigation entries of the generated pages: section of mkdocs.yml -> entries."""
    packages: dict[str, list] = {}
    for module in modules():
        _, *names = module.split(".")
        package = names[0] if len(names) > 1 else "lowlight_tf"
        packages.setdefault(package, []).append({".".join(names[1:] or names): api_page(module)})
    sections: dict[str, list] = {
        "Reference": [
            {"Commands": "reference/commands.md"},
            {"Catalog": "reference/catalog.md"},
            {"Datasets": "reference/datasets.md"},
            {"Former names of keys": "reference/former_names.md"},
            {
                "Python API": [
                    {"Overview": "api/index.md"},
                    *({name: packages[name]} for name in sorted(packages)),
                ]
            },
        ]
    }
    for source, (section, title) in DOCUMENTS.items():
        sections.setdefault(section, []).append({title: document_page(source)})
    return sections


def complete_navigation(written: Iterable[Mapping[str, list]]) -> list[dict[str, list]]:
    """Return the navigation of mkdocs.yml with the generated entries added to its sections."""
    generated = navigation()
    return [
        {title: [*entries, *generated.get(title, ())]}
        for section in written
        for title, entries in section.items()
    ]


def modules() -> dict[str, Path]:
    """Return the dotted names of all public modules -> their files."""
    found = {}
    for path in sorted((ROOT / "lowlight_tf").rglob("*.py")):
        if not path.name.startswith("_"):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = path
    return found


def api_page(module: str) -> str:
    """Return the page path of a module."""
    return f"api/{module.removeprefix('lowlight_tf.').replace('.', '/')}.md"


def document_page(source: str) -> str:
    """Return the page path of a document of the repository."""
    path = PurePosixPath(source.lower())
    name = path.parent.name if path.parent.name and path.stem == "readme" else path.stem
    return f"project/{name}.md"


def commands() -> str:
    """Return the help text of every command, as it is printed."""
    with mock.patch.dict(os.environ, {"COLUMNS": str(HELP_WIDTH)}):
        parsers = build_parser()._subparsers._group_actions[0].choices
        parts = [
            f"## {name}\n\n{_sentence(parsers[name].description)}\n\n"
            f"```text\n{parsers[name].format_help()}```\n"
            for name in COMMANDS
        ]
    return "\n".join(
        [
            "# Commands\n",
            "The output of `lowlight-tf VERB --help`. Flags accept hyphens or underscores, and `=` "
            "or a space before the value. Exit status: 0 on success, 1 if a check failed or some "
            "inputs could not be processed, 2 if nothing could be done. Flags and keys of earlier "
            "versions: [Former names](../cli_compat.md).\n",
            *parts,
        ]
    )


def catalog() -> str:
    """Return the tables of models, baselines, losses and metrics."""
    models = [
        [_api_link(name, MODELS.find(name).path), _ports(entry.inputs), _ports(entry.outputs)]
        for name, entry in ((name, MODELS.find(name).contract) for name in MODELS)
    ]
    baselines = [
        [_api_link(name, entry.path), _ports(entry.contract.inputs), _summary(entry.path)]
        for name, entry in ((name, BASELINES.find(name)) for name in BASELINES)
    ]
    losses = [
        [_api_link(name, entry.path), _code(entry.inputs), _summary(entry.path)]
        for name, entry in ((name, LOSSES.find(name)) for name in LOSSES)
    ]
    metrics = [
        [_api_link(name, m.path), _code(m.inputs), m.unit, m.direction, m.range_text, m.definition]
        for name, m in ((name, METRICS.find(name)) for name in METRICS)
    ]
    return "\n".join(
        [
            "# Catalog\n",
            "Every name that a flag or a recipe accepts. `lowlight-tf catalog` prints it, together "
            "with the datasets, the pretrained models and the recipes.\n",
            "## Models\n",
            *_table(("model", "inputs", "outputs"), models),
            "\n## Baselines\n",
            "Functions without trainable weights; `--model` accepts them as well.\n",
            *_table(("baseline", "inputs", "description"), baselines),
            "\n## Losses\n",
            *_table(("loss", "inputs", "description"), losses),
            "\n## Metrics\n",
            *_table(("metric", "inputs", "unit", "better", "range", "definition"), metrics),
        ]
    )


def datasets() -> str:
    """Return the contents of all dataset cards."""
    parts = []
    for path in sorted((ROOT / "lowlight_tf/datasets/cards").glob("*.toml")):
        card = rename_keys(tomllib.loads(path.read_text(encoding="utf-8")), DATASET_FIELDS)
        renamed = card.get("folders", {})
        ports = [renamed.get(port, port) for port in (*card["inputs"], card["target"]) if port]
        rows = [
            [f"`{name}`", str(split.get("count") or "not fixed"), _folders(path, split, ports)]
            for name, split in card["splits"].items()
        ]
        overlaps = [f"[`{name}`](#{name})" for name in card.get("overlaps", ())]
        parts += [
            f"## {path.stem} {{ #{path.stem} }}\n",
            f"{_sentence(card['title'])}\n",
            f"- Homepage: <{card['homepage']}>",
            f"- Reference: {_link_addresses(card['paper'])}",
            f"- Terms: {card['terms']}",
            *([f"- Shares scenes with {', '.join(overlaps)}: {_OVERLAP_RULE}"] if overlaps else []),
            f"\nDownload: {_link_addresses(_quote_paths(card['manual_download']))}\n",
            *_table(("split", "pairs", "folders"), rows),
            "",
        ]
    return "\n".join(
        [
            "# Datasets\n",
            "The dataset cards of the package. `lowlight-tf catalog datasets` lists them, "
            "`lowlight-tf download NAME --data-root ROOT` downloads those with an address and a "
            "checksum and prints instructions for the others, and `--check` compares a local copy "
            "with the card. How to use them: [guide](../guides/datasets.md).\n",
            *parts,
        ]
    )


def former_names() -> str:
    """Return the names of version 0.1.0 that are still read, with the current ones."""
    tables = {
        name: table
        for name, table in vars(legacy_names).items()
        if name.isupper() and isinstance(table, dict)
    }
    parts = ["\n## Python names\n", *_table(("0.1.0", "now"), _renamings(ALIASES))]
    for name in dict.fromkeys([*FORMER_NAMES, *tables]):
        title = FORMER_NAMES.get(name, name.replace("_", " ").capitalize())
        parts += [f"\n## {title}\n", *_table(("0.1.0", "now"), _renamings(tables.get(name, {})))]
    return "\n".join(
        [
            "# Former names of keys\n",
            "Recipes, cards, results and Python code of version 0.1.0 are read with these names, "
            "and `--set` accepts them; files are written with the current names. Flags: [Former "
            "names of commands and flags](../cli_compat.md). Modules and functions: [Renamed since "
            "0.1.0](../design/names.md).",
            *parts,
        ]
    )


def _renamings(table: Mapping[str, str]) -> list[list[str]]:
    return [[f"`{old}`", f"`{new}`"] for old, new in sorted(table.items())]


_OVERLAP_RULE = "a model trained on one must not be evaluated on the other."


def python_overview() -> str:
    """Return the overview of the Python API: the public names, and every module."""
    names = [
        [_api_link(name, path), _summary(path)]
        for name, path in (
            (name, _defined_in(f"lowlight_tf.{path}")) for name, path in EXPORTS.items()
        )
    ]
    files = [
        [f"[`{module}`]({api_page(module).removeprefix('api/')})", _first_line(_tree(module))]
        for module in modules()
    ]
    return "\n".join(
        [
            "# Python API\n",
            "`import lowlight_tf` is cheap: each public name is imported on first use, and only "
            "training and export load TensorFlow.\n",
            *_table(("name", "description"), names),
            "\n## All modules\n",
            *_table(("module", "description"), files),
        ]
    )


def document(source: str) -> str:
    """Return a document of the repository with its links rewritten to pages of the site.

    A link to a file that is not a page is replaced by its text.
    """
    source_folder = posixpath.dirname(source)
    page_folder = posixpath.dirname(document_page(source))

    def rewrite(match: re.Match[str]) -> str:
        image, text, target, anchor = match.group("image", "text", "target", "anchor")
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        target = posixpath.normpath(posixpath.join(source_folder, target))
        if target in DOCUMENTS:
            page = document_page(target)
        elif target.startswith("docs/"):
            page = target.removeprefix("docs/")
        else:
            return text
        return f"{image}[{text}]({posixpath.relpath(page, page_folder)}{anchor or ''})"

    return LINK.sub(rewrite, (ROOT / source).read_text(encoding="utf-8"))


def on_config(config):
    """Complete the navigation (called by MkDocs)."""
    config.nav = complete_navigation(config.nav)
    return config


def on_files(files, config):
    """Add the generated pages (called by MkDocs)."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return ast.parse(file.read_text(encoding="utf-8"))


def _summary(path: str) -> str:
    """Return the first line of the docstring of "package.module:object"."""
    module, _, name = path.partition(":")
    body = _tree(module).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if getattr(node, "name", "") == name:
            return _first_line(node)
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            return after.value.value
    raise LookupError(f"{path} does not exist or has no docstring")


def _defined_in(path: str) -> str:
    """Return "package.module:object" of the module that defines an object, not re-exports it."""
    module, _, name = path.partition(":")
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return _defined_in(f"{node.module}:{name}")
    return path


def _first_line(node: ast.AST) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _api_link(name: str, path: str) -> str:
    return f"[`{name}`][{path.replace(':', '.')}]"


def _ports(ports: Iterable) -> str:
    return _code(port.name for port in ports)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    ]


def _folders(path: Path, split: Mapping, ports: Iterable[str]) -> str:
    folders = (posixpath.join(path.stem, split.get("folder", "."), port) for port in ports)
    return _code(posixpath.normpath(folder) for folder in folders)


def _link_addresses(text: str) -> str:
    return re.sub(r"https?://[^\s,;)]*[^\s,;.)]", r"<\g<0>>", text)


def _quote_paths(text: str) -> str:
    return re.sub(r'"?ROOT/[^\s,;"]*[^\s,;."](?: data/[^\s,;"]*)?"?', _as_code, text)


def _as_code(match: re.Match[str]) -> str:
    return f"`{match[0].strip(chr(34))}`"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
