"""The two-camera part of `lowlight-tf enhance`: who belongs to whom, and how they are laid over."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.enhancing import video
from lowlight_tf.cli.enhancing.jobs import Job

if TYPE_CHECKING:
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
    from lowlight_tf.runtime.engine import Engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern two cameras only."""
    add = parser.add_argument_group("two cameras").add_argument
    add(
        "--infrared",
        nargs="+",
        type=video.parse_source,
        default=[],
        metavar="IN",
        help="what the infrared camera saw, for a model that fuses: as IN, under the same names; "
        "their suffixes may differ, and of one file to one file the names too",
    )
    add(
        "--align",
        metavar="HOW",
        help="lay the infrared pictures over the visible ones: the .json that `lowlight-tf "
        "calibrate` wrote of the rig, or phase, ecc or features to find out for each pair "
        "(default: as the model's card says, mostly none)",
    )
    add(
        "--tolerance",
        type=float,
        default=0.1,
        metavar="SECONDS",
        help="how far apart in time the frames of two videos may be that are fused; where there is "
        "no such frame, the other camera's stands alone and is marked",
    )


def check_partner(engine: "Engine", job: Job) -> None:
    """Refuse a job of a fusion model without an infrared input, or with one of another kind."""
    if engine.contract.task != "fuse":
        return
    source, _, infrared = job
    if infrared is None:
        raise UsageError(
            f"{source} has no infrared partner: none of its name, whatever the suffix, is among "
            "what --infrared names."
        )
    if video.is_video(source) != video.is_video(infrared):
        raise UsageError(
            f"{source} and {infrared} must both be images or both videos. Rename one of them."
        )


def check(engine: "Engine", args: argparse.Namespace) -> None:
    """Refuse a model that fuses without infrared pictures, and the reverse."""
    from lowlight_tf.runtime.tasks import task_of

    task_of(engine.contract).check_model(engine.contract)
    if engine.contract.task != "fuse":
        if args.infrared or args.align:
            raise UsageError(
                f"{engine.name} takes the pictures of one camera. Leave out --infrared and "
                "--align, or name a --model that fuses."
            )
        return
    if not args.infrared:
        raise UsageError(
            f"{engine.name} makes one picture of those of two cameras. Pass --infrared, what the "
            "infrared camera saw."
        )
    preprocessing_for(engine, args)
    if args.align and _is_rig(args.align):
        args.align = str(Path(args.align).absolute())  # workers may be elsewhere


def preprocessing_for(engine: "Engine", args: argparse.Namespace) -> "PairPreprocessing | None":
    """Return what is done to pictures before they are fused: the engine's own, or as is asked.

    Raises:
        UsageError: If there is no such alignment, or the rig cannot be read.
    """
    if not args.align:
        return engine.preprocessing
    from lowlight_tf.imaging.registration.camera_rig import CameraRig
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing

    if _is_rig(args.align):
        CameraRig.load(Path(args.align))
    own = engine.preprocessing or PairPreprocessing()
    return dataclasses.replace(own, align=args.align, size="visible")


def _is_rig(align: str) -> bool:
    return Path(align).suffix == ".json"
