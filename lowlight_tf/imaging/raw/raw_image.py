"""RAW files: the sensor's own digits, packed, and what the camera said of them."""

import contextlib
import dataclasses
import io
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.legacy_names import RAW_METADATA_FIELDS, rename_keys

SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".kdc", ".mef"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"),
    *(".srf", ".srw", ".x3f"),
)
"""How RAW files are called. What is in them is LibRaw's to tell."""

MAX_EXPOSURE_RATIO = 300.0
"""The largest exposure ratio of See-in-the-Dark."""

_QUIET = threading.Lock()  # standard error belongs to all threads

TONE_CURVES = {"srgb": (2.4, 12.92), "bt709": (2.222, 4.5)}
"""Tone curves of `develop`, as LibRaw takes them: power, and slope at black."""

EXIF_ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}  # LibRaw's flip -> EXIF
SRGB_TO_XYZ = np.array(  # IEC 61966-2-1: linear sRGB to XYZ, of daylight (D65)
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


@dataclasses.dataclass(frozen=True)
class RawMetadata:
    """What a camera said of a picture. All of it can be written as JSON.

    Attributes:
        cfa_pattern: Colors of its filters at the top left corner of the mosaic, see `mosaic`.
        size: Height and width (pixels) of the mosaic, as it lies in the file.
        black_level: Digit of black of each packed channel.
        white_level: Digit of white of each packed channel.
        camera_wb: Gains of red, green and blue that make gray gray; that of green is 1.
        color_matrix: Three rows: from balanced camera colors to linear sRGB; each row adds up to 1.
        exposure_time: Time (seconds); None where the file does not say.
        iso: Sensitivity; None where the file does not say.
        orientation: 1 to 8, as EXIF counts the ways the picture lies; 1 is upright.
    """

    cfa_pattern: str
    size: tuple[int, int]
    black_level: tuple[float, ...]
    white_level: tuple[float, ...]
    camera_wb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    color_matrix: tuple[tuple[float, ...], ...] = (
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0),
    )
    exposure_time: float | None = None
    iso: float | None = None
    orientation: int = 1

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "RawMetadata":
        """Return the shot that was written as JSON."""
        fields = rename_keys(fields, RAW_METADATA_FIELDS)
        for key in ("size", "black_level", "white_level", "camera_wb"):
            fields[key] = tuple(fields[key])
        fields["color_matrix"] = tuple(map(tuple, fields["color_matrix"]))
        return cls(**fields)

    def normalize(self, raw_values: np.ndarray) -> np.ndarray:
        """Return the light that digits of packed pixels stand for.

        Args:
            raw_values: (..., 4) or (..., 9), of any part of the packed picture.

        Returns:
            The same shape, float32 in [0, 1]: black is 0 and white is 1; what noise puts below
            black is 0.
        """
        black, white = np.float32(self.black_level), np.float32(self.white_level)
        light = raw_values.astype(np.float32)
        light -= black
        light /= white - black
        return np.clip(light, 0, 1, out=light)

    def crop_and_orient(self, image: np.ndarray, *, downscale: int = 1) -> np.ndarray:
        """Return the picture in what a net made of the packed one: cut out, and turned upright.

        Args:
            image: (2h, 2w, C), or (3h, 3w, C) for X-Trans, of any type.
            downscale: How many times smaller it is than that. Where the packed picture has a margin
                (see `mosaic`), it then lies a pixel of the sensor beside the picture.

        Returns:
            (H, W, C), or (W, H, C) where the camera lay on its side; each side shrunk.
        """
        firsts = (-(-first // downscale) for first in cfa.pattern_offset(self.cfa_pattern))
        rows, columns = (
            slice(first, first + side // downscale)
            for first, side in zip(firsts, self.size, strict=True)
        )
        return self.orient(image[rows, columns])

    def orient(self, image: np.ndarray) -> np.ndarray:
        """Return a picture, (H, W, C) as the mosaic lies, turned upright."""
        turn = image_io.EXIF_TRANSFORMS.get(self.orientation)
        return turn(np.ascontiguousarray(image)) if turn else image

    def undo_orientation(self, image: np.ndarray) -> np.ndarray:
        """Return an upright picture as the mosaic lies: the inverse of `upright`."""
        turn = image_io.EXIF_TRANSFORMS.get({6: 8, 8: 6}.get(self.orientation, self.orientation))
        return turn(np.ascontiguousarray(image)) if turn else image


@dataclasses.dataclass(frozen=True, eq=False)
class RawImage:
    """A RAW picture.

    Attributes:
        raw_values: (h, w, 4) uint16 for Bayer, R G1 G2 B; (h, w, 9) for X-Trans. See `mosaic.pack`.
        metadata: What the camera said.
    """

    raw_values: np.ndarray
    metadata: RawMetadata

    @property
    def packed(self) -> np.ndarray:
        """The light: (h, w, 4) or (h, w, 9), float32 in [0, 1]. Made anew at every call."""
        return self.metadata.normalize(self.raw_values)


class RawSample(NamedTuple):
    """What a net of RAW pictures learns from, whether taken or made up.

    Attributes:
        packed: (h, w, 4) or (h, w, 9) float32 in [0, 1]: the dark light, not amplified.
        ratio: By how much it is to be amplified.
        target: (2h, 2w, 3) or (3h, 3w, 3) float32 sRGB in [0, 1], pixel over pixel.
        metadata: What the camera said of the dark picture.
    """

    packed: np.ndarray
    ratio: float
    target: np.ndarray
    metadata: RawMetadata


def read_raw(path: Path, *, black_level: float | None = None) -> RawImage:
    """Read a RAW file.

    Args:
        path: Whatever LibRaw opens: ARW, NEF, CR2, CR3, RAF, DNG and others.
        black_level: Digit of black, instead of what the file says. 0 for a camera that has taken it off.

    Raises:
        UsageError: If rawpy is missing; if the file is missing, truncated or no RAW file, its color
            filters are neither Bayer's nor X-Trans's, or it has no black level and none is given.
    """
    with _open_raw(path) as file:
        phase, indices = _read_cfa_pattern(file, path)
        levels = file.black_level_per_channel if black_level is None else [black_level] * 4
        if black_level is None and not any(levels):
            raise UsageError(
                f"{path} does not say which digit is black. Pass it (--black), such as 512; 0 if "
                "the camera has taken it off already."
            )
        whites = channel_white_levels(file.camera_white_level_per_channel, file.white_level)
        if not all(low < high for low, high in zip(levels, whites, strict=True)):
            raise UsageError(
                f"{path}: black must be below white. Received: black {levels}, white {whites}."
            )
        each = cfa.pack_period(indices, phase)
        shot = RawMetadata(
            cfa_pattern=phase,
            size=tuple(file.raw_image_visible.shape),
            black_level=tuple(float(levels[index]) for index in each),
            white_level=tuple(float(whites[index]) for index in each),
            camera_wb=_read_white_balance(file),
            color_matrix=tuple(map(tuple, _read_color_matrix(file).tolist())),
            exposure_time=float(file.other.shutter_speed) or None,
            iso=float(file.other.iso_speed) or None,
            orientation=EXIF_ORIENTATIONS[file.sizes.flip],
        )
        digits = cfa.pack(file.raw_image_visible, phase)
        return RawImage(digits.copy() if digits.base is not None else digits, shot)


def read_raw_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of the picture in a RAW file, upright; its pixels are not unpacked.

    Raises:
        UsageError: If rawpy is missing, or the file is missing or no RAW file.
    """
    with _open_raw(path, unpacked=False) as file:
        sides = file.sizes.height, file.sizes.width
        return sides[::-1] if EXIF_ORIENTATIONS[file.sizes.flip] >= 5 else sides


def develop_with_libraw(
    source: Path | bytes, *, ratio: float = 1.0, curve: str = "bt709", upright: bool = False
) -> np.ndarray:
    """Develop a RAW file as LibRaw does: demosaiced (AHD), the camera's white balance and colors.

    Args:
        source: A file, or what is in one.
        ratio: By how much the light is multiplied before the tone curve.
        curve: One of `CURVES`. "bt709" is LibRaw's own, and what See-in-the-Dark's targets have.
        upright: Turn it upright; else it is as it lies in the file.

    Returns:
        (H, W, 3) uint16.

    Raises:
        UsageError: If `ratio` is not positive, or as `read`, but for the black level.
    """
    checks.check_positive("ratio", ratio)
    checks.check_choice("curve", curve, TONE_CURVES)
    with _open_raw(source) as file:
        return file.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            output_bps=16,
            bright=ratio,
            gamma=TONE_CURVES[curve],
            user_flip=None if upright else 0,
        )


def exposure_ratio(
    short: RawMetadata, long: RawMetadata, *, max_ratio: float | None = MAX_EXPOSURE_RATIO
) -> float:
    """Return how much more light the second shot has: by time and sensitivity, from their EXIF.

    Args:
        short: The short exposure.
        long: The long exposure. Where either does not tell its ISO, both count as equal.
        max_ratio: The largest ratio; None for any.

    Raises:
        UsageError: If a shot does not tell its time.
    """
    if not short.exposure_time or not long.exposure_time:
        raise UsageError("The exposure time of a RAW file is unknown. Give the ratio (--ratio).")
    gain = long.iso / short.iso if long.iso and short.iso else 1.0
    return cap_ratio(long.exposure_time / short.exposure_time * gain, max_ratio)


def cap_ratio(ratio: float, max_ratio: float | None = MAX_EXPOSURE_RATIO) -> float:
    """Return an exposure ratio, or `max_ratio` if that is less.

    Raises:
        UsageError: If the ratio is not positive.
    """
    checks.check_positive("ratio", ratio)
    return ratio if max_ratio is None else min(ratio, max_ratio)


def amplify(linear: np.ndarray, metadata: RawMetadata, ratio: float) -> np.ndarray:
    """Return what a net of RAW pictures is shown: light that is balanced, times the ratio.

    The gains are divided by the least of them, as LibRaw does: what a sensor cut off is white, and
    nothing is darker than it was.

    Args:
        linear: (..., 4) or (..., 9) in [0, 1], of any part of the packed picture; see `Shot.light`.
        metadata: What the camera said.
        ratio: By how much it is amplified.

    Returns:
        The same shape and type, in [0, 1]: white where it is more.

    Differences from Chen et al. and from the seed of the attention U-Net:
        They show the light as the sensor saw it, and the net has to guess what is gray.
    """
    factor = ratio / min(metadata.camera_wb)
    result = cfa.apply_white_balance(linear, tuple(gain * factor for gain in metadata.camera_wb))
    return np.minimum(result, 1, out=result)


def img_as_uint16(image: np.ndarray) -> np.ndarray:
    """Return an image in [0, 1], clipped, as uint16: what `files.Picture` holds."""
    return np.rint(np.clip(image, 0, 1) * np.float32(65535)).astype(np.uint16)


def channel_white_levels(per_channel: Sequence[float] | None, default: float) -> list[float]:
    """Return the digits of white of LibRaw's four colors.

    Args:
        per_channel: What the camera itself wrote into the file; None or 0 where it did not.
        default: What LibRaw knows of the camera's kind. It is often above what a pixel reaches, and
            then white would be pink.
    """
    return [own or default for own in per_channel or (0,) * 4]


@contextlib.contextmanager
def _open_raw(source: Path | bytes, *, unpacked: bool = True) -> Iterator[Any]:
    """Lend what rawpy knows of a file."""
    try:
        import rawpy
    except ImportError:
        raise UsageError(
            "RAW files need rawpy, which is not installed. Run: pip install 'lowlight_tf[raw]'."
        ) from None
    inside = isinstance(source, bytes)
    name = "The RAW file" if inside else source
    if not inside and not source.is_file():
        raise UsageError(f"{source} is no file. Name a RAW file that exists.")
    try:
        with contextlib.ExitStack() as stack:
            with _QUIET, _silence_libraw():
                file = rawpy.imread(io.BytesIO(source) if inside else str(source))
                stack.enter_context(file)
                if unpacked:
                    _ = file.raw_image_visible  # what is truncated is found now
            yield file
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError):
        raise UsageError(
            f"{name} is not a RAW file that LibRaw knows. A JPEG, PNG or TIFF picture needs a "
            "model of pictures, without a ratio; a new camera's RAW file, a conversion to DNG."
        ) from None
    except rawpy.LibRawError as error:
        raise UsageError(
            f"{name} is truncated or damaged: {_error_text(error)}. Copy it again."
        ) from None


@contextlib.contextmanager
def _silence_libraw() -> Iterator[None]:
    """Keep LibRaw from writing on standard error what an exception is about to say."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _error_text(error: Exception) -> str:
    (reason,) = error.args or ("unreadable",)
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _read_cfa_pattern(file: Any, path: Path) -> tuple[str, np.ndarray]:
    """Return the colors of a period at the top left corner, and LibRaw's indices of them."""
    names, pattern = file.color_desc.decode("ascii", "replace"), file.raw_pattern
    if pattern is None or file.num_colors != 3 or pattern.shape not in ((2, 2), (6, 6)):
        raise UsageError(
            f"{path} has color filters that are neither Bayer's nor X-Trans's "
            f"({file.num_colors} colors, {names!r}). Develop it with the camera's own program."
        )
    top, left = file.sizes.top_margin, file.sizes.left_margin
    rows, columns = pattern.shape
    indices = np.array(
        [[file.raw_color(top + y, left + x) for x in range(columns)] for y in range(rows)]
    )
    phase = "".join(names[index] for index in indices.flat)
    try:
        cfa.packing_factor(phase)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return phase, indices


def _read_white_balance(file: Any) -> tuple[float, float, float]:
    """Return the camera's white balance, or that of daylight where it says none."""
    for gains in (file.camera_whitebalance, file.daylight_whitebalance):
        red, green, blue = gains[:3]
        if min(red, green, blue) > 0:
            return red / green, 1.0, blue / green
    return 1.0, 1.0, 1.0


def _read_color_matrix(file: Any) -> np.ndarray:
    """Return what LibRaw itself would multiply balanced camera colors by."""
    from_xyz, from_file = file.rgb_xyz_matrix[:3], file.color_matrix[:, :3]
    if from_xyz.any():
        return compute_color_matrix(from_xyz.astype(np.float64))
    return from_file.astype(np.float64) if from_file.any() else np.eye(3)


def compute_color_matrix(xyz_to_camera: np.ndarray) -> np.ndarray:
    """Return the matrix from balanced camera colors to linear sRGB.

    Args:
        xyz_to_camera: (3, 3) from XYZ (D65) to the camera's colors, as makers and DNG files give it.

    Returns:
        (3, 3), each row adding up to 1, so that gray stays gray: M = N^-1, where N is
        `xyz_to_camera` times the matrix of sRGB, each row divided by its sum.
    """
    to_camera = xyz_to_camera @ SRGB_TO_XYZ
    return np.linalg.inv(to_camera / to_camera.sum(axis=1, keepdims=True))
