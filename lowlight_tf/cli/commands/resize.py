"""`lowlight-tf resize`: a shipped net or a .tflite file -> the same net for another frame size."""

import argparse
from pathlib import Path

HELP = "write a net for another size of frame, for a GPU or NPU that takes one size"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "model", metavar="MODEL", help="shipped name, or .tflite file with its card"
    )
    parser.add_argument(
        "--size", required=True, help="HEIGHTxWIDTH of the frames (pixels), or several, by commas"
    )
    parser.add_argument("--output", type=Path, default=Path("."), help="folder to write into")


def run(args: argparse.Namespace) -> int:
    """Write the files; return 0."""
    from lowlight_tf import checks
    from lowlight_tf.cli.options import image_size, model_file
    from lowlight_tf.tflite_graph.resize_model import resize_model

    sizes = [image_size(size) for size in args.size.split(",")]
    path = model_file(args.model)
    if args.output.exists():
        checks.check_dir("output", args.output)
    for size in sizes:
        written = resize_model(path, size, args.output)
        print(f"{written}: {written.stat().st_size / 1000:.0f} kB, {size[0]}x{size[1]}")
    return 0
