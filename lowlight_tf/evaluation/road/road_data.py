"""Which images the road suite goes by: day drives, a day video, exposure stacks, night drives."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from lowlight_tf import checks, crash_notes
from lowlight_tf.imaging import dtypes, image_io

HELD_OUT_STACKS = ("kim9878", "susan31213", "ericpgz858", "ssarcandy", "pmef4")
"""Sources of the exposure stacks that no shipped model is trained on."""

HELD_OUT_CAMVID = "0006R0"
"""CamVid sequence that no shipped model of the second version is trained on."""

STACK_EV = (-6.0, -0.7)
"""EV below the reference of the frames that are measured."""

MAX_DAY_IMAGES = 12
"""Day drives that are measured, evenly chosen."""


@dataclasses.dataclass(frozen=True)
class StackFrame:
    """A dark frame of an exposure stack and its reference.

    Attributes:
        name: Source, scene and number of the frame.
        low: File of the dark frame.
        reference: File of the reference.
        is_fused: Whether the reference is a fusion of several exposures (shadows lifted) instead of
            one of them.
    """

    name: str
    low: Path
    reference: Path
    is_fused: bool


@dataclasses.dataclass(frozen=True)
class RoadData:
    """What the suite measures on; any list may be empty.

    Attributes:
        well_exposed: Files of well-lit images: day drives, and single-exposure references.
        day_videos: Day drives to make night clips of.
        night_videos: Real night drives.
        stacks: Dark frames with references.
    """

    well_exposed: tuple[Path, ...] = ()
    day_videos: tuple[Path, ...] = ()
    night_videos: tuple[Path, ...] = ()
    stacks: tuple[StackFrame, ...] = ()


def find_road_data(root: Path, *, sources: Iterable[str] = HELD_OUT_STACKS) -> RoadData:
    """Find what there is below a folder.

    Args:
        root: Holds some of `camvid/image`, `video`, `night_drive` and `exposures` with its
            `index.json`.
        sources: Sources of the exposure stacks that are measured.

    Raises:
        UsageError: If the folder is absent.
    """
    checks.check_dir("data_root", root)
    stacks, references = [], []
    index = root / "exposures" / "index.json"
    for scene in json.loads(index.read_text(encoding="utf-8")) if index.is_file() else ():
        if scene["source"] not in set(sources):
            continue
        reference, fused = index.parent / scene["reference"], scene["reference_kind"] != "frame"
        if not fused:
            references.append(reference)
        stacks += [
            StackFrame(
                f"{scene['source']}/{scene['scene']}/{Path(frame['file']).stem}",
                index.parent / frame["file"], reference, fused,
            )
            for frame in scene["frames"] if STACK_EV[0] <= frame["ev"] <= STACK_EV[1]
        ]  # fmt: skip
    day = [path for path in _images(root / "camvid" / "image") if HELD_OUT_CAMVID in path.stem]
    day = day[:: -(-len(day) // MAX_DAY_IMAGES)] if day else []
    return RoadData(
        well_exposed=(*day, *references),
        day_videos=_videos(root / "video"),
        night_videos=_videos(root / "night_drive"),
        stacks=tuple(stacks),
    )


def read_8_bit(path: Path) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 sRGB."""
    return dtypes.img_as_uint8(image_io.read_float_rgb(path))


def read_frames(path: Path, *, count: int, every: int = 1) -> list[np.ndarray]:
    """Return the first frames of a video, (H, W, 3) uint8 each, sides cut to even ones.

    Args:
        path: Anything that FFmpeg reads.
        count: How many frames at most.
        every: Take each so many-th frame.
    """
    frames: list[np.ndarray] = []
    with crash_notes.reading(path), av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if len(frames) == count:
                break
            if index % every == 0:
                image = frame.to_ndarray(format="rgb24")
                frames.append(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
    return frames


def _images(folder: Path) -> list[Path]:
    return image_io.find_images(folder) if folder.is_dir() else []


def _videos(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*.mp4"))) if folder.is_dir() else ()
