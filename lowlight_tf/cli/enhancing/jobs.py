"""What `lowlight-tf enhance` reads and where each result goes."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.enhancing import raw, video


class Job(NamedTuple):
    """One input, its result, and the input of the infrared camera, if there is one."""

    source: video.Source
    target: video.Source
    infrared: video.Source | None = None


def plan_jobs(inputs: list[video.Source], output: Path, *, raw_only: bool = False) -> list[Job]:
    """Return a job for each image, video and RAW file that is named or inside a named folder.

    The result of an image or video is put into `output` under its own name; one that was found in a
    folder keeps its place below that folder. The result of a RAW file is a .png. Results of an
    earlier run inside an input folder are skipped. In folders RAW files are taken only if there is
    nothing else.

    Args:
        inputs: Files, folders and streams.
        output: Folder of the results.
        raw_only: Whether the model takes RAW files only.

    Raises:
        UsageError: If a folder holds no image, two results would be the same file, a result would
            replace an input, or a live stream has no name that a file could have.
    """
    jobs = []
    for source in dict.fromkeys(inputs):
        if video.is_video(source) and (isinstance(source, str) or not source.is_file()):
            raise UsageError(f"{source} is no file: name the result, as --output FILE.mp4.")
        if source.is_dir():
            jobs += [
                Job(path, output / _result_name(path.relative_to(source)))
                for path in _find_inputs(source, output, raw_only=raw_only)
            ]
        else:
            jobs.append(Job(source, output / _result_name(Path(source.name))))
    return _check_targets(jobs)


def plan_one_job(source: video.Source, target: video.Source) -> list[Job]:
    """Return the job of one input whose result is named as a file.

    Raises:
        UsageError: If the result would replace the input.
    """
    is_path = isinstance(source, Path) and isinstance(target, Path)
    if is_path and _real_path(source) == _real_path(target):
        raise UsageError(f"{target} is the input itself. Pass another --output.")
    return [Job(source, target)]


def add_infrared(
    jobs: list[Job], infrared: list[video.Source], output: Path, *, single_input: bool
) -> tuple[list[Job], list[Job]]:
    """Pair jobs with the inputs of the infrared camera.

    Of one file and one file the names do not matter; else they are paired by the names that their
    results would have, whatever their suffixes.

    Args:
        jobs: Of the visible camera.
        infrared: What --infrared names.
        output: What the jobs were planned for.
        single_input: Whether one file or stream of the visible camera was named, and no folder.

    Returns:
        (the jobs, each with its partner if it has one; infrared jobs without a visible one)

    Raises:
        UsageError: If two infrared files have one name, or one video would take several.
    """
    if not infrared:
        return jobs, []
    if single_input and len(infrared) == 1 and not is_folder(infrared[0]):
        plan_one_job(infrared[0], jobs[0].target)
        return [jobs[0]._replace(infrared=infrared[0])], []
    if single_input and is_result_file(output, jobs[0].source):
        raise UsageError(f"One video takes one --infrared video. Received: {len(infrared)}.")
    return pair_by_name(jobs, plan_jobs(infrared, output), output)


def pair_by_name(
    jobs: Iterable[Job], infrared: Iterable[Job], output: Path
) -> tuple[list[Job], list[Job]]:
    """Pair the jobs of two cameras by the names of their results, without suffixes.

    Args:
        jobs: As `plan_jobs` returns, of the visible camera.
        infrared: The same of the infrared camera.
        output: What both were planned for.

    Returns:
        (the jobs, each with its partner if it has one; infrared jobs without a visible one)

    Raises:
        UsageError: If two infrared files have one name.
    """
    unpaired: dict[Path, Job] = {}
    for job in infrared:
        other = unpaired.setdefault(_pairing_name(job, output), job)
        if other is not job:
            raise UsageError(
                f"{other.source} and {job.source} have one name. Remove or rename one, so that "
                "names pair without doubt."
            )
    paired = []
    for job in jobs:
        partner = unpaired.pop(_pairing_name(job, output), None)
        paired.append(job._replace(infrared=partner.source) if partner else job)
    return paired, list(unpaired.values())


def is_folder(source: video.Source) -> bool:
    """Return whether an input is a folder."""
    return isinstance(source, Path) and source.is_dir()


def is_result_file(output: Path, source: video.Source) -> bool:
    """Return whether the output is named as a file of the input's kind, not as a folder."""
    from lowlight_tf.imaging import image_io

    if video.is_video(source):
        return is_video_file(output)
    return output.suffix.lower() in image_io.SUFFIXES and not output.is_dir()


def is_video_file(output: Path) -> bool:
    """Return whether the output is named as a video file, not as a folder."""
    return output.suffix.lower() in video.SUFFIXES and not output.is_dir()


def _find_inputs(folder: Path, output: Path, *, raw_only: bool) -> list[Path]:
    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.raw import raw_image

    suffixes = (*image_io.SUFFIXES, *video.SUFFIXES)
    # Images that are not read are jobs too: each is refused by name, and the count tells.
    unread, raws = image_io.SUFFIXES_UNREAD, raw_image.SUFFIXES
    files = image_io.find_images(folder, suffixes=(*suffixes, *unread, *raws))
    if raw_only:
        wanted = raws
    elif any(path.suffix.lower() in suffixes for path in files):
        wanted = (*suffixes, *unread)
    else:
        wanted = (*raws, *unread)
    results = _real_path(output)
    found = [
        path
        for path in files
        if path.suffix.lower() in wanted
        if results == _real_path(folder) or not _real_path(path).is_relative_to(results)
    ]
    if not found:
        suffixes = raw_image.SUFFIXES if raw_only else image_io.SUFFIXES
        kind = "RAW file" if raw_only else "image"
        raise UsageError(f"No {kind} in {folder}. Expected: {', '.join(suffixes)}.")
    return found


def _real_path(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `Path.resolve` raises an error for a link to itself


def _result_name(name: Path) -> Path:
    return name.with_suffix(".png") if raw.is_raw(name) else name


def _check_targets(jobs: list[Job]) -> list[Job]:
    """Return the jobs, each once; refuse two of one result, and a result that is an input."""
    sources = {_real_path(job.source) for job in jobs}
    by_target: dict[Path, Job] = {}
    for job in jobs:
        if _real_path(job.target) in sources:
            raise UsageError(f"{job.target} is an input itself. Pass another --output folder.")
        other = by_target.setdefault(_real_path(job.target), job).source
        if _real_path(other) != _real_path(job.source):
            raise UsageError(
                f"{other} and {job.source} would both be written to {job.target}. "
                "Enhance them into different folders."
            )
    return list(by_target.values())


def _pairing_name(job: Job, output: Path) -> Path:
    return job.target.relative_to(output).with_suffix("")
