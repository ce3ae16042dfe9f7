"""Records a Raspberry Pi camera for a minute, enhanced: python record_night.py out.mp4."""

import sys
import time

from picamera2 import MappedArray, Picamera2
from picamera2.encoders import H264Encoder
from picamera2.outputs import FfmpegOutput

from lowlight_tf import LiveEnhancer

WIDTH, HEIGHT = 1280, 720


def make_callback(enhance: LiveEnhancer):
    """Return a `pre_callback`, which changes each frame before it is encoded."""

    def enhance_frame(request) -> None:
        with MappedArray(request, "main") as mapped:
            luma, blue, red = split_planes(mapped.array, WIDTH, HEIGHT)
            enhanced = enhance([luma, blue, red], time.monotonic())
            for plane, result in zip((luma, blue, red), enhanced, strict=True):
                plane[...] = result

    return enhance_frame


def split_planes(array, width: int, height: int):
    """Return views of the planes of a YUV420 frame, (3/2 H, stride), whose rows may be padded."""
    chroma = array[height:].reshape(height, -1)  # rows of half the stride
    half = height // 2
    return array[:height, :width], chroma[:half, : width // 2], chroma[half:, : width // 2]


def main() -> None:
    """Record a minute."""
    camera = Picamera2()
    video = {"size": (WIDTH, HEIGHT), "format": "YUV420"}
    camera.configure(camera.create_video_configuration(video))
    camera.pre_callback = make_callback(LiveEnhancer((HEIGHT, WIDTH), "yuv_nano_int8", threads=3))
    camera.start_recording(H264Encoder(), FfmpegOutput(sys.argv[1]))
    time.sleep(60)
    camera.stop_recording()


if __name__ == "__main__":
    main()
