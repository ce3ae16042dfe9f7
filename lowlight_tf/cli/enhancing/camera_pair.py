"""The two-camera part of `lowlight-tf enhance`: flags, checks and preprocessing."""

import argparse
import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.enhancing import video
from lowlight_tf.cli.enhancing.jobs import Job
from lowlight_tf.cli.options import add_flag

if TYPE_CHECKING:
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
    from lowlight_tf.runtime.engine import Engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern two cameras only."""
    add = functools.partial(add_flag, parser.add_argument_group("two cameras"))
    add(
        "--infrared",
        nargs="+",
        type=video.parse_source,
        default=[],
        metavar="IN",
        help="inputs of the infrared camera for a fusion model: like IN, with the same names; "
        "suffixes may differ, and for one file and one file also the names",
    )
    add(
        "--align",
        metavar="HOW",
        help="align the infrared images with the visible ones: the .json of the rig that "
        "`lowlight-tf calibrate` wrote, or phase, ecc or features to align each pair by its "
        "content (default: that of the model's card, usually none)",
    )
    add(
        "--resize-infrared",
        action="store_true",
        help="resize infrared images to the size of the visible ones: both cameras have the same "
        "field of view",
    )
    add(
        "--mask",
        metavar="MASK",
        help="image of the infrared camera's size, white where it draws an overlay (a temperature "
        "bar, a logo), which is left out",
    )
    add(
        "--sync-tolerance",
        former=("--tolerance",),
        type=float,
        default=0.1,
        metavar="SECONDS",
        help="largest time difference of two frames that are fused; a frame without a partner is "
        "written alone, with a banner",
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
    """Refuse a fusion model without --infrared, and --infrared with another model."""
    from lowlight_tf.runtime.tasks import task_of

    task_of(engine.contract).check_model(engine.contract)
    if engine.contract.task != "fuse":
        if args.infrared or args.align or args.resize_infrared or args.mask:
            raise UsageError(
                f"{engine.name} takes the images of one camera. Leave out --infrared, --align, "
                "--resize-infrared and --mask, or pass a fusion --model."
            )
        return
    if not args.infrared:
        raise UsageError(
            f"{engine.name} fuses the images of two cameras. Pass --infrared with those of the "
            "infrared camera."
        )
    preprocessing_for(engine, args)
    if args.align and _is_rig(args.align):
        args.align = str(Path(args.align).absolute())  # workers may run in another folder


def preprocessing_for(engine: "Engine", args: argparse.Namespace) -> "PairPreprocessing | None":
    """Return the preprocessing of two images: the engine's own, with the flags of two cameras.

    Raises:
        UsageError: If there is no such alignment method, or the rig cannot be read.
    """
    if not (args.align or args.resize_infrared or args.mask):
        return engine.preprocessing
    from lowlight_tf.imaging.registration.camera_rig import CameraRig
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing

    own = engine.preprocessing or PairPreprocessing()
    align = args.align or own.align
    if _is_rig(align):
        CameraRig.load(Path(align))
    size = "visible" if args.align or args.resize_infrared else own.size
    mask = str(Path(args.mask).absolute()) if args.mask else own.infrared_mask
    return dataclasses.replace(own, align=align, size=size, infrared_mask=mask)


def _is_rig(align: str) -> bool:
    return Path(align).suffix == ".json"
