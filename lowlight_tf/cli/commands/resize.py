"""`lowlight-tf resize`: a shipped model or a .tflite file -> the same model for another size."""

import argparse
from pathlib import Path

from lowlight_tf.cli.options import add_format_argument, add_packed_argument

HELP = "write a model for another frame size, for a GPU or NPU that needs a fixed size"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "model", metavar="MODEL", help="shipped name, or .tflite file with its card"
    )
    parser.add_argument(
        "--size",
        nargs="+",
        required=True,
        metavar="HEIGHTxWIDTH",
        help="frame sizes (pixels), separated by spaces or commas",
    )
    add_packed_argument(parser)
    add_format_argument(parser)
    parser.add_argument("--output", type=Path, default=Path("."), help="folder to write into")


def run(args: argparse.Namespace) -> int:
    """Write the files; return 0."""
    from lowlight_tf import checks
    from lowlight_tf.cli.options import image_sizes, model_file
    from lowlight_tf.export.other_runtimes import write_modelinfo, write_onnx
    from lowlight_tf.tflite_graph.resize_model import resize_model

    sizes = image_sizes(args.size)
    path = model_file(args.model)
    if args.output.exists():
        checks.check_dir("output", args.output)
    for size in sizes:
        written = resize_model(path, size, args.output, packed=args.packed)
        print(f"{written}: {written.stat().st_size / 1000:.0f} kB, {size[0]}x{size[1]}")
        write_modelinfo(written)
        if args.format == "onnx":
            print(write_onnx(written))
    return 0
