"""Height and width of an image file, from its header where that is enough."""

from pathlib import Path

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.formats import headers
from lowlight_tf.imaging.raw import raw_image


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels, upright.

    Reads the beginning of a JPEG, PNG or WebP file without EXIF, the metadata of a RAW file, and
    decodes all others.

    Raises:
        UsageError: If the header does not contain the size and the file cannot be decoded.
    """
    if path.suffix.lower() in raw_image.SUFFIXES:
        return raw_image.read_raw_size(path)
    return headers.read_size(path) or image_io.load_image(path).pixels.shape[:2]
