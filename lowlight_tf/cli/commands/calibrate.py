"""`lowlight-tf calibrate`: images or videos of a rig -> the homography between its cameras."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import warn
from lowlight_tf.cli.enhancing import video

if TYPE_CHECKING:
    import numpy as np

    Pair = tuple[np.ndarray, np.ndarray]

MAX_PAIRS = 32  # sampled evenly from all

HELP = "calibrate a rig of a visible and an infrared camera, so that their images can be aligned"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add(
        "images",
        nargs="+",
        type=video.parse_source,
        metavar="VISIBLE INFRARED",
        help="a visible image and its infrared partner, more such pairs, or two folders whose "
        "images pair by name; or two videos, cameras or streams, whose frames pair by time",
    )
    add("--output", type=Path, required=True, metavar="RIG.json", help="file to write")
    add(
        "--method",
        choices=("phase", "ecc", "features"),
        default="ecc",
        help="phase: a shift; features, ecc: a homography, ecc the more exact",
    )
    add(
        "--chessboard",
        metavar="9x6",
        help="inner corners of a chessboard that all images show, used instead of --method; "
        "it must be heated or cut out to be visible in infrared",
    )
    add("--overwrite", action="store_true", help="replace an existing RIG.json")


def run(args: argparse.Namespace) -> int:
    """Calibrate, report the error, write the file; return 0, or 1 if some images were skipped."""
    board = _parse_board(args.chessboard)
    if args.output.suffix != ".json":
        raise UsageError(f"--output must end in .json. Received: {args.output}.")
    checks.check_file_in_dir("--output", args.output)

    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.registration.alignment import register_pairs
    from lowlight_tf.imaging.registration.camera_rig import CameraRig
    from lowlight_tf.imaging.registration.chessboard import calibrate_chessboard
    from lowlight_tf.imaging.registration.homography import describe_flip

    image_io.check_overwrite(args.output, overwrite=args.overwrite)
    if len(args.images) == 2 and all(map(video.is_video, args.images)):
        pairs, problems = _sample_videos(*args.images), []
    else:
        pairs, problems = _read_images(list(map(Path, args.images)))
    for problem in problems:
        warn("calibrate", problem)
    if not pairs:
        raise UsageError("No pair can be read. Pass pairs of images, or two videos, of the rig.")
    count, method = len(pairs), args.method
    if board:
        alignment, used = calibrate_chessboard(pairs, corners=board)
        count, method = len(used), "chessboard"
        print(f"The chessboard was found in {count} of {len(pairs)} pairs")
    else:
        alignment = register_pairs(pairs, method=method)
    visible, other = (image.shape[:2] for image in pairs[0])
    CameraRig(
        matrix=alignment.matrix,
        visible_size=visible,
        infrared_size=other,
        residual_px=alignment.residual_px,
        score=alignment.score,
        method=method,
        pairs=count,
    ).save(args.output)
    print(
        f"{args.output}: {method} of {count} pairs, {other[0]}x{other[1]} over "
        f"{visible[0]}x{visible[1]}, residual {alignment.residual_px:.2f} pixels"
    )
    if flip := describe_flip(alignment.matrix):
        print(f"The infrared camera is {flip}; --align {args.output} corrects that")
    return 1 if problems else 0


def _sample_videos(visible: video.Source, infrared: video.Source) -> "list[Pair]":
    """Return pairs of frames of two videos or live streams."""
    from lowlight_tf.imaging.dtypes import img_as_float32
    from lowlight_tf.video.pair_sampling import sample_pairs
    from lowlight_tf.video.reader import VideoReader

    readers = VideoReader(visible), VideoReader(infrared)
    if readers[0].is_live:
        print(f"Taking {MAX_PAIRS} pairs from {visible} and {infrared}, one every 2 seconds")
    pairs = sample_pairs(*readers, count=MAX_PAIRS)
    if not pairs:
        raise UsageError(
            "The two cameras must have frames of the same time that show something. Received: none "
            f"from {visible} and {infrared}. Check that both run and neither is covered."
        )
    return [tuple(map(img_as_float32, pair)) for pair in pairs]


def _read_images(images: list[Path]) -> "tuple[list[Pair], list[str]]":
    """Return the pairs of images, and a line for each that cannot be read."""
    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.registration import infrared

    paths, problems = _pair_paths(images)
    if len(paths) > MAX_PAIRS:
        print(f"{MAX_PAIRS} of {len(paths)} pairs are used")
        paths = [paths[index * len(paths) // MAX_PAIRS] for index in range(MAX_PAIRS)]
    pairs = []
    for visible, other in paths:
        try:
            pairs.append((image_io.read_float_rgb(visible), infrared.read_thermal(other)))
        except UsageError as error:
            problems.append(str(error))
    return pairs, problems


def _pair_paths(paths: list[Path]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Return the pairs, and a line for each image without a partner."""
    if len(paths) == 2 and all(path.is_dir() for path in paths):
        from lowlight_tf.datasets.pairing import match_by_stem

        visible, infrared = (match_by_stem(path) for path in paths)
        pairs = [(visible[name], infrared[name]) for name in visible if name in infrared]
        unpaired = [
            path
            for name, path in (visible | infrared).items()
            if (name in visible) != (name in infrared)
        ]
        return pairs, [
            f"{path} has no partner of that name in the other folder." for path in unpaired
        ]
    if len(paths) % 2 or any(path.is_dir() for path in paths):
        raise UsageError(
            "Pass a visible image and its infrared partner, more such pairs, or two folders. "
            f"Received: {len(paths)} paths, such as {paths[0]}."
        )
    return list(zip(paths[::2], paths[1::2], strict=True)), []


def _parse_board(text: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)x(\d+)", text or "")
    if text and (not found or min(map(int, found.groups())) < 3):
        raise UsageError(
            f"--chessboard must be inner corners such as 9x6, at least 3x3. Received: {text}."
        )
    return (int(found[1]), int(found[2])) if found else None
