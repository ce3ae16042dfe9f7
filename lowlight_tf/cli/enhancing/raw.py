"""The RAW part of `lowlight-tf enhance`: exposure, reading, and bursts that become videos."""

import argparse
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import ProgressBar, warn
from lowlight_tf.cli.options import add_flag

if TYPE_CHECKING:
    import numpy as np

    from lowlight_tf.imaging.raw.raw_image import RawImage
    from lowlight_tf.runtime.engine import Engine

LIBRAW_CURVES = {"libraw": "srgb", "libraw_bt709": "bt709"}
"""Baseline -> its tone curve."""

DEFAULT_FPS = 25.0  # of a video that is made of RAW files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern RAW files only."""
    add = functools.partial(add_flag, parser.add_argument_group("RAW files"))
    add(
        "--exposure-ratio",
        former=("--ratio",),
        type=float,
        metavar="RATIO",
        help="how many times longer the exposure should have been: the light is amplified by it "
        "(default: what brings the mean of the image to middle gray; for a model of images, which "
        "LibRaw develops first, 1)",
    )
    add(
        "--no-ratio-cap",
        former=("--uncapped",),
        action="store_true",
        help="amplify more than 300 times where that is asked for",
    )
    add(
        "--black-level",
        former=("--black",),
        type=float,
        metavar="VALUE",
        help="the raw value of black, for files that do not state it; 0 if the camera has "
        "subtracted it",
    )
    add(
        "--fps",
        type=float,
        default=DEFAULT_FPS,
        help="frames per second of the video that RAW files become, in the order of the numbers in "
        "their names, where --output is a video file; and of the raw frames of a pipe (default: "
        "%(default)g)",
    )


def check(engine: "Engine", args: argparse.Namespace) -> None:
    """Refuse flags that no RAW file can be developed with; warn where the ratio is capped."""
    if args.exposure_ratio is not None:
        checks.check_positive("exposure_ratio", args.exposure_ratio)
        if ratio_from_flags(args) < args.exposure_ratio:
            warn(
                "enhance",
                f"--exposure-ratio {args.exposure_ratio:g} is above the limit of See-in-the-Dark, "
                f"{ratio_from_flags(args):g}, which is used. Pass --no-ratio-cap to exceed it.",
            )
    checks.check_positive("fps", args.fps)
    if args.black_level is not None and engine.contract.task != "raw_to_rgb":
        raise UsageError(
            f"{engine.name} takes images; LibRaw develops RAW files first. Leave out --black-level."
        )


def ratio_from_flags(args: argparse.Namespace) -> float | None:
    """Return the ratio that the flags ask for, if they do."""
    from lowlight_tf.imaging.raw import raw_image

    cap = None if args.no_ratio_cap else raw_image.MAX_EXPOSURE_RATIO
    return args.exposure_ratio and raw_image.cap_ratio(args.exposure_ratio, cap)


def is_raw(path: Path | str) -> bool:
    """Return whether something is a RAW file, by its suffix."""
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
            f"{source} is no RAW file. Name a --model of images, or the RAW file it was made from."
        )
    return raw_image.read_raw(source, black_level=args.black_level)


def read_exif(source: Path, bar: ProgressBar) -> bytes | None:
    """Return the EXIF data of a RAW file, if there are any; say so where they are damaged."""
    from lowlight_tf.imaging.raw.raw_exif import read_raw_exif

    try:
        return read_raw_exif(source)
    except ValueError as error:
        bar.clear()
        warn("enhance", f"{source.name}: its EXIF data are not kept: {error}")
        return None


def ratio_for(image: "RawImage", name: str, args: argparse.Namespace, bar: ProgressBar) -> float:
    """Return the exposure ratio for an image, and print it where no flag has set it."""
    from lowlight_tf.imaging.raw import raw_image
    from lowlight_tf.runtime.develop import auto_exposure_ratio

    ratio = ratio_from_flags(args)
    if ratio is None:
        cap = None if args.no_ratio_cap else raw_image.MAX_EXPOSURE_RATIO
        ratio = auto_exposure_ratio(image, cap=cap)
        _report_ratio(ratio, name, bar)
    return ratio


def _report_ratio(ratio: float, name: str, bar: ProgressBar) -> None:
    bar.clear()
    warn("enhance", f"{name}: amplified {ratio:.4g} times, to middle gray. See --exposure-ratio.")


def develop_linear(
    engine: "Engine",
    source: Path,
    args: argparse.Namespace,
    bar: ProgressBar,
    *,
    ratio: float | None = None,
) -> "tuple[np.ndarray, float]":
    """Develop a file without a mosaic by LibRaw: linear DNG, or of a monochrome sensor.

    LibRaw takes the place of the default model, which needs a mosaic.

    Args:
        engine: The model of RAW files.
        source: The file.
        args: The flags of the command.
        bar: Where progress is shown.
        ratio: Exposure ratio; None for that of the flags, or the automatic one.

    Returns:
        (H, W, 3) uint16 sRGB, upright, and the ratio.

    Raises:
        UsageError: If another model of mosaics is named, or the file cannot be read.
    """
    from lowlight_tf.imaging.raw import linear_raw, raw_image
    from lowlight_tf.runtime.develop import auto_linear_ratio

    if args.black_level is not None:
        raise UsageError(f"{source} has no mosaic of color filters. Leave out --black-level.")
    if engine.name not in LIBRAW_CURVES:
        if args.model or args.checkpoint_dir:
            raise UsageError(
                f"{source} has no mosaic of color filters (linear DNG, monochrome); {engine.name} "
                "needs one. Pass --model libraw, or a model of images, such as tiny."
            )
        bar.clear()
        warn("enhance", f"{source.name}: no mosaic: developed by LibRaw, not {engine.name}")
    ratio = ratio or ratio_from_flags(args)
    if ratio is None:
        cap = None if args.no_ratio_cap else raw_image.MAX_EXPOSURE_RATIO
        ratio = auto_linear_ratio(linear_raw.sample_linear_light(source), cap=cap)
        _report_ratio(ratio, source.name, bar)
    curve = LIBRAW_CURVES.get(engine.name, "srgb")
    developed = raw_image.develop_with_libraw(source, ratio=ratio, curve=curve, upright=True)
    return developed, ratio


def develop_with_libraw(source: Path, args: argparse.Namespace) -> "np.ndarray":
    """Return a RAW file as LibRaw develops it, (H, W, 3) uint16 sRGB: for a model of images."""
    from lowlight_tf.imaging.raw import raw_image

    return raw_image.develop_with_libraw(
        source, ratio=ratio_from_flags(args) or 1.0, curve="srgb", upright=True
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
    """Return whether the inputs are RAW files, and no images are among them."""
    from lowlight_tf.imaging import image_io

    folders = [source for source in inputs if isinstance(source, Path) and source.is_dir()]
    return burst_frames(inputs) is not None and not any(map(image_io.find_images, folders))


def enhance_burst(
    engine: "Engine", sources: Sequence[Path], target: Path, args: argparse.Namespace
) -> int:
    """Develop RAW files into the frames of one video; return 0, or 1 if one could not be read.

    All are amplified alike: by --exposure-ratio, or by the ratio of the first.

    Raises:
        UsageError: If none can be developed, or the video cannot be written.
    """
    if engine.contract.task != "raw_to_rgb":
        raise UsageError(
            f"{engine.name} takes images. Name a --model of RAW files, or a folder as --output."
        )
    try:
        from lowlight_tf.video.writer import VideoFormat, VideoWriter
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise UsageError("Video needs PyAV. Run: pip install 'lowlight_tf[video]'") from None

    writer, video_format = None, None
    try:
        with ProgressBar(len(sources)) as bar:
            for index, image in _develop_frames(engine, sources, args, bar):
                if writer is None:
                    video_format = VideoFormat.from_fps(image.shape[:2], args.fps)
                    writer = VideoWriter(
                        target, video_format, codec=args.codec, overwrite=args.overwrite
                    )
                writer.write(video_format.empty_frame(index), image)
    finally:
        if writer:  # what was written plays, whatever happened
            writer.close()
    if writer is None:
        raise UsageError(f"None of {len(sources)} RAW files could be developed.")
    count = f"{writer.frame_count} of {len(sources)} RAW files"
    print(f"{count} developed by {engine.name}, in {target}")
    return 1 if writer.frame_count < len(sources) else 0


def _develop_frames(
    engine: "Engine", sources: Sequence[Path], args: argparse.Namespace, bar: ProgressBar
) -> Iterator[tuple[int, "np.ndarray"]]:
    """Yield the index and the image of each file that can be developed; warn of the others."""
    import numpy as np

    from lowlight_tf.imaging import dtypes
    from lowlight_tf.imaging.raw import raw_image
    from lowlight_tf.runtime.develop import develop

    ratio = size = None
    for index, source in enumerate(sources):
        bar.show(index, source.name)
        try:
            try:
                mosaic = read(source, args)
            except raw_image.NoMosaicError:
                image, ratio = develop_linear(engine, source, args, bar, ratio=ratio)
                image = dtypes.img_as_uint8(image)
            else:
                ratio = ratio or ratio_for(mosaic, source.name, args, bar)
                image = develop(engine, mosaic, ratio=ratio, dtype=np.uint8)
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                raise _size_error(source, image.shape[:2], size)
        except UsageError as error:
            bar.clear()
            warn("enhance", str(error))
        else:
            yield index, image


def _natural_sort_key(path: Path) -> list:
    """Return a key that sorts names by the numbers in them: 9 before 10."""
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if part.isdigit() else part for part in parts]


def _size_error(path: Path, size: tuple[int, int], first: tuple[int, int]) -> UsageError:
    sizes = f"{size[0]}x{size[1]}, the first {first[0]}x{first[1]}"
    return UsageError(f"The frames of a video must be of one size. Received: {path} is {sizes}.")
