"""Pages that are made whenever the site is built, so that none is forgotten and none grows old.

A hook of MkDocs, see mkdocs.yml. The reference of modules is read from their text; imported are the
command line and the catalog alone, which load neither arrays nor TensorFlow.
"""

import ast
import os
import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from unittest import mock

from lowlight_tf import _FACE as FACE
from lowlight_tf.catalog import BASELINES, LOSSES, METRICS, MODELS
from lowlight_tf.cli.main import COMMANDS, build_parser

ROOT = Path(__file__).parents[1]

DOCUMENTS = {
    "README.md": "Read me",
    "tflite/README.md": "On a device",
    "lowlight_tf/runtime/models/README.md": "Nets that ship",
    "CHANGELOG.md": "Changes",
    "CONTRIBUTING.md": "How to work on it",
    "THIRD_PARTY_NOTICES.md": "Notices",
}
"""Documents of the repository that are pages, too, and what the navigation calls them."""

WIDTH = 80  # characters of a line of help

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def pages() -> dict[str, str]:
    """Return path below docs/ -> Markdown, for every page that is made."""
    return {
        "reference/commands.md": commands(),
        "reference/catalog.md": catalog(),
        "reference/datasets.md": datasets(),
        "api/index.md": face(),
        **{api_page(module): f"::: {module}\n" for module in modules()},
        **{document_page(source): document(source) for source in DOCUMENTS},
    }


def navigation() -> list[dict]:
    """Return what mkdocs.yml leaves out of its navigation."""
    rooms: dict[str, list] = {}
    for module in modules():
        _, *rest = module.split(".")
        room = rest[0] if len(rest) > 1 else "ground"
        rooms.setdefault(room, []).append({rest[-1]: api_page(module)})
    return [
        {
            "Reference": [
                {"Commands": "reference/commands.md"},
                {"Catalog": "reference/catalog.md"},
                {"Datasets": "reference/datasets.md"},
            ]
        },
        {
            "Python": [
                {"Overview": "api/index.md"},
                *({name: rooms[name]} for name in sorted(rooms)),
            ]
        },
        {"Project": [{name: document_page(source)} for source, name in DOCUMENTS.items()]},
    ]


def modules() -> dict[str, Path]:
    """Return the dotted names of all public modules -> their files."""
    found = {}
    for path in sorted((ROOT / "lowlight_tf").rglob("*.py")):
        if not path.name.startswith("_"):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = path
    return found


def api_page(module: str) -> str:
    """Return the page of a module."""
    return f"api/{module.removeprefix('lowlight_tf.').replace('.', '/')}.md"


def document_page(source: str) -> str:
    """Return the page of a document of the repository."""
    path = PurePosixPath(source.lower())
    name = path.parent.name if path.parent.name and path.stem == "readme" else path.stem
    return f"project/{name}.md"


def commands() -> str:
    """Return the help of every verb, as it is printed."""
    with mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH)}):
        verbs = build_parser()._subparsers._group_actions[0].choices
        parts = [
            f"## {verb}\n\n{_sentence(verbs[verb].description)}\n\n"
            f"```text\n{verbs[verb].format_help()}```\n"
            for verb in COMMANDS
        ]
    return "\n".join(
        [
            "# Commands\n",
            "What `lowlight-tf VERB --help` prints. Flags take hyphens or underscores, `=` or a "
            "space. The status is 0 if all went well, 1 if a check did not hold or an input among "
            "others failed, 2 if nothing could be done.\n",
            *parts,
        ]
    )


def catalog() -> str:
    """Return the tables of models, baselines, losses and metrics."""
    models = [
        [_linked(name, MODELS.find(name).path), _ports(entry.inputs), _ports(entry.outputs)]
        for name, entry in ((name, MODELS.find(name).contract) for name in MODELS)
    ]
    baselines = [
        [_linked(name, entry.path), _ports(entry.contract.inputs), _summary(entry.path)]
        for name, entry in ((name, BASELINES.find(name)) for name in BASELINES)
    ]
    losses = [
        [_linked(name, entry.path), _code(entry.inputs), _summary(entry.path)]
        for name, entry in ((name, LOSSES.find(name)) for name in LOSSES)
    ]
    metrics = [
        [_linked(name, m.path), _code(m.inputs), m.unit, m.direction, m.range_text, m.definition]
        for name, m in ((name, METRICS.find(name)) for name in METRICS)
    ]
    return "\n".join(
        [
            "# Catalog\n",
            "Every name that a flag or a recipe may ask for. `lowlight-tf catalog` prints it, with "
            "the datasets, the nets that ship and the recipes.\n",
            "## Models\n",
            *_table(("model", "takes", "gives"), models),
            "\n## Baselines\n",
            "Functions that have nothing to learn; `--model` takes them, too.\n",
            *_table(("baseline", "takes", "what it does"), baselines),
            "\n## Losses\n",
            *_table(("loss", "of", "what it is"), losses),
            "\n## Metrics\n",
            *_table(("metric", "of", "unit", "better", "range", "definition"), metrics),
        ]
    )


def datasets() -> str:
    """Return what the cards of all datasets say."""
    parts = []
    for path in sorted((ROOT / "lowlight_tf/datasets/cards").glob("*.toml")):
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        called = card.get("folders", {})
        sides = [called.get(side, side) for side in (*card["inputs"], card["target"]) if side]
        rows = [
            [f"`{name}`", str(split.get("count") or "not fixed"), _places(path, split, sides)]
            for name, split in card["splits"].items()
        ]
        overlaps = [f"[`{name}`](#{name})" for name in card.get("overlaps", ())]
        parts += [
            f"## {path.stem} {{ #{path.stem} }}\n",
            f"{_sentence(card['title'])}\n",
            f"- Home: <{card['homepage']}>",
            f"- Reference: {_links(card['paper'])}",
            f"- Terms: {card['terms']}",
            *([f"- Shows scenes of {', '.join(overlaps)}, too: {_WARNED}"] if overlaps else []),
            f"\nHow to get it: {_links(_quoted(card['manual_download']))}\n",
            *_table(("split", "pairs", "folders"), rows),
            "",
        ]
    return "\n".join(
        [
            "# Datasets\n",
            "What is known of each dataset: `lowlight-tf catalog datasets` lists them, "
            "`lowlight-tf download NAME --data-root ROOT` fetches what has an address and a "
            "checksum and says what to do by hand, and `--check` compares what is there with the "
            "card. How to use them: [guide](../guides/datasets.md).\n",
            *parts,
        ]
    )


_WARNED = "what learned from one must not be judged by the other."


def face() -> str:
    """Return the overview of the Python side: the public face, and every module."""
    rows = [
        [f"[`{name}`][lowlight_tf.{module}.{name}]", _summary(f"lowlight_tf.{module}:{name}")]
        for name, module in FACE.items()
    ]
    rooms = [
        [f"[`{module}`]({api_page(module).removeprefix('api/')})", _first_line(_tree(module))]
        for module in modules()
    ]
    return "\n".join(
        [
            "# Python\n",
            "`import lowlight_tf` costs nothing: each of these names is loaded when it is first "
            "used, and only what trains or exports loads TensorFlow.\n",
            *_table(("name", "what it is"), rows),
            "\n## All modules\n",
            *_table(("module", "what it does"), rooms),
        ]
    )


def document(source: str) -> str:
    """Return a document of the repository, its links leading to pages of the site.

    A link to a file that is no page is left out, its text stays.
    """
    home = posixpath.dirname(source)
    here = posixpath.dirname(document_page(source))

    def led(found: re.Match[str]) -> str:
        image, text, target, anchor = found.group("image", "text", "target", "anchor")
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        target = posixpath.normpath(posixpath.join(home, target))
        if target in DOCUMENTS:
            place = document_page(target)
        elif target.startswith("docs/"):
            place = target.removeprefix("docs/")
        else:
            return text
        return f"{image}[{text}]({posixpath.relpath(place, here)}{anchor or ''})"

    return LINK.sub(led, (ROOT / source).read_text(encoding="utf-8"))


def on_config(config):
    """Complete the navigation (called by MkDocs)."""
    config.nav += navigation()
    return config


def on_files(files, config):
    """Add the pages that are made (called by MkDocs)."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return ast.parse(file.read_text(encoding="utf-8"))


def _summary(path: str) -> str:
    """Return the first line of what "package.module:object" says of itself."""
    module, _, name = path.partition(":")
    body = _tree(module).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if getattr(node, "name", "") == name:
            return _first_line(node)
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            return after.value.value
    raise LookupError(f"{path} is not there, or says nothing of itself")


def _first_line(node: ast.AST) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _linked(name: str, path: str) -> str:
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


def _places(path: Path, split: Mapping, sides: Iterable[str]) -> str:
    places = (posixpath.join(path.stem, split.get("folder", "."), side) for side in sides)
    return _code(posixpath.normpath(place) for place in places)


def _links(text: str) -> str:
    return re.sub(r"https?://[^\s,;)]*[^\s,;.)]", r"<\g<0>>", text)


def _quoted(text: str) -> str:
    return re.sub(r'"?ROOT/[^\s,;"]*[^\s,;."](?: data/[^\s,;"]*)?"?', _as_code, text)


def _as_code(found: re.Match[str]) -> str:
    return f"`{found[0].strip(chr(34))}`"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
