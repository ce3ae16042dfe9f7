"""The one-picture part of `lowlight-tf enhance`: read, run, write, and explain."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.cli.console import ProgressBar
from lowlight_tf.cli.enhancing import raw
from lowlight_tf.cli.enhancing.camera_pair import Job

if TYPE_CHECKING:
    import numpy as np

    from lowlight_tf.imaging.image_io import LoadedImage
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
    from lowlight_tf.runtime.engine import Engine

Progress = Callable[[float], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern pictures only."""
    parser.add_argument(
        "--explain",
        action="store_true",
        help="beside each result write what the net went by, if it tells: NAME_attention.png, "
        "yellow where it let much through and blue where little, or NAME_illumination.png, blue "
        "where it saw darkness, green good light, red glare",
    )


def enhance_one(
    engine: "Engine",
    job: Job,
    args: argparse.Namespace,
    bar: ProgressBar,
    index: int,
    *,
    preparation: "PairPreprocessing | None" = None,
) -> None:
    """Enhance one picture, develop one RAW file, or fuse what two cameras saw.

    Args:
        engine: What does it.
        job: What to read, where the result goes, and what the infrared camera saw, if there is one.
        args: The flags of the command.
        bar: Where progress is shown.
        index: How many jobs were done before.
        preparation: What is done to the pictures of two cameras.

    Raises:
        UsageError: If it cannot be read, done, or written.
    """
    from lowlight_tf.imaging import image_io

    image_io.check_overwrite(job.target, overwrite=args.overwrite)
    name = job.source.name

    def progress(share: float) -> None:
        bar.show(index + share, name)

    def told(*shown, **options) -> None:
        if args.explain:
            _write_maps(engine, job.target, args, *shown, **options)

    if engine.contract.is_raw:
        picture = _develop(engine, job, args, bar, progress, told)
    elif job.infrared is None:
        picture = _enhance(engine, _read(job, args), progress, told)
    else:
        picture = _fuse(engine, _read(job, args), job.infrared, preparation, progress, told)
    image_io.save_image(job.target, picture, overwrite=args.overwrite)


def _develop(
    engine: "Engine", job: Job, args: argparse.Namespace, bar: ProgressBar, progress: Progress, told
) -> "LoadedImage":
    from lowlight_tf.imaging.image_io import LoadedImage
    from lowlight_tf.runtime.develop import develop as through

    image = raw.read(job.source, args)
    ratio = raw.ratio_for(image, job.source.name, args, bar)
    told(image, ratio=ratio)
    return LoadedImage(
        through(engine, image, ratio=ratio, dtype=_depth(job.target), progress=progress)
    )


def _enhance(engine: "Engine", picture: "LoadedImage", progress: Progress, told) -> "LoadedImage":
    from lowlight_tf.runtime.enhance import enhance

    told(picture.pixels)
    enhance(engine, picture.pixels, out=picture.pixels, progress=progress)
    return picture


def _fuse(
    engine: "Engine",
    picture: "LoadedImage",
    infrared: Path,
    preparation: "PairPreprocessing | None",
    progress: Progress,
    told,
) -> "LoadedImage":
    from lowlight_tf.imaging.registration.infrared import read_thermal
    from lowlight_tf.runtime.fuse import fuse

    pixels, other = picture.pixels, read_thermal(infrared)
    told(pixels, other, preparation=preparation)
    fused = fuse(engine, pixels, other, preparation=preparation, progress=progress)
    alpha = picture.alpha if fused.shape == pixels.shape else None
    return dataclasses.replace(picture, pixels=fused, alpha=alpha)


def _read(job: Job, args: argparse.Namespace) -> "LoadedImage":
    """Return a picture; a RAW file as LibRaw develops it."""
    from lowlight_tf.imaging import dtypes, image_io

    if not raw.is_raw(job.source):
        return image_io.load_image(job.source)
    return image_io.LoadedImage(
        dtypes.convert_dtype(raw.develop_with_libraw(job.source, args), _depth(job.target))
    )


def _depth(target: Path) -> "np.dtype":
    """Return the type of pixels that a new file holds: of 16 bits where it can."""
    import numpy as np

    from lowlight_tf.imaging import image_io

    return np.dtype(np.uint16 if target.suffix.lower() in image_io.SUFFIXES_16BIT else np.uint8)


def _write_maps(
    engine: "Engine", target: Path, args: argparse.Namespace, *shown, **options
) -> None:
    """Write what the net went by beside where its result goes."""
    import numpy as np

    from lowlight_tf.imaging import dtypes, image_io
    from lowlight_tf.runtime.explain import explain

    for what, image in explain(engine, *shown, **options).items():
        path = target.with_name(f"{target.stem}_{what}.png")
        picture = image_io.LoadedImage(
            dtypes.convert_dtype(np.ascontiguousarray(image), np.dtype(np.uint8))
        )
        image_io.save_image(path, picture, overwrite=args.overwrite)
