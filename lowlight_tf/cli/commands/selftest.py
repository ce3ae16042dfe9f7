"""`lowlight-tf selftest`: does a model reproduce its golden output on this machine?"""

import argparse

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.options import model_file

HELP = "check on this machine that a model reproduces its golden output"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="shipped names, or .tflite files with their cards and golden pairs "
        "(default: all shipped models)",
    )
    parser.add_argument("--threads", type=int, default=2, help="processor threads")


def run(args: argparse.Namespace) -> int:
    """Test every model. Return 0 if all pass, else 1."""
    from lowlight_tf import checks
    from lowlight_tf.runtime import pretrained
    from lowlight_tf.runtime.golden import MIN_GOLDEN_DB, golden_db
    from lowlight_tf.runtime.litert_engine import LiteRTEngine
    from lowlight_tf.runtime.packed_engine import unpack_ports

    checks.check_min("threads", args.threads, 1)
    models = args.models or pretrained.list_pretrained()
    paths = [model_file(model) for model in models]
    failed = 0
    for model, path in zip(models, paths, strict=True):
        try:
            engine = unpack_ports(LiteRTEngine(path, threads=args.threads))
            psnr_db = golden_db(engine, path.with_suffix(".npz"))
            passed = psnr_db >= MIN_GOLDEN_DB
            result = (
                f"golden output reproduced to {psnr_db:.1f} dB, at least {MIN_GOLDEN_DB:.0f} needed"
            )
        except UsageError as error:
            passed, result = False, str(error)
        print(f"{'pass' if passed else 'FAIL'}  {model}: {result}")
        failed += not passed
    return 1 if failed else 0
