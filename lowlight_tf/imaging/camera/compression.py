"""What storing does to camera images: JPEG with 4:2:0 and H.264, encoded and decoded."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError

FRAME_RATE = 25
"""Frames per second of simulated clips."""


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image after JPEG compression with 4:2:0 chroma subsampling.

    Args:
        image: (H, W, 3) uint8 sRGB.
        quality: 1 to 100, as libjpeg counts.

    Returns:
        (H, W, 3) uint8.
    """
    _check_8_bit(image)
    options = [
        cv2.IMWRITE_JPEG_QUALITY, int(quality),
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]  # fmt: skip
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def h264(
    frames: Sequence[np.ndarray],
    *,
    crf: float | None = None,
    bit_rate: int | None = None,
    preset: str = "veryfast",
    frame_rate: int = FRAME_RATE,
) -> list[np.ndarray]:
    """Return frames after H.264 encoding (libx264, yuv420p, BT.709 limited range) and decoding.

    One thread, so that the result is the same on every machine with the same libx264.

    Args:
        frames: Each (H, W, 3) uint8 sRGB, of one size with even sides.
        crf: Constant rate factor, 0 to 51; higher compresses more.
        bit_rate: Average bit rate (bits per second) instead of `crf`.
        preset: Of libx264.
        frame_rate: Frames per second.

    Returns:
        As many frames, (H, W, 3) uint8.

    Raises:
        UsageError: If both or neither of `crf` and `bit_rate` are given, or a side is odd.
    """
    if (crf is None) == (bit_rate is None):
        raise UsageError(
            f"h264 takes either `crf` or `bit_rate`. Received: crf={crf}, bit_rate={bit_rate}."
        )
    if not frames:
        return []
    _check_8_bit(frames[0])
    height, width = frames[0].shape[:2]
    if height % 2 or width % 2:
        raise UsageError(f"h264 takes even heights and widths. Received: {height}x{width}.")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        stream.codec_context.options = {"preset": preset, "bf": "0"}
        if crf is not None:
            stream.codec_context.options |= {"crf": str(crf)}
        else:
            checks.check_min("bit_rate", bit_rate, 1)
            stream.bit_rate = int(bit_rate)
        stream.codec_context.time_base = Fraction(1, frame_rate)
        for index, frame in enumerate(frames):
            video_frame = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            video_frame.pts = index
            container.mux(stream.encode(video_frame))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        decoded = [
            frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
            for frame in container.decode(video=0)
        ]
    if len(decoded) != len(frames):
        raise UsageError(
            f"libx264 returned {len(decoded)} of {len(frames)} frames. Update the package `av`."
        )
    return decoded


def _check_8_bit(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(
            f"Compression takes (H, W, 3) uint8. Received: {image.dtype} {image.shape}."
        )
