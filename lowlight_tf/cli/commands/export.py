"""`lowlight-tf export`: a trained run -> .tflite files, each with its card."""

import argparse
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.options import image_size

HELP = "write a trained run as .tflite files for devices, each compared with Keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("run", type=Path, help="run folder, as `lowlight-tf train` writes it")
    parser.add_argument(
        "--size",
        required=True,
        help="HEIGHTxWIDTH that the files take (pixels), or several, by commas",
    )
    parser.add_argument(
        "--quantize",
        default="float16,int8",
        help="a file for each of these, by commas: none, float16, dynamic, int8, int16x8",
    )
    parser.add_argument("--output", type=Path, help="folder to write into (RUN/export if absent)")
    parser.add_argument("--name", help="what files and cards call the net (its model if absent)")
    parser.add_argument(
        "--calibration",
        type=Path,
        help="folder of dark pictures that int8 and int16x8 take their ranges from "
        "(the run's training pictures if absent)",
    )
    parser.add_argument(
        "--golden",
        action="store_true",
        help="write a picture and its output beside each file, for `lowlight-tf verify`",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the net that leaves its weights as they are, or a preparation: "
        "options.strategy=sum, preparation.finish=0",
    )


def run(args: argparse.Namespace) -> int:
    """Export, compare, report. Return 0 if every file is faithful to its net, else 1."""
    sizes = [image_size(size) for size in args.size.split(",")]
    kinds = [kind for kind in args.quantize.split(",") if kind]
    if not kinds:
        raise UsageError("`quantize` must name at least one kind of file. Received: none.")

    from lowlight_tf.export.exporter import export_run
    from lowlight_tf.export.parity import MIN_PARITY_DB
    from lowlight_tf.model_card import ModelCard

    paths = [
        path
        for size in sizes
        for path in export_run(
            args.run,
            size=size,
            quantize=kinds,
            output=args.output or args.run / "export",
            name=args.name,
            calibration_folder=args.calibration,
            golden=args.golden,
            settings=args.set,
        )
    ]
    faithful = True
    for path in paths:
        card = ModelCard.load(path.with_suffix(".json"))
        least = MIN_PARITY_DB[card.quantization]
        verdict = "" if card.parity_db >= least else f", NOT faithful (at least {least:.0f} dB)"
        faithful = faithful and not verdict
        print(
            f"{path}: {card.size_bytes / 1000:.0f} kB, {card.quantization}, "
            f"{card.parity_db:.1f} dB from Keras{verdict}"
        )
    return 0 if faithful else 1
