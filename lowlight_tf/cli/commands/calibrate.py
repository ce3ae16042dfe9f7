"""`lowlight-tf calibrate`: pairs of pictures of a rig -> how one camera lies over the other."""

import argparse
import re
import sys
from pathlib import Path

from lowlight_tf import checks
from lowlight_tf.checks import UsageError

MAX_PAIRS = 32  # pairs that are looked at, spread over all

HELP = "measure a rig of a visible and an infrared camera, for its pictures to lie over each other"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add(
        "pictures",
        nargs="+",
        type=Path,
        metavar="VISIBLE INFRARED",
        help="a visible picture and its infrared partner, more such pairs, or two folders whose "
        "pictures pair by name",
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
        help="inner corners of a chessboard that all pictures show; it goes before --method",
    )
    add("--overwrite", action="store_true", help="replace a RIG.json that is there already")


def run(args: argparse.Namespace) -> int:
    """Measure, say how well, write the file; return 0, or 1 if some pictures were passed over."""
    board = _board(args.chessboard)
    if args.output.suffix != ".json":
        raise UsageError(f"--output must end in .json. Received: {args.output}.")
    checks.check_file_in_dir("--output", args.output)

    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.registration import infrared
    from lowlight_tf.imaging.registration.alignment import register_pairs
    from lowlight_tf.imaging.registration.camera_rig import CameraRig
    from lowlight_tf.imaging.registration.chessboard import calibrate_chessboard

    image_io.check_overwrite(args.output, overwrite=args.overwrite)
    named, complaints = _pairs(args.pictures)
    if len(named) > MAX_PAIRS:
        print(f"{MAX_PAIRS} of {len(named)} pairs are looked at")
        named = [named[index * len(named) // MAX_PAIRS] for index in range(MAX_PAIRS)]
    pictures = []
    for visible, other in named:
        try:
            pictures.append((image_io.read_float_rgb(visible), infrared.read_thermal(other)))
        except UsageError as error:
            complaints.append(str(error))
    for complaint in complaints:
        print(f"lowlight-tf calibrate: {complaint}", file=sys.stderr)
    if not pictures:
        raise UsageError("No pair can be read. Pass pairs of pictures of the rig.")
    count, method = len(pictures), args.method
    if board:
        alignment, used = calibrate_chessboard(pictures, corners=board)
        count, method = len(used), "chessboard"
        print(f"The chessboard was found in {count} of {len(pictures)} pairs")
    else:
        alignment = register_pairs(pictures, method=method)
    visible, other = (image.shape[:2] for image in pictures[0])
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
    return 1 if complaints else 0


def _pairs(paths: list[Path]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Return the pairs, and what is to be said of pictures without a partner."""
    if len(paths) == 2 and all(path.is_dir() for path in paths):
        from lowlight_tf.datasets.pairing import match_by_stem

        one, other = (match_by_stem(path) for path in paths)
        lone = [path for name, path in (one | other).items() if (name in one) != (name in other)]
        told = [f"{path} has no partner of that name in the other folder." for path in lone]
        return [(one[name], other[name]) for name in one if name in other], told
    if len(paths) % 2 or any(path.is_dir() for path in paths):
        raise UsageError(
            "Pass a visible picture and its infrared partner, more such pairs, or two folders. "
            f"Received: {len(paths)} paths, such as {paths[0]}."
        )
    return list(zip(paths[::2], paths[1::2], strict=True)), []


def _board(text: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)x(\d+)", text or "")
    if text and (not found or min(map(int, found.groups())) < 3):
        raise UsageError(
            f"--chessboard must be inner corners such as 9x6, at least 3x3. Received: {text}."
        )
    return (int(found[1]), int(found[2])) if found else None
