"""`lowlight-tf enhance`: brighten images and videos, fuse two cameras, develop RAW files."""

import argparse
import contextlib
import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf import crash_notes
from lowlight_tf.checks import UsageError, describe_error
from lowlight_tf.cli.console import ProgressBar, warn
from lowlight_tf.cli.enhancing import camera_pair, image, raw, video, video_output
from lowlight_tf.cli.enhancing.jobs import (
    Job,
    add_infrared,
    is_folder,
    is_result_file,
    is_video_file,
    plan_jobs,
    plan_one_job,
)

if TYPE_CHECKING:
    from lowlight_tf.contract import Contract
    from lowlight_tf.runtime.engine import Engine

HELP = "brighten images and videos, develop RAW files, or fuse two cameras"

COMPLETE, PARTIAL, FAILED = "complete", "partial", "failed"
"""Outcomes of a job; FAILED where nothing was written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add(
        "inputs",
        nargs="*",
        type=video.parse_source,
        metavar="IN",
        help="images, videos, RAW files, or folders of them; a camera (/dev/video0), an address "
        "(rtsp://, udp://, http://), a named pipe, or - for the standard input",
    )
    add("--input", nargs="+", type=video.parse_source, default=[], help="the same, as a flag")
    add(
        "--output",
        type=video.parse_source,
        metavar="OUT",
        help="folder of the results: each has its input's name and format, and below a folder "
        "given as input its place there (default with --checkpoint-dir: RUN/predictions); of a RAW "
        "file a .png of 16 bits; for one input also a file, as out.mp4 or out.jpg, and for many "
        "RAW files out.mp4; for one video also - (standard output), rtsp://, rtmp://, udp://, "
        "tcp:// or srt:// (sent there), http://HOST:PORT/ (served as MJPEG), or a V4L2 loopback "
        "device (/dev/video9)",
    )
    add(
        "--model",
        help="shipped name, .tflite file or run folder (default: what suits images, videos, RAW "
        "files or two cameras best)",
    )
    add("--checkpoint-dir", type=Path, metavar="RUN", help="as --model RUN")
    add(
        "--brightness",
        type=float,
        default=0.0,
        metavar="EV",
        help="brighter or darker results, -2 to 2, of a model with a brightness control (default: "
        "0, automatic); black and white stay",
    )
    add("--overwrite", action="store_true", help="replace existing results")
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")
    add(
        "--runner",
        choices=("local", "ray"),
        default="local",
        help="ray: on all processors, or on the cluster that RAY_ADDRESS names, with --threads "
        "processors a worker; existing results are skipped ([ray] extra)",
    )
    image.add_arguments(parser)
    raw.add_arguments(parser)
    camera_pair.add_arguments(parser)
    video.add_arguments(parser)
    video_output.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Enhance all that can be; return 0, or 1 if some failed, or 2 if all did."""
    inputs, output = _inputs_and_output(args)
    single_input = len(inputs) == 1 and not is_folder(inputs[0])
    to_stream = video_output.is_live_output(output, args)
    if to_stream and not (single_input and video.is_video(inputs[0])):
        raise UsageError(f"{output} takes one video. Name one file, stream or pipe as IN.")
    to_file = not to_stream and single_input and is_result_file(output, inputs[0])
    frames = raw.burst_frames(inputs) if not to_stream and is_video_file(output) else None
    is_file = isinstance(output, Path) and output.exists() and not output.is_dir()
    if is_file and (args.segment or not (to_file or to_stream or frames is not None)):
        raise UsageError(f"--output must be a folder. Received: {output} (a file).")

    from lowlight_tf.runtime.brightness import check_brightness
    from lowlight_tf.runtime.explain import check_explanation
    from lowlight_tf.runtime.loading import load_model
    from lowlight_tf.runtime.pretrained import default_model
    from lowlight_tf.runtime.tasks import task_of

    model = args.checkpoint_dir or args.model
    if not model:
        model = default_model(
            raw=raw.are_raw(inputs), cameras=bool(args.infrared), videos=video.are_videos(inputs)
        )
    engine = load_model(model, threads=args.threads)
    task = task_of(engine.contract)
    raw.check(engine, args)
    check_brightness(engine.contract, args.brightness)
    if frames is not None:
        return raw.enhance_burst(engine, frames, output, args)
    if not inputs:
        inputs, infrared = _sample_inputs(args.checkpoint_dir, engine.contract)
        args.infrared = args.infrared or infrared
    if to_file or to_stream:
        jobs = plan_one_job(inputs[0], output)
    else:
        jobs = plan_jobs(inputs, output, raw_only=task.name == "raw_to_rgb")
    camera_pair.check(engine, args)
    if args.explain:
        check_explanation(engine)
    single_input = len(inputs) == 1 and not is_folder(inputs[0])
    jobs, unpaired = add_infrared(jobs, args.infrared, output, single_input=single_input)

    run_jobs = _run_jobs_on_ray if args.runner == "ray" else _run_jobs
    outcomes = run_jobs(engine, model, jobs, args)
    for job in unpaired:
        warn("enhance", f"{job.source} has no visible partner.")
    complete = outcomes.count(COMPLETE)
    kind = "files" if any(video.is_video(job.source) for job in jobs) else "images"
    count = f"{complete} of {len(jobs)} {kind}"
    place = sys.stderr if output == video_output.STDOUT else sys.stdout
    print(f"{count} {task.past_tense} by {engine.name}, in {output}", file=place)
    if complete == len(jobs) and not unpaired:
        return 0
    return 1 if complete or PARTIAL in outcomes else 2


def _inputs_and_output(args: argparse.Namespace) -> tuple[list[video.Source], video.Source]:
    """Return what is read and where results go, after the checks that need no model."""
    run_folder = args.checkpoint_dir
    if run_folder and args.model:
        raise UsageError("Pass either --model or --checkpoint-dir, not both.")
    if run_folder and not run_folder.is_dir():
        raise UsageError(f"--checkpoint-dir must be a run folder. No folder {run_folder}.")
    inputs = [*args.inputs, *args.input]
    if not inputs and not run_folder:
        raise UsageError("No input is named. Pass images or folders of images.")
    output = args.output or (run_folder and run_folder / "predictions")
    if not output:
        raise UsageError("Pass --output, the folder that the results go to.")
    return inputs, output


def _sample_inputs(run_folder: Path, contract: "Contract") -> tuple[list[Path], list[Path]]:
    """Write sample images into the run folder; return the visible and the infrared folders."""
    from lowlight_tf.datasets import pairing, synthetic, synthetic_raw

    infrared = []
    if contract.task == "raw_to_rgb":
        photographs = synthetic.sample_pairs(run_folder / "embedded") / "val"
        pairs = synthetic_raw.synthesize_raw_pairs(
            pairing.target_only_folder(photographs), run_folder / "embedded_raw"
        )
        folder = pairs[0].inputs["raw"].parent
    elif contract.task == "fuse":
        cameras = synthetic.sample_camera_pairs(run_folder / "embedded_cameras") / "val"
        folder, infrared = cameras / "visible", [cameras / "infrared"]
    else:
        folder = synthetic.sample_pairs(run_folder / "embedded") / "val" / "low"
    print(f"No input is named: taking the sample images of the package, {folder}")
    return [folder], infrared


def _run_jobs(
    engine: "Engine", model: str | Path, jobs: list[Job], args: argparse.Namespace
) -> list[str]:
    """Return the outcome of each job; report why others failed.

    Jobs that were finished before a decoder crashed are not run again.
    """
    outcomes, finished = [], crash_notes.records()
    with ProgressBar(len(jobs)) as bar:
        for index, job in enumerate(jobs):
            bar.show(index, getattr(job.source, "name", job.source))
            outcome = finished.get(str(job.target)) or _run_job(engine, job, args, bar, index)
            outcomes.append(outcome)
            print(end="", flush=True)  # what is in the buffer would be lost by a crash
            crash_notes.record(job.target, outcome)
    return outcomes


def _run_job(
    engine: "Engine", job: Job, args: argparse.Namespace, bar: ProgressBar, index: int
) -> str:
    """Return the outcome of one job; report why it failed."""
    try:
        camera_pair.check_partner(engine, job)
        if not video.is_video(job.source):
            image.enhance_image(engine, job, args, bar, index)
            return COMPLETE
        if args.explain:
            raise UsageError("--explain is for images. Leave it out where videos are named.")
        preprocessing = camera_pair.preprocessing_for(engine, args)
        with crash_notes.reading(job.source):
            complete = video.enhance_video(
                engine, job, args, bar, index, preprocessing=preprocessing
            )
        return COMPLETE if complete else PARTIAL
    except ModuleNotFoundError:
        raise  # would fail every job of this kind; `main` names what to install
    except Exception as error:  # of many libraries: one file never ends a folder
        bar.clear()
        reason = str(error) or "not enough memory"
        if not isinstance(error, UsageError | OSError | MemoryError):
            reason = f"cannot be enhanced: {describe_error(error)}"
        is_named = any(str(path) in reason for path in filter(None, job))
        warn("enhance", f"{'' if is_named else f'{job.source}: '}{reason}")
        return FAILED


def _run_jobs_on_ray(
    engine: "Engine", model: str | Path, jobs: list[Job], args: argparse.Namespace
) -> list[str]:
    """As `_run_jobs`, by many workers; results of an earlier run count as complete.

    A result has its name only once it is complete. What a worker was writing when it was ended has
    another name, and is overwritten.
    """
    from lowlight_tf.runtime import ray_pool

    if any(isinstance(path, str) for job in jobs for path in job):
        raise UsageError("--runner ray takes files and folders. Enhance a stream without it.")
    todo = [Job(*(path and path.absolute() for path in job)) for job in jobs]
    if not args.overwrite:
        todo = [job for job in todo if not job.target.is_file()]
    if len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} exist already")
    model = Path(model).absolute() if Path(model).exists() else model
    options = argparse.Namespace(**{**vars(args), "overwrite": True})
    results = ray_pool.map_unordered(
        todo, functools.partial(_open_worker, model, options), cpus=args.threads
    )
    outcomes = [COMPLETE] * (len(jobs) - len(todo))
    with ProgressBar(len(todo)) as bar, contextlib.closing(results):
        bar.show(0, "")
        for done, (job, result) in enumerate(results, start=1):
            bar.clear()
            if isinstance(result, ray_pool.TaskFailure):
                warn("enhance", f"{job.source}: {result.reason}")
            else:
                outcome, messages = result
                print(messages, end="", file=sys.stderr)
                outcomes.append(outcome)
            bar.show(done, job.source.name)
    return outcomes


def _open_worker(model: str | Path, args: argparse.Namespace) -> Callable[[Job], tuple[str, str]]:
    """Load the model in a worker; return a function from a job to its outcome and messages."""
    from lowlight_tf.runtime.loading import load_model

    engine = load_model(model, threads=args.threads)

    def work(job: Job) -> tuple[str, str]:
        with contextlib.redirect_stderr(io.StringIO()) as messages, ProgressBar(1) as bar:
            outcome = _run_job(engine, job, args, bar, 0)
        return outcome, messages.getvalue()

    return work
