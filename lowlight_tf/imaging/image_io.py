"""Image files: read as upright 8-bit or 16-bit RGB, written with the metadata they came with."""

import contextlib
import dataclasses
import mmap
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf import crash_notes
from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write, is_utf8, walk_files
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.formats import (
    headers,
    jpeg,
    png,
    tiff,
    tiff_layout,
    tiff_metadata,
    tiff_samples,
)
from lowlight_tf.imaging.formats.image_header import Header, Metadata

SUFFIXES = (".bmp", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
HOLDERS = {"16 bits": ".png or .tif", "alpha": ".png, .tif or .webp"}
SUFFIXES_JPEG = (".jfif", ".jpeg", ".jpg")
SUFFIXES_UNREAD = (  # refused by name
    *(".avif", ".exr", ".gif", ".hdr", ".heic", ".heif", ".jp2", ".jxl"),
    *(".pgm", ".ppm", ".psd", ".tga"),
)
SUFFIXES_16BIT = (".png", ".tif", ".tiff")  # formats that support 16 bits per channel
SUFFIXES_ALPHA = (*SUFFIXES_16BIT, ".webp")  # formats that support an alpha channel
JPEG_PARAMS = [
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
]
WEBP_PARAMS = (  # colors are kept where alpha is 0; OpenCV 4 cannot
    [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
    if hasattr(cv2, "IMWRITE_WEBP_LOSSLESS_MODE")
    else []
)
MARKED_PIXELS = 64  # by whose values one knows whether a decoder wrote them
ROWS_PER_STRIP = 256  # rows whose channels are swapped at once
EXIF, ICC, XMP = cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_ICCP, cv2.IMAGE_METADATA_XMP
EXIF_TRANSFORMS = {  # EXIF orientation -> function that returns the image upright
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.flip(cv2.transpose(image), -1),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedImage(Metadata):
    """An image, (H, W, 3), and the metadata of its file, which are written with it.

    Attributes:
        pixels: (H, W, 3) sRGB, uint8 or uint16; upright, whatever the EXIF orientation was.
        alpha: (H, W) of the same type, or None.
        gray: Whether the file is grayscale: the three channels are equal, and one is written.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False


def load_image(path: str | Path) -> LoadedImage:
    """Read a JPEG, PNG, WebP, TIFF or BMP file as upright (H, W, 3) sRGB.

    The pixels are held in memory once, unless the EXIF orientation requires a rotation.

    Raises:
        UsageError: If the file is missing, empty, truncated, damaged or of another format.
    """
    path = Path(path)
    header = headers.read_header(path)
    with crash_notes.reading(path):
        image = _decode_file(path, header)
    if header.orientation in EXIF_TRANSFORMS:
        image = EXIF_TRANSFORMS[header.orientation](image)
    metadata = vars(header.metadata)
    if image.ndim == 2:
        pixels, alpha = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), None
        if header.transparent is not None:
            alpha = np.iinfo(image.dtype).max * (image != header.transparent).astype(image.dtype)
        return LoadedImage(pixels, alpha, True, **metadata)
    _swap_red_and_blue(image)
    if image.shape[2] == 3 or not header.has_alpha:
        return LoadedImage(image[..., :3], None, False, **metadata)
    return LoadedImage(image[..., :3], image[..., 3], header.gray, **metadata)


def load_measurements(path: str | Path) -> np.ndarray | None:
    """Read a gray TIFF of floats, signed integers or 32 bits, as cameras write temperatures.

    Returns:
        (H, W, 1) float32, upright, as stored; None for files of any other kind.

    Raises:
        UsageError: If the file is missing, damaged or of an unknown format.
    """
    path = Path(path)
    header = headers.read_header(path)
    if header.layout is None or not tiff_layout.is_measurement(header.layout):
        return None
    try:
        with _map_file(path) as data, _silence_opencv():
            values = tiff_samples.decode_samples(data, header.layout)[..., 0].astype(np.float32)
    except ValueError as error:
        raise UsageError(f"{path} {error}.") from None
    if header.orientation in EXIF_TRANSFORMS:
        values = EXIF_TRANSFORMS[header.orientation](values)
    return values[..., np.newaxis]


def save_image(
    path: str | Path,
    image: LoadedImage | np.ndarray,
    *,
    like: LoadedImage | None = None,
    overwrite: bool = False,
) -> None:
    """Write an image in the format given by the suffix of `path`.

    JPEG is written at quality 95 without chroma subsampling, all other formats losslessly. The
    pixels are not copied: red and blue are swapped in place while OpenCV writes them.

    Args:
        path: File to write.
        image: A loaded image, written with its metadata, or (H, W, 3) sRGB: uint8, uint16, or float
            in [0, 1], which is written with 8 bits.
        like: For an array, the loaded image whose metadata and, if the size is the same, alpha are
            written with it.
        overwrite: Whether an existing file is replaced.

    Raises:
        UsageError: If the file exists, its format does not support 16 bits or alpha, or writing
            fails; then no partial file is left.
    """
    path = Path(path)
    if isinstance(image, np.ndarray):
        image = _wrap_pixels(image, like)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} must end in one of: {', '.join(SUFFIXES)}.")
    if obstacle := find_obstacle(path, image):
        raise UsageError(f"{path} cannot hold {obstacle}. Name it {HOLDERS[obstacle]}.")
    check_overwrite(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, keep_suffix=True) as part, _silence_opencv():
            if not _encode(part, image):
                part.write_bytes(bytes(2**20))  # of a full disk, OpenCV does not give the reason
                raise UsageError(f"{path} cannot be written: the encoder rejected the image.")
            headers.read_header(part)
    except (OSError, cv2.error) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "err", None) or error
        raise UsageError(f"{path} cannot be written: {reason}.") from None


def find_obstacle(path: Path, image: LoadedImage) -> str | None:
    """Return what of an image the format of a file cannot hold, a key of `HOLDERS`; else None."""
    suffix = path.suffix.lower()
    if image.pixels.dtype == np.uint16 and suffix not in SUFFIXES_16BIT:
        return "16 bits"
    if image.alpha is not None and suffix not in SUFFIXES_ALPHA:
        return "alpha"
    return None


def find_losses(path: Path, image: LoadedImage) -> list[str]:
    """Return what of an image's metadata the format of a file cannot hold."""
    suffix = path.suffix.lower()
    losses = [] if suffix == ".png" else png.describe_chunks(image.png_chunks)
    if image.iptc and suffix in (".webp", ".bmp"):
        losses.append("IPTC data")
    if image.xmp and suffix in SUFFIXES_JPEG and not jpeg.fits_xmp(image.xmp):
        losses.append("XMP")
    if image.icc and suffix != ".bmp" and not _fitting_profile(image):
        losses.append("a color profile of another color model")
    if suffix == ".bmp":
        held = {"EXIF": image.exif, "XMP": image.xmp, "a color profile": image.icc}
        held["its resolution"] = image.dpi
        losses += [name for name, content in held.items() if content]
    return losses


def _fitting_profile(image: LoadedImage) -> bytes | None:
    """Return the ICC profile if it is one of the colors that are written."""
    color_space = b"GRAY" if image.gray and image.alpha is None else b"RGB "
    return image.icc if image.icc and image.icc[16:20] == color_space else None


def _wrap_pixels(pixels: np.ndarray, like: LoadedImage | None) -> LoadedImage:
    """Return pixels as an image of 8 or 16 bits with the metadata of another one."""
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = dtypes.img_as_uint8(pixels)
    if like is None:
        return LoadedImage(pixels)
    alpha = like.alpha
    if alpha is not None:
        same_size = alpha.shape == pixels.shape[:2]
        alpha = dtypes.convert_dtype(alpha, pixels.dtype) if same_size else None
    return dataclasses.replace(like, pixels=pixels, alpha=alpha, gray=False)


def check_overwrite(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError if a file exists and must not be overwritten."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists. Pass --overwrite to replace it, or another folder.")


def read_float_rgb(path: Path) -> np.ndarray:
    """Read an image file as (H, W, 3) float32 sRGB in [0, 1]. Alpha is dropped."""
    return dtypes.img_as_float32(load_image(path).pixels)


def write_float_rgb(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) float32 sRGB in [0, 1] as an 8-bit file; an existing file is replaced."""
    save_image(path, LoadedImage(dtypes.img_as_uint8(image)), overwrite=True)


def find_images(
    folder: Path, *, recursive: bool = True, suffixes: Collection[str] = SUFFIXES
) -> list[Path]:
    """Return the image files of a folder, sorted; hidden files and other formats are skipped."""
    paths = walk_files(folder) if recursive else folder.iterdir()
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in suffixes
        and not path.name.startswith(".")
        and (path.is_file() or not path.exists())  # whoever reads a link to nothing reports it
    )


def _decode_file(path: Path, header: Header) -> np.ndarray:
    """Return the stored pixels: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16."""
    try:
        with _silence_opencv():
            image = _decode(path, header)
    except cv2.error as error:
        raise UsageError(f"{path} cannot be decoded: {error.err}.") from None
    except ValueError as error:
        raise UsageError(f"{path} {error}.") from None
    if image is None and header.coding:
        raise UsageError(f"{path} is {header.coding}, which is not read. Convert it to PNG first.")
    if image is None or image.dtype not in (np.uint8, np.uint16):
        reason = (
            "truncated or damaged" if image is None else f"of type {image.dtype}, not 8 or 16 bit"
        )
        raise UsageError(f"{path} cannot be decoded: it is {reason}.")
    return image


def _decode(path: Path, header: Header) -> np.ndarray | None:
    if header.layout:
        tiff_layout.check_image(header.layout)
        if not tiff_layout.is_left_to_opencv(header.layout):
            with _map_file(path) as data:
                return tiff_samples.decode_pixels(data, header.layout)
        if header.orientation != 1 or not header.page.is_first:
            # OpenCV rotates TIFF by itself, and fails for orientations 5 to 8.
            with _map_file(path) as data:
                tiff.select_page(data, header.page)
                return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if header.mend:
        return _decode_mended(path, header)
    if not is_utf8(path):  # OpenCV crashes on such a name
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if header.shape is not None:  # decode into an array of ours: OpenCV would allocate two
        buffer = np.empty(header.shape, header.dtype)
        end = buffer[-1, -MARKED_PIXELS:]
        end[...] = np.frombuffer(os.urandom(end.nbytes), header.dtype).reshape(end.shape)
        unwritten = end.copy()
        with contextlib.suppress(cv2.error):  # shape or type differs from the header's
            image = cv2.imread(str(path), buffer, cv2.IMREAD_UNCHANGED)
            if image is None or not np.array_equal(image[-1, -MARKED_PIXELS:], unwritten):
                return image
            # OpenCV returns the array as it was if it cannot read the header.
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def _decode_mended(path: Path, header: Header) -> np.ndarray:
    """Decode a file without an end marker or of a wrong size.

    Raises:
        ValueError: If pixels are missing, too.
    """
    data = path.read_bytes()
    if header.format == "jpeg":
        image = jpeg.decode_mended(data)
    else:
        position, content = header.mend
        mended = data[:position] + content + data[position + len(content) :]
        image = cv2.imdecode(np.frombuffer(mended, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("is truncated. Copy it again")
    return image


@contextlib.contextmanager
def _map_file(path: Path) -> Iterator[mmap.mmap]:
    """Yield a file in memory; what is changed there is not written."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        yield data


def _encode(path: Path, image: LoadedImage) -> bool:
    with _as_bgr(image) as pixels:
        icc = _fitting_profile(image)
        suffix, has_alpha = path.suffix.lower(), pixels.ndim == 3 and pixels.shape[2] == 4
        if suffix in (".tif", ".tiff"):
            written = _write(path, pixels, {})
            tiff_metadata.add(path, image, icc=icc, has_alpha=has_alpha)
        elif suffix == ".bmp":
            written = _write(path, pixels, {})
        elif suffix == ".webp":
            exif = image.exif or (image.dpi and tiff_metadata.encode_dpi(image.dpi))
            written = _write(path, pixels, {EXIF: exif, ICC: icc, XMP: image.xmp})
        else:
            written = _write(path, pixels, {EXIF: image.exif, ICC: icc})
            (png if suffix == ".png" else jpeg).add_metadata(path, image)
        return written


def _write(path: Path, pixels: np.ndarray, metadata: dict[int, bytes | None]) -> bool:
    kinds = [kind for kind, chunk in metadata.items() if chunk]
    chunks = [np.frombuffer(metadata[kind], np.uint8) for kind in kinds]
    suffix = path.suffix.lower()
    params = JPEG_PARAMS if suffix in SUFFIXES_JPEG else []
    params = WEBP_PARAMS if suffix == ".webp" else params
    if suffix != ".jfif" and is_utf8(path):  # names that OpenCV can take
        return cv2.imwriteWithMetadata(str(path), pixels, kinds, chunks, params)
    suffix = ".jpg" if suffix == ".jfif" else suffix
    written, content = cv2.imencodeWithMetadata(suffix, pixels, kinds, chunks, params)
    content.tofile(path)
    return written


@contextlib.contextmanager
def _as_bgr(image: LoadedImage) -> Iterator[np.ndarray]:
    """Yield the pixels as OpenCV writes them: (H, W) gray, (H, W, 3) BGR or (H, W, 4) BGRA."""
    pixels, alpha = image.pixels, image.alpha
    if image.gray:
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        yield gray if alpha is None else np.dstack([gray, gray, gray, alpha])
    elif alpha is not None:
        yield np.dstack([pixels[..., ::-1], alpha])
    elif pixels.flags.writeable and pixels.flags.c_contiguous:
        _swap_red_and_blue(pixels)
        try:
            yield pixels
        finally:
            _swap_red_and_blue(pixels)
    else:
        yield np.ascontiguousarray(pixels[..., ::-1])


@contextlib.contextmanager
def _silence_opencv() -> Iterator[None]:
    """Keep OpenCV from printing errors that are raised as exceptions as well."""
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _swap_red_and_blue(image: np.ndarray) -> None:
    """Swap red and blue in place, a strip of rows at a time."""
    code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    for top in range(0, len(image), ROWS_PER_STRIP):
        strip = image[top : top + ROWS_PER_STRIP]
        cv2.cvtColor(strip, code, dst=strip)
