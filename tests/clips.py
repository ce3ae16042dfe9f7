"""Tiny videos for tests, and an engine that enhances them by a lookup table."""

import math
from fractions import Fraction

import av
import cv2
import numpy as np

from lowlight_tf.contract import ENHANCE
from lowlight_tf.runtime.engine import Engine

SIZE = (48, 64)
TIME_BASE = Fraction(1, 12800)
AUDIO_RATE = 8000
AAC_DELAY = 1024
"""Samples by which the encoder puts the first packet before the sound."""


def make_frame(step, size=SIZE, level=60):
    """Return a smooth dark image, (H, W, 3) uint8, whose pattern moves with `step`."""
    down, across = np.mgrid[: size[0], : size[1]]
    wave = np.sin((across + 3 * step) / 9)[..., None] * np.cos(down / 7)[..., None]
    return np.uint8(level * (1 + 0.5 * wave * (1.0, 0.8, 0.6)))


def write_video(path, images=None, *, container_options=None, **options):
    """Write a video file and return its path; see `encode_video`."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with av.open(str(path), "w", options=container_options or {}) as container:
        encode_video(container, images, **options)
    return path


def encode_video(
    container,
    images=None,
    *,
    timestamps=None,
    time_base=TIME_BASE,
    pixel_format="yuv420p",
    matrix=None,
    color_range=None,
    rotation=None,
    with_audio=False,
    codec="libx264",
):
    """Encode images (default: ten) at time stamps (default: 25 a second), with a tone if asked.

    An image is (H, W, 3) uint8 RGB, or a tuple of three YUV planes.
    """
    images = [make_frame(step) for step in range(10)] if images is None else images
    if timestamps is None:
        timestamps = [round(step / 25 / time_base) for step in range(len(images))]
    video = container.add_stream(codec, 25)
    shape = images[0][0].shape if isinstance(images[0], tuple) else images[0].shape
    video.height, video.width = shape[:2]
    video.pix_fmt = pixel_format
    video.time_base = video.codec_context.time_base = time_base
    if codec == "libx264":
        video.options = {"crf": "4", "preset": "ultrafast", "g": "4"}
    if matrix:
        video.codec_context.colorspace, video.codec_context.color_range = matrix, color_range
    if rotation:
        video.set_display_rotation(rotation)
    audio = None
    if with_audio:
        audio = container.add_stream("aac", AUDIO_RATE)
        audio.layout = "mono"
    for image, timestamp in zip(images, timestamps, strict=True):
        if isinstance(image, tuple):
            frame = av.VideoFrame(shape[1], shape[0], pixel_format)
            for plane, source in zip(frame.planes, image, strict=True):
                rows = np.ndarray(
                    (plane.height, plane.width), np.uint8, plane, 0, (plane.line_size, 1)
                )
                rows[...] = source
        else:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        frame.pts, frame.time_base = timestamp, time_base
        container.mux(video.encode(frame))
    container.mux(video.encode())
    if audio:
        seconds = float((timestamps[-1] - timestamps[0]) * time_base) + 0.04
        tone = np.sin(np.arange(int(AUDIO_RATE * seconds)) / 3).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(0.5 * tone, "fltp", "mono")
        frame.sample_rate, frame.time_base = AUDIO_RATE, Fraction(1, AUDIO_RATE)
        frame.pts = round(timestamps[0] * time_base * AUDIO_RATE) + AAC_DELAY
        container.mux(audio.encode(frame))
        container.mux(audio.encode())


def read_frames(path):
    """Return the frames of a video as RGB images, and their time stamps in seconds."""
    with av.open(str(path)) as container:
        frames = [
            (frame.to_ndarray(format="rgb24"), frame.pts * frame.time_base)
            for frame in container.decode(video=0)
        ]
    return [image for image, _ in frames], [timestamp for _, timestamp in frames]


class LookupTableEngine(Engine):
    """An engine of any size that maps gray levels; it counts its runs and keeps its inputs."""

    name = "lookup_table"
    contract = ENHANCE
    size = None

    def __init__(self, curve=lambda level: 255 * (level / 255) ** 0.5, contract=ENHANCE):
        self.table = np.uint8(np.clip([round(curve(level)) for level in range(256)], 0, 255))
        self.runs, self.contract, self.inputs = 0, contract, []

    def __call__(self, images):
        """Map each gray level of the image."""
        self.runs += 1
        self.inputs.append({name: image.copy() for name, image in images.items()})
        return {"enhanced": cv2.LUT(images["low"][0], self.table)[None]}


def psnr(image, reference):
    """Return the PSNR of two images (dB)."""
    error = np.mean(np.square(np.subtract(image, reference, dtype=np.float64)))
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)
