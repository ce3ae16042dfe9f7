"""The two-camera part of `lowlight-tf enhance`: who belongs to whom, and how they are laid over."""

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.enhancing import video

if TYPE_CHECKING:
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
    from lowlight_tf.runtime.engine import Engine


class Job(NamedTuple):
    """What to read, where the result goes, and what the infrared camera saw, if there is one."""

    source: video.Source
    target: Path
    infrared: video.Source | None = None


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


def check(engine: "Engine", args: argparse.Namespace) -> None:
    """Refuse a model that fuses without infrared pictures, and the reverse."""
    from lowlight_tf.runtime import input_checks

    input_checks.check_task_model(engine.contract)
    if not engine.contract.is_fusion:
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
    own = getattr(engine, "preparation", None)
    if not args.align:
        return own
    from lowlight_tf.imaging.registration.camera_rig import CameraRig
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing

    asked = dataclasses.replace(own or PairPreprocessing(), align=args.align, size="visible")
    if _is_rig(args.align):
        CameraRig.load(Path(args.align))
    return asked


def pair_jobs(
    jobs: Iterable[Job], infrared: Iterable[Job], output: Path
) -> tuple[list[Job], list[Job]]:
    """Join what two cameras saw by the names of the results that each would have, but suffixes.

    Args:
        jobs: As `enhance.plan` gives, of what the visible camera saw.
        infrared: The same of what the infrared camera saw.
        output: What both were planned for.

    Returns:
        (the jobs, each with its partner where it has one; what is left of the infrared ones)

    Raises:
        UsageError: If two infrared files have one name.
    """
    rest, found = _named(infrared, output), []
    for job in jobs:
        partner = rest.pop(_name(job, output), None)
        found.append(job._replace(infrared=partner.source) if partner else job)
    return found, list(rest.values())


def _named(infrared: Iterable[Job], output: Path) -> dict[Path, Job]:
    found: dict[Path, Job] = {}
    for job in infrared:
        other = found.setdefault(_name(job, output), job)
        if other is not job:
            raise UsageError(
                f"{other.source} and {job.source} have one name. Remove or rename one, so that "
                "names pair without doubt."
            )
    return found


def _name(job: Job, output: Path) -> Path:
    return job.target.relative_to(output).with_suffix("")


def _is_rig(align: str) -> bool:
    return Path(align).suffix == ".json"
