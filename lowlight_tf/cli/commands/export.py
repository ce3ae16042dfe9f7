"""`lowlight-tf export`: a trained run -> .tflite files, each with its card."""

import argparse
from pathlib import Path

from lowlight_tf.cli.console import Problems
from lowlight_tf.cli.options import (
    add_format_argument,
    add_packed_argument,
    image_sizes,
    split_names,
)

HELP = "write a trained run as .tflite files for devices, each compared with its Keras model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run", type=Path, help="run folder, as `lowlight-tf train` writes it")
    parser.add_argument(
        "--size",
        nargs="+",
        required=True,
        metavar="HEIGHTxWIDTH",
        help="input sizes of the files (pixels), separated by spaces or commas",
    )
    parser.add_argument(
        "--quantize",
        nargs="+",
        default=["float16", "int8"],
        metavar="QUANTIZATION",
        help="one file for each of these, separated by spaces or commas: float32, float16, "
        "dynamic_range, int8, int16x8 (default: float16 int8)",
    )
    parser.add_argument("--output", type=Path, help="folder to write into (default: RUN/export)")
    parser.add_argument(
        "--name", help="name of the model in files and cards (default: its architecture)"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        help="folder of low-light images from which int8 and int16x8 take their ranges "
        "(default: the run's training images)",
    )
    parser.add_argument(
        "--golden",
        action="store_true",
        help="write an input image and its output next to each file, for `lowlight-tf verify`",
    )
    add_packed_argument(parser)
    add_format_argument(parser)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="a model option that leaves the weights unchanged, or a preprocessing setting: "
        "options.strategy=sum, preprocessing.output_stretch=0",
    )


def run(args: argparse.Namespace) -> int:
    """Export and compare. Return 0, or 1 if a file's parity is low or an image was left out."""
    sizes = image_sizes(args.size)
    quantizations = split_names("quantize", args.quantize)

    from lowlight_tf.export.exporter import export_run
    from lowlight_tf.export.parity import MIN_PARITY_DB
    from lowlight_tf.model_card import ModelCard

    problems = Problems("export")
    paths = [
        path
        for size in sizes
        for path in export_run(
            args.run,
            size=size,
            quantize=quantizations,
            output=args.output or args.run / "export",
            name=args.name,
            calibration_folder=args.calibration,
            golden=args.golden,
            packed=args.packed,
            onnx=args.format == "onnx",
            settings=args.set,
            report=problems.report,
        )
    ]
    all_sufficient = True
    for path in paths:
        card = ModelCard.load(path.with_suffix(".json"))
        min_parity_db = MIN_PARITY_DB[card.quantization]
        is_sufficient = card.parity_db >= min_parity_db
        all_sufficient = all_sufficient and is_sufficient
        verdict = "" if is_sufficient else f", TOO LOW (at least {min_parity_db:.0f} dB)"
        print(
            f"{path}: {card.size_bytes / 1000:.0f} kB, {card.quantization}, "
            f"{card.parity_db:.1f} dB from Keras{verdict}"
        )
        if args.format == "onnx":
            onnx = path.with_suffix(".onnx")
            print(f"{onnx}: {card.onnx_parity_db:.1f} dB from {path.name}")
    return 0 if all_sufficient and not problems else 1
