"""`lowlight-tf verify`: check .tflite files against card, golden pair, Keras, GPU and NPU."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError

if TYPE_CHECKING:
    from lowlight_tf.runtime.engine import Images

STATUS = {True: "ok    ", False: "FAILED", None: "open  "}

HELP = "check .tflite files: card, golden output, parity with Keras, real GPU delegate, NPUs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("files", nargs="+", type=Path, help=".tflite files, each with its card")
    parser.add_argument(
        "--run", type=Path, help="run folder to compare with (default: the parent folder)"
    )
    parser.add_argument(
        "--require-delegate",
        action="store_true",
        help="fail if there is no Vulkan driver for the GPU delegate",
    )


def run(args: argparse.Namespace) -> int:
    """Check every file. Return 0 if all checks pass, else 1."""
    for path in args.files:
        if path.suffix != ".tflite" or not path.is_file():
            raise UsageError(f"`files` must be .tflite files that exist. Received: {path}.")
    failed = 0
    for path in args.files:
        print(path)
        try:
            for passed, line in check_file(path, args.run, require_delegate=args.require_delegate):
                print(f"  {STATUS[passed]} {line}")
                failed += passed is False
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
        run: Run folder that it was exported from, or None to search the parent folders.
        require_delegate: A missing Vulkan driver is a failure.

    Yields:
        Whether a check passed (None if it was not run), and a line of text about it.
    """
    from lowlight_tf.export import calibration_data, parity
    from lowlight_tf.runtime import golden
    from lowlight_tf.runtime.litert_engine import LiteRTEngine
    from lowlight_tf.runtime.packed_engine import pack_images, unpack_ports

    engine = unpack_ports(LiteRTEngine(path))
    card = engine.card
    yield True, "card: checksum, ports and types agree with the file"

    pair = path.with_suffix(".npz")
    if pair.is_file():
        psnr_db = golden.golden_db(engine, pair)
        yield psnr_db >= golden.MIN_GOLDEN_DB, f"golden output: reproduced to {psnr_db:.1f} dB"

    run = run or next((p for p in path.resolve().parents[:2] if _is_run(p)), None)
    images = calibration_data.calibration_images(
        engine.contract, run=run, max_images=4, preprocessing=engine.preprocessing
    )
    batches = calibration_data.parity_samples(images, engine.contract, (card.height, card.width))
    floats = [calibration_data.batch_as_float32(batch, engine.contract) for batch in batches]
    if run:
        from lowlight_tf.export.exporter import load_run

        options = [f"options.{key}={json.dumps(value)}" for key, value in card.options.items()]
        _, reference = load_run(run, options)  # the file's options may differ from the run's
        min_parity_db = parity.MIN_PARITY_DB[card.quantization]
        parity_db = parity.parity_db(reference, engine, floats)
        yield (
            parity_db >= min_parity_db,
            f"Keras: {parity_db:.1f} dB from {run} (at least {min_parity_db:.0f})",
        )
    else:
        yield None, "Keras: not compared; name the run folder with --run"
    inputs = pack_images(batches[0] if card.dtype == "uint8" else floats[0], card.contract)
    yield from _check_other_runtimes(path, inputs, card.quantization)
    if card.quantization == "int16x8":
        yield None, "GPU delegate: not run; it has no 16-bit integers. Use float16 or int8 on a GPU"
    else:
        yield _check_delegate(path, inputs, card.quantization, require_delegate)
    if card.quantization == "int8":
        yield from _check_npus(path, is_for_npus=card.contract != engine.contract)


def _is_run(folder: Path) -> bool:
    return (folder / "model.keras").is_file()


def _check_delegate(
    path: Path, inputs: "Images", quantization: str, require_delegate: bool
) -> tuple[bool | None, str]:
    from lowlight_tf.export import gpu_delegate, parity

    try:
        report = gpu_delegate.check_gpu_delegate(path, inputs)
    except gpu_delegate.VulkanUnavailableError as error:
        return (False if require_delegate else None), f"GPU delegate: not run. {error}"
    except RuntimeError as error:
        return False, f"GPU delegate: {error}"
    if report.unsupported_ops:
        lines = "\n           ".join((report.summary, *report.unsupported_ops))
        return False, f"GPU delegate ({report.device}): {lines}"
    min_db = parity.MIN_PARITY_DB[quantization]
    return report.psnr_db >= min_db, (
        f"GPU delegate ({report.device}): supports every operation; differs from the CPU by at "
        f"most {report.max_difference:.1e}, {report.psnr_db:.1f} dB (at least {min_db:.0f})"
    )


def _check_other_runtimes(
    path: Path, inputs: "Images", quantization: str
) -> Iterator[tuple[bool | None, str]]:
    """Compare OpenVINO, and ONNX Runtime if there is an .onnx file, with LiteRT."""
    from lowlight_tf.export import other_runtimes

    checks = {"OpenVINO": lambda: other_runtimes.compare_openvino(path, inputs)}
    onnx = path.with_suffix(".onnx")
    if onnx.is_file():
        checks["ONNX Runtime"] = lambda: other_runtimes.compare_onnx(onnx, path, inputs)
    min_db = other_runtimes.min_parity_db(quantization)
    for name, compare in checks.items():
        try:
            difference_db = compare()
        except other_runtimes.RuntimeUnavailableError as error:
            yield None, f"{name}: not run. {error}"
        except RuntimeError as error:
            yield None, f"{name}: {str(error).splitlines()[0]}"
        else:
            line = f"{name}: {difference_db:.1f} dB from LiteRT (at least {min_db:.0f})"
            yield difference_db >= min_db, line


def _check_npus(path: Path, *, is_for_npus: bool) -> Iterator[tuple[bool | None, str]]:
    """Check an int8 file for neural processors; to fall back fails those that are made for them."""
    from lowlight_tf.export import npu

    for processor in npu.ETHOS_U:
        try:
            report = npu.check_ethos_u(path, processor)
        except npu.VelaUnavailableError as error:
            yield None, f"Arm Ethos-U: not compiled. {error}"
            break
        except RuntimeError as error:
            yield False if is_for_npus else None, f"Arm {processor}: {error}"
            continue
        passed = not report.fallback_ops or (False if is_for_npus else None)
        lines = "\n           ".join((report.summary, *report.fallback_ops))
        yield passed, f"Arm {processor}: {lines}"
    fallbacks = npu.find_edge_tpu_fallbacks(path.read_bytes())
    if fallbacks:
        yield None, f"Edge TPU: falls back for {', '.join(fallbacks)}"
    else:
        yield True, "Edge TPU: has every operation"
