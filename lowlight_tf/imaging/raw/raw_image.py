"""RAW files: packed raw values, (h, w, 4) or (h, w, 9), and the metadata of the camera."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.imaging.raw.libraw import open_raw
from lowlight_tf.legacy_names import RAW_METADATA_FIELDS, rename_keys

SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".kdc", ".mef"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"),
    *(".srf", ".srw", ".x3f"),
)
"""Suffixes of RAW files. Which of them can be read is up to LibRaw."""

MAX_EXPOSURE_RATIO = 300.0
"""The largest exposure ratio of See-in-the-Dark."""

TONE_CURVES = {"srgb": (2.4, 12.92), "bt709": (2.222, 4.5)}
"""Tone curves of `develop_with_libraw`: power and slope at black, as LibRaw expects them."""

EXIF_ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}  # by LibRaw's flip
SRGB_TO_XYZ = np.array(  # IEC 61966-2-1: linear sRGB to XYZ (D65)
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


class NoMosaicError(UsageError):
    """Every pixel of a RAW file has all colors, or none: `develop_with_libraw` takes it."""


@dataclasses.dataclass(frozen=True)
class RawMetadata:
    """Metadata of a RAW image. `dataclasses.asdict` gives what can be written as JSON.

    Attributes:
        cfa_pattern: Colors of the filters at the top left corner of the mosaic, see `cfa`.
        size: Height and width (pixels) of the mosaic as stored, before orientation.
        black_level: Raw value of black for each packed channel.
        white_level: Raw value of white for each packed channel.
        camera_wb: White balance gains of red, green and blue; that of green is 1.
        color_matrix: (3, 3) from white-balanced camera colors to linear sRGB; rows sum to 1.
        exposure_time: Exposure time (seconds), or None if unknown.
        iso: ISO sensitivity, or None if unknown.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
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
        """Return the metadata that were written as JSON, by this version or 0.1.0."""
        fields = rename_keys(fields, RAW_METADATA_FIELDS)
        for key in ("size", "black_level", "white_level", "camera_wb"):
            fields[key] = tuple(fields[key])
        fields["color_matrix"] = tuple(map(tuple, fields["color_matrix"]))
        return cls(**fields)

    def normalize(self, raw_values: np.ndarray) -> np.ndarray:
        """Convert raw values to linear light in [0, 1].

        Args:
            raw_values: (..., 4) or (..., 9), any part of the packed image.

        Returns:
            The same shape, float32 in [0, 1]: black is 0 and white is 1; values below black, which
            noise causes, are clipped.
        """
        black, white = np.float32(self.black_level), np.float32(self.white_level)
        light = raw_values.astype(np.float32)
        light -= black
        light /= white - black
        return np.clip(light, 0, 1, out=light)

    def crop_and_orient(self, image: np.ndarray, *, downscale: int = 1) -> np.ndarray:
        """Crop a model's output for the packed image to the image and make it upright.

        Args:
            image: (2h, 2w, C), or (3h, 3w, C) for X-Trans, of any type.
            downscale: Factor by which the output is smaller than that. If the packed image is
                padded (see `cfa`), the result is then shifted by up to one pixel of the sensor.

        Returns:
            (H, W, C), or (W, H, C) for orientations 5 to 8; each side divided by `downscale`.
        """
        starts = (-(-start // downscale) for start in cfa.pattern_offset(self.cfa_pattern))
        rows, columns = (
            slice(start, start + side // downscale)
            for start, side in zip(starts, self.size, strict=True)
        )
        return self.orient(image[rows, columns])

    def orient(self, image: np.ndarray) -> np.ndarray:
        """Rotate an image, (H, W, C) in the orientation of the mosaic, upright."""
        transform = image_io.EXIF_TRANSFORMS.get(self.orientation)
        return transform(np.ascontiguousarray(image)) if transform else image

    def undo_orientation(self, image: np.ndarray) -> np.ndarray:
        """Rotate an upright image to the orientation of the mosaic: the inverse of `orient`."""
        inverse = {6: 8, 8: 6}.get(self.orientation, self.orientation)
        transform = image_io.EXIF_TRANSFORMS.get(inverse)
        return transform(np.ascontiguousarray(image)) if transform else image


@dataclasses.dataclass(frozen=True, eq=False)
class RawImage:
    """A RAW image.

    Attributes:
        raw_values: (h, w, 4) uint16 for Bayer, R G1 G2 B; (h, w, 9) for X-Trans. See `cfa.pack`.
        metadata: Metadata of the camera.
    """

    raw_values: np.ndarray
    metadata: RawMetadata

    @property
    def packed(self) -> np.ndarray:
        """Linear light, (h, w, 4) or (h, w, 9) float32 in [0, 1]; computed at every access."""
        return self.metadata.normalize(self.raw_values)


class RawSample(NamedTuple):
    """Training pair of a RAW model, real or synthetic.

    Attributes:
        packed: (h, w, 4) or (h, w, 9) float32 in [0, 1]: low light, not amplified.
        ratio: Exposure ratio: the factor by which it is to be amplified.
        target: (2h, 2w, 3) or (3h, 3w, 3) float32 sRGB in [0, 1], aligned with the mosaic.
        metadata: Metadata of the low-light image.
    """

    packed: np.ndarray
    ratio: float
    target: np.ndarray
    metadata: RawMetadata


def read_raw(path: Path, *, black_level: float | None = None) -> RawImage:
    """Read a RAW file as packed raw values, (h, w, 4) or (h, w, 9).

    Args:
        path: Any file that LibRaw supports: ARW, NEF, CR2, CR3, RAF, DNG and others.
        black_level: Raw value of black, in place of the file's. 0 for cameras that subtract it.

    Raises:
        NoMosaicError: If every pixel of the file has all colors (linear DNG), or none.
        UsageError: If rawpy is missing; if the file is missing, truncated or no RAW file, its color
            filters are neither Bayer's nor X-Trans's, or it contains no black level and none is
            given.
    """
    with open_raw(path) as file:
        pattern, indices = _read_cfa_pattern(file, path)
        blacks = file.black_level_per_channel if black_level is None else [black_level] * 4
        if black_level is None and not any(blacks):
            raise UsageError(
                f"{path} contains no black level. Pass --black-level, such as 512; 0 if the camera "
                "has subtracted it already."
            )
        whites = channel_white_levels(file.camera_white_level_per_channel, file.white_level)
        if not all(black < white for black, white in zip(blacks, whites, strict=True)):
            raise UsageError(
                f"{path}: black must be below white. Received: black {blacks}, white {whites}."
            )
        channels = cfa.pack_period(indices, pattern)
        metadata = RawMetadata(
            cfa_pattern=pattern,
            size=tuple(file.raw_image_visible.shape),
            black_level=tuple(float(blacks[index]) for index in channels),
            white_level=tuple(float(whites[index]) for index in channels),
            camera_wb=read_white_balance(file),
            color_matrix=tuple(map(tuple, _read_color_matrix(file).tolist())),
            exposure_time=float(file.other.shutter_speed) or None,
            iso=float(file.other.iso_speed) or None,
            orientation=EXIF_ORIENTATIONS[file.sizes.flip],
        )
        raw_values = cfa.pack(file.raw_image_visible, pattern)
        # A view of LibRaw's memory would dangle once the file is closed.
        return RawImage(raw_values.copy() if raw_values.base is not None else raw_values, metadata)


def read_raw_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a RAW file's image, upright, without unpacking its pixels.

    Raises:
        UsageError: If rawpy is missing, or the file is missing or no RAW file.
    """
    with open_raw(path, unpack=False) as file:
        size = file.sizes.height, file.sizes.width
        return size[::-1] if EXIF_ORIENTATIONS[file.sizes.flip] >= 5 else size


def develop_with_libraw(
    source: Path | bytes, *, ratio: float = 1.0, curve: str = "bt709", upright: bool = False
) -> np.ndarray:
    """Develop a RAW file by LibRaw: AHD demosaicing, the camera's white balance and color matrix.

    Args:
        source: A file, or its content.
        ratio: Factor of the linear light before the tone curve.
        curve: One of `TONE_CURVES`. "bt709" is LibRaw's default, as in See-in-the-Dark's targets.
        upright: Whether to apply the orientation; else the image is as stored.

    Returns:
        (H, W, 3) uint16.

    Raises:
        UsageError: If `ratio` is not positive, or as `read_raw`, except for the black level.
    """
    checks.check_positive("ratio", ratio)
    checks.check_choice("curve", curve, TONE_CURVES)
    with open_raw(source) as file:
        developed = file.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            output_bps=16,
            bright=ratio,
            gamma=TONE_CURVES[curve],
            user_flip=None if upright else 0,
        )
    return developed if developed.shape[2] == 3 else developed.repeat(3, axis=2)  # monochrome


def exposure_ratio(
    short: RawMetadata, long: RawMetadata, *, max_ratio: float | None = MAX_EXPOSURE_RATIO
) -> float:
    """Return how many times more light a long exposure has, by exposure time and ISO.

    Args:
        short: The short exposure.
        long: The long exposure. If the ISO of either is unknown, both count as equal.
        max_ratio: Upper limit of the ratio; None for no limit.

    Raises:
        UsageError: If an exposure time is unknown.
    """
    if not short.exposure_time or not long.exposure_time:
        raise UsageError("The exposure time of a RAW file is unknown. Pass --exposure-ratio.")
    gain = long.iso / short.iso if long.iso and short.iso else 1.0
    return cap_ratio(long.exposure_time / short.exposure_time * gain, max_ratio)


def cap_ratio(ratio: float, max_ratio: float | None = MAX_EXPOSURE_RATIO) -> float:
    """Return the smaller of an exposure ratio and its upper limit, if any.

    Raises:
        UsageError: If the ratio is not positive.
    """
    checks.check_positive("ratio", ratio)
    return ratio if max_ratio is None else min(ratio, max_ratio)


def amplify(linear: np.ndarray, metadata: RawMetadata, ratio: float) -> np.ndarray:
    """Return the input of a RAW model, (..., 4) or (..., 9): white-balanced light times the ratio.

    The gains are divided by the smallest one, as in LibRaw: what the sensor clipped stays white,
    and no channel is darkened.

    Args:
        linear: (..., 4) or (..., 9) in [0, 1], any part of the packed image; see
            `RawMetadata.normalize`.
        metadata: Metadata of the camera.
        ratio: Exposure ratio.

    Returns:
        The same shape and type, clipped to [0, 1].

    Differences from Chen et al. and from the reference implementation of the attention U-Net:
        Their input is not white-balanced, so the model has to estimate the white balance.
    """
    factor = ratio / min(metadata.camera_wb)
    result = cfa.apply_white_balance(linear, tuple(gain * factor for gain in metadata.camera_wb))
    return np.minimum(result, 1, out=result)


def channel_white_levels(per_channel: Sequence[float] | None, default: float) -> list[float]:
    """Return the white levels of LibRaw's four color channels.

    Args:
        per_channel: Levels that the camera wrote into the file; None or 0 where it did not.
        default: LibRaw's level for the camera model. It is often higher than what a pixel reaches,
            which would make clipped highlights pink.
    """
    return [level or default for level in per_channel or (0,) * 4]


def read_white_balance(file: Any) -> tuple[float, float, float]:
    """Return the camera's white balance, or that of daylight if the file contains none.

    Args:
        file: An open `rawpy.RawPy`.

    Returns:
        Gains of red, green and blue; that of green is 1.
    """
    for gains in (file.camera_whitebalance, file.daylight_whitebalance):
        red, green, blue = gains[:3]
        if min(red, green, blue) > 0:
            return red / green, 1.0, blue / green
    return 1.0, 1.0, 1.0


def compute_color_matrix(xyz_to_camera: np.ndarray) -> np.ndarray:
    """Compute the matrix from white-balanced camera colors to linear sRGB, (3, 3) -> (3, 3).

    Args:
        xyz_to_camera: (3, 3) from XYZ (D65) to camera colors, as in DNG files.

    Returns:
        (3, 3), rows summing to 1, so that gray stays gray: M = N^-1, where N is `xyz_to_camera`
        times the matrix of sRGB, each row divided by its sum.
    """
    srgb_to_camera = xyz_to_camera @ SRGB_TO_XYZ
    return np.linalg.inv(srgb_to_camera / srgb_to_camera.sum(axis=1, keepdims=True))


def _read_cfa_pattern(file: Any, path: Path) -> tuple[str, np.ndarray]:
    """Return the filter colors at the top left corner, and LibRaw's indices of them."""
    names, pattern = file.color_desc.decode("ascii", "replace"), file.raw_pattern
    if pattern is None or file.num_colors != 3 or pattern.shape not in ((2, 2), (6, 6)):
        kind = NoMosaicError if pattern is None or file.num_colors == 1 else UsageError
        raise kind(
            f"{path} has {_describe_colors(file, pattern, names)}, not a mosaic of Bayer's or "
            "X-Trans's color filters. Use `enhance` with a --model of images, such as tiny, for "
            "which LibRaw develops the file."
        )
    top, left = file.sizes.top_margin, file.sizes.left_margin
    rows, columns = pattern.shape
    indices = np.array(
        [[file.raw_color(top + y, left + x) for x in range(columns)] for y in range(rows)]
    )
    colors = "".join(names[index] for index in indices.flat)
    try:
        cfa.packing_factor(colors)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return colors, indices


def _describe_colors(file: Any, pattern: np.ndarray | None, names: str) -> str:
    if file.num_colors == 1:
        return "no color filters"
    if pattern is None:
        return f"{file.num_colors} colors in each pixel (linear DNG)"
    return f"color filters of {file.num_colors} colors, {names!r}"


def _read_color_matrix(file: Any) -> np.ndarray:
    """Return the matrix that LibRaw applies to white-balanced camera colors, (3, 3)."""
    xyz_to_camera, from_file = file.rgb_xyz_matrix[:3], file.color_matrix[:, :3]
    if xyz_to_camera.any():
        return compute_color_matrix(xyz_to_camera.astype(np.float64))
    return from_file.astype(np.float64) if from_file.any() else np.eye(3)
