"""The RAW part of `lowlight-tf enhance`: how much light, and bursts that become videos."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import ProgressBar

if TYPE_CHECKING:
    import numpy as np

    from lowlight_tf.imaging.raw.raw_image import RawImage
    from lowlight_tf.runtime.engine import Engine

FPS = 25.0
"""Frames per second of a video that is made of RAW files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern RAW files only."""
    add = parser.add_argument_group("RAW files").add_argument
    add(
        "--ratio",
        type=float,
        help="by how much light is amplified: how many times longer the exposure should have been "
        "(default: what makes the mean of the picture a middle gray; for a model of pictures, "
        "which are then developed by LibRaw first, 1)",
    )
    add("--uncapped", action="store_true", help="amplify more than 300 times, where that is asked")
    add(
        "--black",
        type=float,
        metavar="DIGIT",
        help="which digit is black, for files that do not say it; 0 if the camera has taken it off",
    )
    add(
        "--fps",
        type=float,
        default=FPS,
        help="frames per second of the video that RAW files become, in the order of the numbers in "
        "their names, where --output is a video file (default: %(default)g)",
    )


def check(engine: "Engine", args: argparse.Namespace) -> None:
    """Refuse what no RAW file can be developed by; say if the ratio is not that which was asked."""
    if args.ratio is not None:
        checks.check_positive("ratio", args.ratio)
        if exposure_cap(args) < args.ratio:
            _warn(
                f"--ratio {args.ratio:g} is more than See-in-the-Dark's {exposure_cap(args):g}, which is "
                "taken. Pass --uncapped to have it."
            )
    checks.check_positive("fps", args.fps)
    if args.black is not None and engine.contract.task != "raw_to_rgb":
        raise UsageError(
            f"{engine.name} takes pictures; LibRaw develops RAW files first. Leave out --black."
        )


def exposure_cap(args: argparse.Namespace) -> float | None:
    """Return the ratio that the flags name, if they name one."""
    from lowlight_tf.imaging.raw import raw_image

    return args.ratio and raw_image.cap_ratio(
        args.ratio, None if args.uncapped else raw_image.MAX_EXPOSURE_RATIO
    )


def is_raw(path: Path | str) -> bool:
    """Tell whether something is a RAW file, by its suffix."""
    from lowlight_tf.imaging.raw import raw_image

    return isinstance(path, Path) and path.suffix.lower() in raw_image.SUFFIXES


def read(source: Path, args: argparse.Namespace) -> "RawImage":
    """Read a RAW file.

    Raises:
        UsageError: If it is none, or cannot be read.
    """
    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.raw import raw_image

    if source.suffix.lower() in image_io.SUFFIXES:
        raise UsageError(
            f"{source} is no RAW file. Name a --model of pictures, or the RAW file it was made of."
        )
    return raw_image.read_raw(source, black=args.black)


def ratio_for(image: "RawImage", name: str, args: argparse.Namespace, bar: ProgressBar) -> float:
    """Return by how much a picture is amplified; say it where nobody else has."""
    from lowlight_tf.imaging.raw import raw_image
    from lowlight_tf.runtime.develop import auto_exposure_ratio

    asked = exposure_cap(args)
    if asked is not None:
        return asked
    found = auto_exposure_ratio(image, cap=None if args.uncapped else raw_image.MAX_EXPOSURE_RATIO)
    bar.clear()
    _warn(f"{name}: amplified {found:.4g} times, to a middle gray. Another: --ratio")
    return found


def develop_with_libraw(source: Path, args: argparse.Namespace) -> "np.ndarray":
    """Return a RAW file as LibRaw develops it, (H, W, 3) uint16 sRGB: for a model of pictures."""
    from lowlight_tf.imaging.raw import raw_image

    return raw_image.develop_with_libraw(
        source, ratio=exposure_cap(args) or 1.0, curve="srgb", upright=True
    )


def burst_frames(inputs: Sequence[Path | str]) -> list[Path] | None:
    """Return the RAW files of a burst in the order of the numbers in their names.

    None if the inputs are anything else than RAW files, patterns of their names (*, ?) and folders
    of them.
    """
    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.raw import raw_image

    found: list[Path] = []
    for source in inputs:
        if isinstance(source, str):
            return None
        if source.is_dir():
            found += image_io.find_images(source, recursive=False, suffixes=raw_image.SUFFIXES)
        elif set("*?") & set(source.name) and not source.exists():
            found += source.parent.glob(source.name)
        else:
            found.append(source)
    if not found or not all(map(is_raw, found)):
        return None
    return sorted(dict.fromkeys(found), key=_natural_sort_key)


def are_raw(inputs: Sequence[Path | str]) -> bool:
    """Tell whether there are RAW files to develop, and no pictures."""
    from lowlight_tf.imaging import image_io

    folders = [source for source in inputs if isinstance(source, Path) and source.is_dir()]
    return burst_frames(inputs) is not None and not any(map(image_io.find_images, folders))


def enhance_burst(
    engine: "Engine", sources: Sequence[Path], target: Path, args: argparse.Namespace
) -> int:
    """Develop RAW files into the frames of one video; return 0, or 1 if one could not be read.

    All are amplified alike: as --ratio says, or as fits the first.

    Raises:
        UsageError: If none can be developed, or the video cannot be written.
    """
    if engine.contract.task != "raw_to_rgb":
        raise UsageError(
            f"{engine.name} takes pictures. Name a --model of RAW files, or a folder as --output."
        )
    try:
        from lowlight_tf.video.writer import VideoFormat, VideoWriter
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise UsageError("Video needs PyAV. Run: pip install 'lowlight_tf[video]'") from None

    recorder, like = None, None
    try:
        with ProgressBar(len(sources)) as bar:
            for index, image in _images(engine, sources, args, bar):
                if recorder is None:
                    like = VideoFormat.of(image.shape[:2], args.fps)
                    recorder = VideoWriter(target, like, codec=args.codec, overwrite=args.overwrite)
                recorder.write(like.frame(index), image)
    finally:
        if recorder:  # what there is of it plays, whatever happened
            recorder.close()
    if recorder is None:
        raise UsageError(f"None of {len(sources)} RAW files could be developed.")
    done = f"{recorder.frames} of {len(sources)} RAW files"
    print(f"{done} developed by {engine.name}, in {target}")
    return 1 if recorder.frames < len(sources) else 0


def _images(
    engine: "Engine", sources: Sequence[Path], args: argparse.Namespace, bar: ProgressBar
) -> Iterator[tuple[int, "np.ndarray"]]:
    """Give the number and the picture of each file that has one; say what is wrong with others."""
    import numpy as np

    from lowlight_tf.runtime.develop import develop

    ratio = size = None
    for index, source in enumerate(sources):
        bar.show(index, source.name)
        try:
            picture = read(source, args)
            ratio = ratio or ratio_for(picture, source.name, args, bar)
            image = develop(engine, picture, ratio=ratio, dtype=np.uint8)
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                raise _size_error(source, image.shape[:2], size)
        except UsageError as error:
            bar.clear()
            _warn(str(error))
        else:
            yield index, image


def _natural_sort_key(path: Path) -> list:
    """Return what sorts names by the numbers in them: 9 before 10."""
    words = re.split(r"(\d+)", str(path))
    return [int(word) if word.isdigit() else word for word in words]


def _size_error(path: Path, size: tuple[int, int], first: tuple[int, int]) -> UsageError:
    sizes = f"{size[0]}x{size[1]}, the first {first[0]}x{first[1]}"
    return UsageError(f"The frames of a video must be of one size. Received: {path} is {sizes}.")


def _warn(line: str) -> None:
    print(f"lowlight-tf enhance: {line}", file=sys.stderr)
