"""`lowlight-tf catalog`."""

import argparse

HELP = "catalog"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""


def run(args: argparse.Namespace) -> int:
    """Run it."""
    raise SystemExit("not yet")
