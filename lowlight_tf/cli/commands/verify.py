"""`lowlight-tf verify`: is a .tflite file what its card says, and does a GPU take it whole?"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from lowlight_tf.checks import UsageError

HELP = "check .tflite files: card, golden output, Keras, and the real GPU delegate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("files", nargs="+", type=Path, help=".tflite files, each with its card")
    parser.add_argument(
        "--run", type=Path, help="run folder to compare with (the one around the file if absent)"
    )
    parser.add_argument(
        "--require-delegate",
        action="store_true",
        help="fail where no Vulkan driver lets the GPU delegate run",
    )


def run(args: argparse.Namespace) -> int:
    """Check each file, all of them. Return 0 if everything holds, else 1."""
    for path in args.files:
        if path.suffix != ".tflite" or not path.is_file():
            raise UsageError(f"`files` must be .tflite files that exist. Received: {path}.")
    failed = 0
    for path in args.files:
        print(path)
        try:
            for holds, line in check_file(path, args.run, require_delegate=args.require_delegate):
                print(f"  {'ok    ' if holds else 'FAILED' if holds is False else 'open  '} {line}")
                failed += holds is False
        except UsageError as error:
            print(f"  FAILED {error}")
            failed += 1
    return 1 if failed else 0


def check_file(
    path: Path, run: Path | None, *, require_delegate: bool = False
) -> Iterator[tuple[bool | None, str]]:
    """Check one file.

    Args:
        path: The .tflite file.
        run: Run folder that it came from, or None to look around the file.
        require_delegate: A missing Vulkan driver is a failure.

    Yields:
        Whether a check holds (None where it could not be made), and a line on it.
    """
    from lowlight_tf.export import calibration_data, parity
    from lowlight_tf.runtime import golden
    from lowlight_tf.runtime.litert_engine import LiteRTEngine

    engine = LiteRTEngine(path)
    card = engine.card
    yield True, "card: checksum, ports and types are the file's"

    pair = path.with_suffix(".npz")
    if pair.is_file():
        agreement = golden.golden_db(engine, pair)
        yield agreement >= golden.MIN_GOLDEN_DB, f"golden output: reproduced to {agreement:.1f} dB"

    run = run or next((p for p in path.resolve().parents[:2] if _is_run(p)), None)
    sources = calibration_data.calibration_images(
        card.contract, run=run, max_images=4, preprocessing=engine.preparation
    )
    compared = calibration_data.parity_samples(sources, card.contract, (card.height, card.width))
    if run:
        from lowlight_tf.export.exporter import load_run

        options = [f"options.{key}={json.dumps(value)}" for key, value in card.options.items()]
        _, reference = load_run(run, options)  # the file may be of other ones than the run
        least = parity.MIN_PARITY_DB[card.quantization]
        floats = [calibration_data.batch_as_float32(picture) for picture in compared]
        agreement = parity.parity_db(reference, engine, floats)
        yield (
            agreement >= least,
            f"Keras: {agreement:.1f} dB from {run} (at least {least:.0f})",
        )
    else:
        yield None, "Keras: not compared; name the run folder with --run"
    if card.quantization == "int16x8":
        yield None, "GPU delegate: not run; it has no 16-bit integers. Take float16 or int8 there"
    else:
        yield _check_delegate(path, compared[0], card.dtype, require_delegate)


def _is_run(folder: Path) -> bool:
    return (folder / "model.keras").is_file()


def _check_delegate(path, images, dtype: str, require_delegate: bool) -> tuple[bool | None, str]:
    from lowlight_tf.export import calibration_data, gpu_delegate

    images = images if dtype == "uint8" else calibration_data.batch_as_float32(images)
    try:
        proof = gpu_delegate.check_gpu_delegate(path, images)
    except gpu_delegate.VulkanUnavailableError as error:
        return (False if require_delegate else None), f"GPU delegate: not run. {error}"
    except RuntimeError as error:
        return False, f"GPU delegate: {error}"
    if proof.unsupported_ops:
        lines = "\n           ".join((proof.summary, *proof.unsupported_ops))
        return False, f"GPU delegate ({proof.device}): {lines}"
    return True, (
        f"GPU delegate ({proof.device}): takes every operation; differs from the CPU by at most "
        f"{proof.max_difference:.1e}, {proof.psnr_db:.1f} dB"
    )
