"""`lowlight-tf enhance`: dark pictures and videos -> bright ones; those of two cameras -> one.

RAW files are developed: `cli.develop`.
"""

import argparse
import contextlib
import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import ProgressBar
from lowlight_tf.cli.enhancing import camera_pair, image, raw, video
from lowlight_tf.cli.enhancing.camera_pair import Job

if TYPE_CHECKING:
    from lowlight_tf.contract import Contract
    from lowlight_tf.runtime.engine import Engine

HELP = "brighten pictures and videos, develop RAW files, or fuse what two cameras saw"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add(
        "pictures",
        nargs="*",
        type=video.parse_source,
        metavar="IN",
        help="pictures, videos, RAW files, or folders of them; a camera (/dev/video0), an address "
        "(rtsp://, udp://, http://), a named pipe, or - for the standard input",
    )
    add("--input", nargs="+", type=video.parse_source, default=[], help="the same, by a flag")
    add(
        "--output",
        type=Path,
        help="folder of the results: each has its input's name and format, and below a folder "
        "given as input its place there (default with --checkpoint-dir: RUN/predictions); of a RAW "
        "file a .png of 16 bits; for one input also a file, as out.mp4 or out.jpg, and for many "
        "RAW files out.mp4",
    )
    add("--model", help="shipped name, .tflite file or run folder (default: the best that ships)")
    add("--checkpoint-dir", type=Path, metavar="RUN", help="as --model RUN")
    add("--overwrite", action="store_true", help="replace results that are there already")
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")
    add(
        "--runner",
        choices=("local", "ray"),
        default="local",
        help="ray: on all processors, or on the cluster that RAY_ADDRESS names, with --threads "
        "processors a worker; what is there already is passed over ([ray] extra)",
    )
    image.add_arguments(parser)
    raw.add_arguments(parser)
    camera_pair.add_arguments(parser)
    video.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Enhance all that can be; return 0, or 1 if some failed, or 2 if all did."""
    run_folder = args.checkpoint_dir
    if run_folder and args.model:
        raise UsageError("Pass either --model or --checkpoint-dir, not both.")
    if run_folder and not run_folder.is_dir():
        raise UsageError(f"--checkpoint-dir must be a run folder. No folder {run_folder}.")
    inputs = [*args.pictures, *args.input]
    if not inputs and not run_folder:
        raise UsageError("No picture is named. Pass pictures or folders of pictures.")
    output = args.output or (run_folder and run_folder / "predictions")
    if not output:
        raise UsageError("Pass --output, the folder that the results go to.")
    one = len(inputs) == 1 and not _is_folder(inputs[0]) and _is_file(output, inputs[0])
    frames = raw.burst_frames(inputs) if _is_video_file(output) else None
    one = one or frames is not None
    if output.exists() and not output.is_dir() and not one:
        raise UsageError(f"--output must be a folder. Received: {output} (a file).")

    from lowlight_tf.runtime import explain, pretrained
    from lowlight_tf.runtime.loading import load_model

    best = pretrained.default_model(raw=raw.are_raw(inputs), cameras=bool(args.infrared))
    model = run_folder or args.model or best
    engine = load_model(model, threads=args.threads)
    raw.check(engine, args)
    if frames is not None:
        return raw.enhance_burst(engine, frames, output, args)
    if not inputs:
        inputs = _embedded(run_folder, engine.contract)
        inputs, args.infrared = inputs[:1], args.infrared or inputs[1:]
    develops = engine.contract.is_raw
    jobs = _plan_one(inputs[0], output) if one else plan(inputs, output, develops=develops)
    camera_pair.check(engine, args)
    if args.explain:
        explain.check(engine)
    alone = len(inputs) == 1 and not _is_folder(inputs[0])
    jobs, lone = _with_partners(jobs, args.infrared, output, alone=alone)
    if args.runner == "ray":
        whole, broken = _enhance_by_ray(model, jobs, args)
    else:
        whole, broken = _enhance_all(engine, jobs, args)
    things = "files" if any(video.is_video(job.source) for job in jobs) else "pictures"
    for job in lone:
        print(f"lowlight-tf enhance: {job.source} has no visible partner.", file=sys.stderr)
    done = "fused" if engine.contract.is_fusion else "developed" if develops else "enhanced"
    print(f"{whole} of {len(jobs)} {things} {done} by {engine.name}, in {output}")
    return 0 if whole == len(jobs) and not lone else 1 if whole or broken else 2


def plan(inputs: list[video.Source], output: Path, *, develops: bool = False) -> list[Job]:
    """Return what is read and where each result goes.

    A picture or video goes into `output` under its own name; one that was found in a folder keeps
    its place below that folder. A RAW file becomes a .png. Results of an earlier run that lie
    inside an input folder are passed over; so is all of it but RAW files for a net that develops
    them, and for another RAW files unless there is nothing else.

    Raises:
        UsageError: If a folder holds no picture, two results would be the same file, a result
            would replace an input, or a live stream has no name that a file could have.
    """
    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.raw import raw_image

    jobs = []
    inside = output.resolve()
    for source in dict.fromkeys(inputs):
        if video.is_video(source) and (isinstance(source, str) or not source.is_file()):
            raise UsageError(f"{source} is no file: name the result, as --output FILE.mp4.")
        if not source.is_dir():
            jobs.append(Job(source, output / _result_name(Path(source.name))))
            continue
        raws = image_io.find_images(source, suffixes=raw_image.SUFFIXES)
        others = [] if develops else sorted([*image_io.find_images(source), *video.find(source)])
        found = [
            path
            for path in others or raws
            if inside == source.resolve() or not path.resolve().is_relative_to(inside)
        ]
        if not found:
            kinds = raw_image.SUFFIXES if develops else image_io.SUFFIXES
            thing = "RAW file" if develops else "picture"
            raise UsageError(f"No {thing} in {source}. Expected: {', '.join(kinds)}.")
        jobs += [Job(path, output / _result_name(path.relative_to(source))) for path in found]
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Job] = {}
    for job in jobs:
        source, target, _ = job
        if target.resolve() in sources:
            raise UsageError(f"{target} is an input itself. Pass another --output folder.")
        other = taken.setdefault(target.resolve(), job).source
        if other.resolve() != source.resolve():
            raise UsageError(
                f"{other} and {source} would both be written to {target}. "
                "Enhance them into different folders."
            )
    return list(taken.values())


def _result_name(name: Path) -> Path:
    """Return what a result is called."""
    return name.with_suffix(".png") if raw.is_raw(name) else name


def _is_file(output: Path, source: video.Source) -> bool:
    """Tell whether the output is named as a file of what the source is, not as a folder."""
    from lowlight_tf.imaging import image_io

    if video.is_video(source):
        return _is_video_file(output)
    return output.suffix.lower() in image_io.SUFFIXES and not output.is_dir()


def _is_video_file(output: Path) -> bool:
    return output.suffix.lower() in video.SUFFIXES and not output.is_dir()


def _plan_one(source: video.Source, target: Path) -> list[Job]:
    if isinstance(source, Path) and source.resolve() == target.resolve():
        raise UsageError(f"{target} is the input itself. Pass another --output.")
    return [Job(source, target)]


def _is_folder(source: video.Source) -> bool:
    return isinstance(source, Path) and source.is_dir()


def _with_partners(
    jobs: list[Job], infrared: list[video.Source], output: Path, *, alone: bool
) -> tuple[list[Job], list[Job]]:
    """Return the jobs with what the infrared camera saw, and what of that belongs to none.

    Of one file to one file the names do not matter.
    """
    if not infrared:
        return jobs, []
    if alone and len(infrared) == 1 and not _is_folder(infrared[0]):
        _plan_one(infrared[0], jobs[0].target)
        return [jobs[0]._replace(infrared=infrared[0])], []
    if alone and _is_file(output, jobs[0].source):
        raise UsageError(f"One video takes one --infrared video. Received: {len(infrared)}.")
    return camera_pair.pair_jobs(jobs, plan(infrared, output), output)


def _embedded(run_folder: Path, contract: "Contract") -> list[Path]:
    """Return the validation pictures that come with the package: of each camera a folder."""
    from lowlight_tf.datasets import pairing, synthetic, synthetic_raw

    if contract.is_raw:
        day = synthetic.sample_pairs(run_folder / "embedded") / "val"
        pairs = synthetic_raw.synthetic_raw(
            pairing.target_only_folder(day), run_folder / "embedded_raw"
        )
        folders = [pairs[0].inputs["raw"].parent]
    elif contract.is_fusion:
        folder = synthetic.sample_camera_pairs(run_folder / "embedded_cameras") / "val"
        folders = [folder / "visible", folder / "infrared"]
    else:
        folders = [synthetic.sample_pairs(run_folder / "embedded") / "val" / "low"]
    print(f"No picture is named: taking the embedded validation pictures, {folders[0]}")
    return folders


def _enhance_all(engine: "Engine", jobs: list[Job], args: argparse.Namespace) -> tuple[int, int]:
    """Return how many were enhanced whole and in part; say of each other one what is wrong."""
    outcomes = []
    with ProgressBar(len(jobs)) as bar:
        for index, job in enumerate(jobs):
            bar.show(index, getattr(job.source, "name", job.source))
            outcomes.append(_attempt(engine, job, args, bar, index))
    return outcomes.count("whole"), outcomes.count("broken")


def _attempt(
    engine: "Engine", job: Job, args: argparse.Namespace, bar: ProgressBar, index: int
) -> str | None:
    """Enhance one; return "whole", "broken" if it was in part, or None, and say what is wrong."""
    source = job.source
    try:
        how = None
        if engine.contract.is_fusion:
            _check_partner(job)
            how = camera_pair.preprocessing_for(engine, args)
        if video.is_video(source):
            if args.explain:
                raise UsageError("--explain is for pictures. Leave it out where videos are named.")
            whole = video.enhance_one(engine, job, args, bar, index, preparation=how)
            return "whole" if whole else "broken"
        image.enhance_one(engine, job, args, bar, index, preparation=how)
        return "whole"
    except (UsageError, OSError, MemoryError) as error:
        bar.clear()
        reason = str(error) or "not enough memory"
        where = "" if any(str(path) in reason for path in filter(None, job)) else f"{source}: "
        print(f"lowlight-tf enhance: {where}{reason}", file=sys.stderr)
        return None


def _enhance_by_ray(
    model: str | Path, jobs: list[Job], args: argparse.Namespace
) -> tuple[int, int]:
    """As `_enhance_all`, by many workers; what an earlier run has finished counts as enhanced.

    A result bears its name only once it is complete, so that what bears it is finished. What a
    worker left half done when it was ended lies beside, and is written over.
    """
    from lowlight_tf.runtime import ray_pool

    if any(isinstance(path, str) for job in jobs for path in job):
        raise UsageError("--runner ray takes files and folders. Enhance a stream without it.")
    todo = [Job(*(path and path.absolute() for path in job)) for job in jobs]
    if not args.overwrite:
        todo = [job for job in todo if not job.target.is_file()]
    if len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} are there already")
    model = Path(model).absolute() if Path(model).exists() else model
    options = argparse.Namespace(**{**vars(args), "overwrite": True})
    answers = ray_pool.map_unordered(
        todo, functools.partial(_open_worker, model, options), cpus=args.threads
    )
    outcomes = ["whole"] * (len(jobs) - len(todo))
    with ProgressBar(len(todo)) as bar, contextlib.closing(answers):
        bar.show(0, "")
        for done, (job, answer) in enumerate(answers, start=1):
            bar.clear()
            if isinstance(answer, ray_pool.TaskFailure):
                print(f"lowlight-tf enhance: {job.source}: {answer.reason}", file=sys.stderr)
            else:
                outcome, said = answer
                print(said, end="", file=sys.stderr)
                outcomes.append(outcome)
            bar.show(done, job.source.name)
    return outcomes.count("whole"), outcomes.count("broken")


def _open_worker(
    model: str | Path, args: argparse.Namespace
) -> Callable[[Job], tuple[str | None, str]]:
    """Load the model; return what enhances one job and tells its outcome and what there is to say.

    Runs in another process.
    """
    from lowlight_tf.runtime.loading import load_model

    engine = load_model(model, threads=args.threads)

    def work(job: Job) -> tuple[str | None, str]:
        with contextlib.redirect_stderr(io.StringIO()) as said, ProgressBar(1) as bar:
            outcome = _attempt(engine, job, args, bar, 0)
        return outcome, said.getvalue()

    return work


def _check_partner(job: Job) -> None:
    """Refuse what only one camera saw, or one as a picture and the other as a video."""
    source, _, infrared = job
    if infrared is None:
        raise UsageError(
            f"{source} has no infrared partner: none of its name, whatever the suffix, is among "
            "what --infrared names."
        )
    if video.is_video(source) != video.is_video(infrared):
        raise UsageError(
            f"{source} and {infrared} must both be pictures or both videos. Rename one of them."
        )
