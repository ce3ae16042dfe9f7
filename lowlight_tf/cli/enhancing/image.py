"""The image part of `lowlight-tf enhance`: read, run, write, and explain."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowlight_tf.cli.console import ProgressBar, warn
from lowlight_tf.cli.enhancing import camera_pair, raw
from lowlight_tf.cli.enhancing.jobs import Job

if TYPE_CHECKING:
    import numpy as np

    from lowlight_tf.imaging.image_io import LoadedImage
    from lowlight_tf.runtime.engine import Engine

ReportProgress = Callable[[float], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern images only."""
    parser.add_argument(
        "--explain",
        action="store_true",
        help="next to each result write what the model based it on, if it has such outputs: "
        "NAME_attention.png, from blue (low) to yellow (high), or NAME_illumination.png, with dark "
        "regions in blue, normal ones in green and glare in red",
    )


def enhance_image(
    engine: "Engine", job: Job, args: argparse.Namespace, bar: ProgressBar, index: int
) -> None:
    """Enhance one image, fuse two, or develop one RAW file, and write the result.

    Args:
        engine: The model.
        job: What is read and written.
        args: The flags of the command.
        bar: Where progress is shown.
        index: How many jobs were done before.

    Raises:
        UsageError: If it cannot be read, enhanced, or written.
    """
    from lowlight_tf.imaging import image_io

    image_io.check_overwrite(job.target, overwrite=args.overwrite)
    name = job.source.name

    def report_progress(fraction: float) -> None:
        bar.show(index + fraction, name)

    result = RUN[engine.contract.task](engine, job, args, bar, report_progress)
    target = job.target
    obstacle = image_io.find_obstacle(target, result)
    if obstacle and target.name == name:  # the name is the input's: its suffix is not its kind
        target = target.with_name(f"{name}.png")
        bar.clear()
        print(f"{target}: {target.stem} could not hold {obstacle}")
    image_io.save_image(target, result, overwrite=args.overwrite)
    left_out = ", ".join(filter(None, [result.left_out, *image_io.find_losses(target, result)]))
    if left_out:
        bar.clear()
        warn("enhance", f"{target}: left out of {name}: {left_out}")


def _enhance(
    engine: "Engine",
    job: Job,
    args: argparse.Namespace,
    bar: ProgressBar,
    report_progress: ReportProgress,
) -> "LoadedImage":
    from lowlight_tf.runtime.enhance import enhance

    image = _read(job, args, bar)
    if args.explain:
        _write_maps(engine, job.target, args, image.pixels)
    enhance(
        engine,
        image.pixels,
        out=image.pixels,
        brightness_ev=args.brightness,
        progress=report_progress,
    )
    return image


def _fuse(
    engine: "Engine",
    job: Job,
    args: argparse.Namespace,
    bar: ProgressBar,
    report_progress: ReportProgress,
) -> "LoadedImage":
    from lowlight_tf.imaging.registration import infrared as thermal
    from lowlight_tf.runtime.fuse import fuse

    image, infrared = _read(job, args, bar), thermal.read_thermal(job.infrared)
    if defect := thermal.describe_defect(infrared):
        bar.clear()
        warn("enhance", f"{job.infrared} {defect}")
        if thermal.is_blank(infrared):
            warn("enhance", f"{job.target} shows the visible image alone")
            return image
    preprocessing = camera_pair.preprocessing_for(engine, args)
    if args.explain:
        _write_maps(engine, job.target, args, image.pixels, infrared, preprocessing=preprocessing)
    fused = fuse(
        engine, image.pixels, infrared, preprocessing=preprocessing, progress=report_progress
    )
    alpha = image.alpha if fused.shape == image.pixels.shape else None
    return dataclasses.replace(image, pixels=fused, alpha=alpha)


def _develop(
    engine: "Engine",
    job: Job,
    args: argparse.Namespace,
    bar: ProgressBar,
    report_progress: ReportProgress,
) -> "LoadedImage":
    from lowlight_tf.imaging import dtypes
    from lowlight_tf.imaging.image_io import LoadedImage
    from lowlight_tf.imaging.raw.raw_image import NoMosaicError
    from lowlight_tf.runtime.develop import develop

    dtype = _dtype_of_file(job.target)
    try:
        image = raw.read(job.source, args)
    except NoMosaicError:
        developed, _ = raw.develop_linear(engine, job.source, args, bar)
        pixels = dtypes.convert_dtype(developed, dtype)
    else:
        ratio = raw.ratio_for(image, job.source.name, args, bar)
        if args.explain:
            _write_maps(engine, job.target, args, image, ratio=ratio)
        pixels = develop(engine, image, ratio=ratio, dtype=dtype, progress=report_progress)
    return LoadedImage(pixels, exif=raw.read_exif(job.source, bar))


RUN = {"enhance": _enhance, "fuse": _fuse, "raw_to_rgb": _develop}
"""Task of a model -> what is done with an image."""


def _read(job: Job, args: argparse.Namespace, bar: ProgressBar) -> "LoadedImage":
    """Return an image; a RAW file as LibRaw develops it."""
    from lowlight_tf.imaging import dtypes, image_io

    if not raw.is_raw(job.source):
        return image_io.load_image(job.source)
    developed = raw.develop_with_libraw(job.source, args)
    pixels = dtypes.convert_dtype(developed, _dtype_of_file(job.target))
    return image_io.LoadedImage(pixels, exif=raw.read_exif(job.source, bar))


def _dtype_of_file(target: Path) -> "np.dtype":
    """Return the type of pixels that a new file holds: of 16 bits where it can."""
    import numpy as np

    from lowlight_tf.imaging import image_io

    is_16_bit = target.suffix.lower() in image_io.SUFFIXES_16BIT
    return np.dtype(np.uint16 if is_16_bit else np.uint8)


def _write_maps(
    engine: "Engine", target: Path, args: argparse.Namespace, *images: Any, **options: Any
) -> None:
    """Write the images that explain a result next to it."""
    import numpy as np

    from lowlight_tf.imaging import dtypes, image_io
    from lowlight_tf.runtime.explain import explain

    for name, explanation in explain(engine, *images, **options).items():
        path = target.with_name(f"{target.stem}_{name}.png")
        pixels = dtypes.img_as_uint8(np.ascontiguousarray(explanation))
        image_io.save_image(path, image_io.LoadedImage(pixels), overwrite=args.overwrite)
