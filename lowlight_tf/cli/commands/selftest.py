"""`lowlight-tf selftest`: does a net do on this machine what it did where it was made?"""

import argparse

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.options import model_file

HELP = "run the golden pair of a net on this machine: pass or fail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="shipped names or .tflite files with their cards and pairs (default: all that ship)",
    )
    parser.add_argument("--threads", type=int, default=2, help="processor threads")


def run(args: argparse.Namespace) -> int:
    """Test each net, all of them. Return 0 if every one passes, else 1."""
    from lowlight_tf import checks
    from lowlight_tf.runtime import pretrained
    from lowlight_tf.runtime.golden import MIN_GOLDEN_DB, golden_db
    from lowlight_tf.runtime.litert_engine import LiteRTEngine

    checks.check_min("threads", args.threads, 1)
    models = args.models or pretrained.list_pretrained()
    paths = [model_file(model) for model in models]
    failed = 0
    for model, path in zip(models, paths, strict=True):
        try:
            engine = LiteRTEngine(path, threads=args.threads)
            agreement = golden_db(engine, path.with_suffix(".npz"))
            passed = agreement >= MIN_GOLDEN_DB
            said = f"golden output reproduced to {agreement:.1f} dB, at least {MIN_GOLDEN_DB:.0f} needed"
        except UsageError as error:
            passed, said = False, str(error)
        print(f"{'pass' if passed else 'FAIL'}  {model}: {said}")
        failed += not passed
    return 1 if failed else 0
