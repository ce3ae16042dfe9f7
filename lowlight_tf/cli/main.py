"""`lowlight-tf`: one parser, one module per verb."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from lowlight_tf import __version__
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import escape_unencodable, warn
from lowlight_tf.registry import closest_match

COMMANDS = (
    "train",
    "evaluate",
    "compare",
    "report",
    "enhance",
    "calibrate",
    "export",
    "resize",
    "ladder",
    "verify",
    "selftest",
    "benchmark",
    "demo",
    "catalog",
    "download",
)

ALIASES = {"sweep": "ladder"}
"""Second name of a verb -> the verb."""

EXTRAS = {"imgaug": "augment", "rawpy": "raw", "av": "video", "ray": "ray"}
"""Module -> the extra that installs it; any other belongs to [train]."""


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Show defaults, but not where there is none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, []) or "default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


class StoreAll(argparse.Action):
    """Store a value; a list flag that is written twice takes the values of both."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Set the attribute, or append to what this command line has already set."""
        earlier = getattr(namespace, self.dest, self.default)
        if option_string and self.nargs in ("+", "*") and earlier is not self.default:
            values = [*earlier, *values]
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, and accepts no abbreviated flags."""

    def __init__(self, **options) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", Formatter)
        super().__init__(**options)
        self.register("action", None, StoreAll)

    def parse_known_args(self, args=None, namespace=None):
        """Parse; the last word after a list flag may be the positional argument."""
        words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(self._move_positional_first(words), namespace)

    def _move_positional_first(self, words: list[str]) -> list[str]:
        """Return `export --size 8x8 RUN` as `export RUN --size 8x8`.

        Without this, a flag with `nargs="+"` would consume the positional argument of a line that
        was written for a flag of one word.
        """
        if not any(not action.option_strings and action.nargs is None for action in self._actions):
            return words
        nargs, count, last = 0, 0, None
        for index, word in enumerate(words):
            if word.startswith("-"):
                flag = self._option_string_actions.get(word)  # None for --flag=value
                nargs, count = 0 if flag is None else 1 if flag.nargs is None else flag.nargs, 0
                continue
            count += 1
            if nargs == "+":
                last = index if count > 1 else last
            elif nargs != 1 or count > 1:
                return words  # this is the positional argument
        return words if last is None else [words[last], *words[:last], *words[last + 1 :]]

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the command line, and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}. See `{self.prog} --help`.\n")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs. Nothing heavy is imported for it."""
    top = Parser(
        prog="lowlight-tf", description="Low-light image enhancement: train, evaluate, deploy."
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = top.add_subparsers(dest="command", required=True, metavar="VERB", parser_class=Parser)
    for name in COMMANDS:
        command = importlib.import_module(f"lowlight_tf.cli.commands.{name}")
        aliases = [alias for alias, verb in ALIASES.items() if verb == name]
        verb = verbs.add_parser(name, aliases=aliases, help=command.HELP, description=command.HELP)
        command.add_arguments(verb)
        verb.set_defaults(run_command=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the command line) names; return its exit status.

    Flags may be written with hyphens or underscores. Status 0 is success, 1 a check that failed or
    an input that failed among others, 2 a command that could not be carried out.
    """
    escape_unencodable()
    words = [_with_hyphens(word) for word in (sys.argv[1:] if argv is None else argv)]
    verbs = (*COMMANDS, *ALIASES)
    if words and not words[0].startswith("-") and words[0] not in verbs:
        known = closest_match(words[0], verbs)
        print(f"lowlight-tf: no verb is called {words[0]!r}. Known: {known}.", file=sys.stderr)
        return 2
    args = build_parser().parse_args(words)
    try:
        status = args.run_command(args)
        print(end="", flush=True)  # a closed output must be noticed here
        return status
    except UsageError as error:
        warn(args.command, str(error))
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lowlight_tf"):
            raise
        extra = EXTRAS.get(error.name, "train")
        warn(
            args.command,
            f"needs the package {error.name!r}, which is not installed. "
            f"Run: pip install 'lowlight_tf[{extra}]'",
        )
        return 2
    except KeyboardInterrupt:
        warn(args.command, "interrupted")
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at exit
        return 128 + signal.SIGPIPE
    except OSError as error:  # no space left, no permission, a disk that is gone
        reason = error.strerror or error
        warn(args.command, f"{error.filename}: {reason}." if error.filename else f"{reason}.")
        return 2


def _with_hyphens(word: str) -> str:
    """Return a flag with hyphens for underscores, its value unchanged."""
    if not word.startswith("--"):
        return word
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value


if __name__ == "__main__":
    sys.exit(main())
