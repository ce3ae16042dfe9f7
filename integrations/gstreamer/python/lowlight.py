"""GStreamer element `lowlight`: enhances video/x-raw of NV12 or I420.

    export GST_PLUGIN_PATH=integrations/gstreamer
    gst-launch-1.0 v4l2src ! videoconvert ! lowlight auto-night=true ! autovideosink

It needs GStreamer's loader for elements in Python (Debian: gstreamer1.0-python3-plugin-loader,
python3-gst-1.0), and lowlight_tf[video] for the system's Python: `pip install`, or PYTHONPATH.
"""

# ruff: noqa: E402 (versions are required before the import)

import cv2
import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstBase", "1.0")
gi.require_version("GstVideo", "1.0")

from gi.repository import GObject, Gst, GstBase, GstVideo

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import UNKNOWN_MATRIX, YuvFormat
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.runtime.pretrained import default_model
from lowlight_tf.video.frame_processor import LiveEnhancer
from lowlight_tf.video.temporal_smoothing import DayNightSwitch

CAPS = Gst.Caps.from_string(
    "video/x-raw, format=(string){NV12, I420}, width=(int)[2, 2147483646, 2], "
    "height=(int)[2, 2147483646, 2], framerate=(fraction)[0/1, 2147483647/1]"
)

MATRICES = {
    GstVideo.VideoColorMatrix.BT709: 1,
    GstVideo.VideoColorMatrix.BT601: 6,
    GstVideo.VideoColorMatrix.BT2020: 9,
}
"""GStreamer's matrices -> their numbers in ITU-T H.273."""

FULL_RANGE = getattr(GstVideo.VideoColorRange, "0_255")


class Lowlight(GstBase.BaseTransform):
    """Enhances each frame in place."""

    __gstmetadata__ = (
        "Low-light enhancement",
        "Filter/Effect/Video",
        "Brightens dark video by a neural network",
        "lowlight_tf",
    )
    __gsttemplates__ = (
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, CAPS),
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, CAPS),
    )

    model = GObject.Property(
        type=str, default="", blurb="pretrained name or .tflite file (default: that of videos)"
    )
    brightness = GObject.Property(
        type=float, default=0.0, minimum=-2.0, maximum=2.0, blurb="brighter or darker results (EV)"
    )
    smoothing = GObject.Property(
        type=float, default=1.0, minimum=0.0, maximum=60.0, blurb="of the exposure (seconds)"
    )
    auto_night = GObject.Property(
        type=bool, default=False, nick="auto-night", blurb="leave bright scenes as they are"
    )
    threads = GObject.Property(
        type=int, default=2, minimum=1, maximum=64, blurb="processor threads of the model"
    )

    def __init__(self) -> None:
        super().__init__()
        self.set_in_place(True)
        self._engine = self._enhance = self._info = None

    def do_start(self) -> bool:
        """Load the model."""
        try:
            name = self.model or default_model(videos=True)
            self._engine = load_model(name, threads=self.threads)
        except UsageError as error:
            return self._fail(error)
        return True

    def do_set_caps(self, incaps: Gst.Caps, outcaps: Gst.Caps) -> bool:
        """Prepare for frames of a size."""
        self._info = info = GstVideo.VideoInfo.new_from_caps(incaps)
        yuv_format = YuvFormat.from_tags(
            MATRICES.get(info.colorimetry.matrix, UNKNOWN_MATRIX),
            full_range=info.colorimetry.range == FULL_RANGE,
            height=info.height,
        )
        try:
            self._enhance = LiveEnhancer(
                (info.height, info.width),
                self._engine,
                yuv_format=yuv_format,
                smoothing_s=self.smoothing,
                day_night_switch=DayNightSwitch() if self.auto_night else None,
                brightness_ev=self.brightness,
            )
        except UsageError as error:
            return self._fail(error)
        return True

    def do_transform_ip(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Enhance one frame."""
        time_s = buffer.pts / Gst.SECOND if buffer.pts != Gst.CLOCK_TIME_NONE else 0.0
        with buffer.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE) as mapped:
            planes = self._planes(np.frombuffer(mapped.data, np.uint8))
            luma, *chroma = planes
            if len(chroma) == 1:  # NV12: Cb and Cr by turns
                chroma = cv2.split(chroma[0])
            enhanced = self._enhance([luma, *chroma], time_s)
            planes[0][...] = enhanced[0]
            if len(planes) == 2:
                cv2.merge(enhanced[1:], planes[1])
            else:
                planes[1][...], planes[2][...] = enhanced[1:]
        return Gst.FlowReturn.OK

    def _planes(self, data: np.ndarray) -> list[np.ndarray]:
        """Return views of the planes of a frame: (H, W), and (h, w), or (h, w, 2) of NV12."""
        info, planes = self._info, []
        for index in range(info.finfo.n_planes):
            scale = 2 if index else 1
            channels = 2 if index and info.finfo.n_planes == 2 else 1
            height, width = info.height // scale, info.width // scale
            start, stride = info.offset[index], info.stride[index]
            rows = data[start : start + stride * height].reshape(height, stride)
            plane = rows[:, : width * channels]
            planes.append(plane.reshape(height, width, 2) if channels == 2 else plane)
        return planes

    def _fail(self, error: UsageError) -> bool:
        """Report an error to the pipeline; return False."""
        self.message_full(
            Gst.MessageType.ERROR,
            Gst.StreamError.quark(),
            Gst.StreamError.FAILED,
            str(error),
            None,
            __file__,
            "lowlight",
            0,
        )
        return False


GObject.type_register(Lowlight)
__gstelementfactory__ = ("lowlight", Gst.Rank.NONE, Lowlight)
