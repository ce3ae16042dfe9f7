"""Tiny videos, made on the spot."""

import math
from fractions import Fraction

import av
import cv2
import numpy as np

from lowlight_tf.contract import ENHANCE
from lowlight_tf.runtime.engine import Engine

SIZE = (48, 64)
TICK = Fraction(1, 12800)


def picture(step, size=SIZE, level=60):
    """Return a smooth dark picture that moves with `step`; each differs from the next."""
    down, across = np.mgrid[: size[0], : size[1]]
    wave = np.sin((across + 3 * step) / 9)[..., None] * np.cos(down / 7)[..., None]
    return np.uint8(level * (1 + 0.5 * wave * (1.0, 0.8, 0.6)))


def clip(path, pictures=None, **more):
    """Write a video; see `encode`."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with av.open(str(path), "w", options=more.pop("container", {})) as container:
        encode(container, pictures, **more)
    return path


def encode(
    container,
    pictures=None,
    *,
    stamps=None,
    tick=TICK,
    fmt="yuv420p",
    matrix=None,
    span=None,
    turned=None,
    sound=False,
    codec="libx264",
):
    """Encode pictures (default: ten) at time stamps (default: 25 a second), with a tone if asked.

    Raw planes may be given instead of a picture, as a tuple of three arrays.
    """
    pictures = [picture(step) for step in range(10)] if pictures is None else pictures
    stamps = (
        [round(step / 25 / tick) for step in range(len(pictures))] if stamps is None else stamps
    )
    video = container.add_stream(codec, 25)
    shape = pictures[0][0].shape if isinstance(pictures[0], tuple) else pictures[0].shape
    video.height, video.width = shape[:2]
    video.pix_fmt = fmt
    video.time_base = video.codec_context.time_base = tick
    if codec == "libx264":
        video.options = {"crf": "4", "preset": "ultrafast", "g": "4"}
    if matrix:
        video.codec_context.colorspace, video.codec_context.color_range = matrix, span
    if turned:
        video.set_display_rotation(turned)
    audio = None
    if sound:
        audio = container.add_stream("aac", 8000)
        audio.layout = "mono"
    for pixels, stamp in zip(pictures, stamps, strict=True):
        if isinstance(pixels, tuple):
            frame = av.VideoFrame(shape[1], shape[0], fmt)
            for plane, source in zip(frame.planes, pixels, strict=True):
                rows = np.ndarray(
                    (plane.height, plane.width), np.uint8, plane, 0, (plane.line_size, 1)
                )
                rows[...] = source
        else:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
        frame.pts, frame.time_base = stamp, tick
        container.mux(video.encode(frame))
    container.mux(video.encode())
    if audio:
        seconds = float((stamps[-1] - stamps[0]) * tick) + 0.04
        tone = np.sin(np.arange(int(8000 * seconds)) / 3).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(0.5 * tone, "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(audio.encode(frame))
        container.mux(audio.encode())


def frames(path):
    """Return the frames of a video as RGB, and their time stamps in seconds."""
    with av.open(str(path)) as container:
        found = [
            (frame.to_ndarray(format="rgb24"), frame.pts * frame.time_base)
            for frame in container.decode(video=0)
        ]
    return [pixels for pixels, _ in found], [stamp for _, stamp in found]


class Curve(Engine):
    """An engine of any size made of one function of bytes; it counts its runs."""

    name = "curve"
    contract = ENHANCE
    size = None

    def __init__(self, curve=lambda grey: 255 * (grey / 255) ** 0.5, contract=ENHANCE):
        self.table = np.uint8(np.clip([round(curve(grey)) for grey in range(256)], 0, 255))
        self.runs, self.contract, self.seen = 0, contract, []

    def __call__(self, images):
        """Look every byte up."""
        self.runs += 1
        self.seen.append({name: image.copy() for name, image in images.items()})
        return {"enhanced": cv2.LUT(images["low"][0], self.table)[None]}


def psnr(one, other):
    """Return the PSNR of two pictures in dB."""
    error = np.mean(np.square(np.subtract(one, other, dtype=np.float64)))
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)
