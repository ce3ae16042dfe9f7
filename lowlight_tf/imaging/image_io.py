"""Picture files: upright 8-bit or 16-bit RGB in memory, everything else kept for the way back."""

import contextlib
import dataclasses
import mmap
from collections.abc import Collection, Iterator
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging.formats import headers, tiff

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SUFFIXES_16BIT = (".png", ".tif", ".tiff")  # these hold 16 bits
SUFFIXES_ALPHA = (*SUFFIXES_16BIT, ".webp")  # these hold an alpha channel
JPEG = [
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
]
ROWS_PER_STRIP = 256  # rows that are worked on at once
EXIF, ICC = cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_ICCP
EXIF_TRANSFORMS = {  # EXIF orientation -> what makes the picture upright
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.flip(cv2.transpose(image), -1),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedImage:
    """A picture and what its file said of it.

    Attributes:
        pixels: (H, W, 3) sRGB, uint8 or uint16; upright, whatever the camera was.
        alpha: (H, W) of the same type, or None.
        gray: The file is gray: its three channels are equal, and one is written.
        exif: EXIF without its head, saying "upright"; or None.
        icc: Color profile of the pixels; or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    exif: bytes | None = None
    icc: bytes | None = None


def load_image(path: Path) -> LoadedImage:
    """Read a JPEG, PNG, WebP, TIFF or BMP file.

    No second copy of the pixels is made, unless EXIF says that the picture must be turned.

    Raises:
        UsageError: If the file is missing, empty, truncated, damaged or no such picture.
    """
    header = headers.read_header(path)
    try:
        with _silence_opencv():
            image = _decode(path, header)
    except cv2.error as error:
        raise UsageError(f"{path} cannot be decoded: {error.err}.") from None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        what = (
            "truncated or damaged" if image is None else f"of type {image.dtype}, not 8 or 16 bit"
        )
        raise UsageError(f"{path} cannot be decoded: it is {what}.")
    if header.orientation in EXIF_TRANSFORMS:
        image = EXIF_TRANSFORMS[header.orientation](image)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        return LoadedImage(image, None, True, header.exif, header.icc)
    _swap_red_and_blue(image)
    if image.shape[2] == 3:
        return LoadedImage(image, None, False, header.exif, header.icc)
    return LoadedImage(image[..., :3], image[..., 3], header.gray, header.exif, header.icc)


def save_image(path: Path, image: LoadedImage, *, overwrite: bool = False) -> None:
    """Write a picture in the format that the suffix of `path` names, with its EXIF and profile.

    JPEG is written at quality 95 with its colors at full size, all others without loss. The pixels
    are written from where they lie: for that time their red and blue are swapped.

    Raises:
        UsageError: If the file is there already, or its format cannot hold 16 bits or alpha, or
            writing fails; then nothing is left of it.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} must end in one of: {', '.join(SUFFIXES)}.")
    if image.pixels.dtype == np.uint16 and suffix not in SUFFIXES_16BIT:
        raise UsageError(f"{path} cannot hold 16 bits. Name it .png or .tif.")
    if image.alpha is not None and suffix not in SUFFIXES_ALPHA:
        raise UsageError(f"{path} cannot hold alpha. Name it .png, .tif or .webp.")
    check_overwrite(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, keep_suffix=True) as part, _silence_opencv():
            if not _encode(part, image):
                raise UsageError(f"{path} cannot be written: the encoder rejected the image.")
            headers.read_header(part)
    except (OSError, cv2.error) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "err", None) or error
        raise UsageError(f"{path} cannot be written: {reason}.") from None


def check_overwrite(path: Path, *, overwrite: bool) -> None:
    """Refuse a path where something lies, unless it may be overwritten."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists. Pass --overwrite to replace it, or another folder.")


def read_float_rgb(path: Path) -> np.ndarray:
    """Read a picture file as (H, W, 3) float32 sRGB in [0, 1]. Alpha is left out."""
    pixels = load_image(path).pixels
    return np.divide(pixels, np.iinfo(pixels.dtype).max, dtype=np.float32)


def write_float_rgb(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) float32 sRGB in [0, 1] as an 8-bit file, over whatever is there."""
    save_image(
        path, LoadedImage(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)), overwrite=True
    )


def find_images(
    folder: Path, *, recursive: bool = True, suffixes: Collection[str] = SUFFIXES
) -> list[Path]:
    """Return the picture files of a folder, sorted; hidden ones and other files are passed over."""
    names = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        path
        for path in names
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def _decode(path: Path, header: headers.Header) -> np.ndarray | None:
    if header.kind == "tiff" and header.orientation != 1:
        # OpenCV turns a TIFF by itself, and fails on one that lies on its side: call it upright.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
            tiff.clear_orientation(data)
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if header.shape is not None:  # into an array of our own: OpenCV would make two
        room = np.empty(header.shape, header.dtype)
        with contextlib.suppress(cv2.error):  # it is of another kind than its header says
            return cv2.imread(str(path), room, cv2.IMREAD_UNCHANGED)
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def _encode(path: Path, image: LoadedImage) -> bool:
    with _oriented_strips(image) as pixels:
        space = b"GRAY" if pixels.ndim == 2 else b"RGB "
        icc = image.icc if image.icc and image.icc[16:20] == space else None
        if path.suffix.lower() in (".tif", ".tiff"):
            written = cv2.imwrite(str(path), pixels)
            if written and (image.exif or icc):
                tiff.add_tags(path, exif=image.exif, profile=icc)
            return written
        known = {EXIF: image.exif, ICC: icc} if path.suffix.lower() != ".bmp" else {}
        kinds = [kind for kind, chunk in known.items() if chunk]
        chunks = [np.frombuffer(known[kind], np.uint8) for kind in kinds]
        quality = JPEG if path.suffix.lower() in (".jpg", ".jpeg") else []
        return cv2.imwriteWithMetadata(str(path), pixels, kinds, chunks, quality)


@contextlib.contextmanager
def _oriented_strips(picture: LoadedImage) -> Iterator[np.ndarray]:
    """Lend the pixels as OpenCV writes them: gray, or blue first."""
    pixels, alpha = picture.pixels, picture.alpha
    if picture.gray:
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
    """Keep OpenCV from printing what an exception is about to say."""
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _swap_red_and_blue(image: np.ndarray) -> None:
    """Swap in place, a strip at a time."""
    code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    for top in range(0, len(image), ROWS_PER_STRIP):
        strip = image[top : top + ROWS_PER_STRIP]
        cv2.cvtColor(strip, code, dst=strip)
