"""What an output file keeps of an input beside its video: tracks, cover pictures, chapters."""

import collections
import io
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from lowlight_tf.checks import UsageError
from lowlight_tf.video.container import kind_of

if TYPE_CHECKING:
    from lowlight_tf.video.reader import VideoReader
    from lowlight_tf.video.writer import VideoFormat

MOV_FAMILY = ("mp4", "mov", "ipod", "3gp")
"""FFmpeg's names of the containers with an index at the end, which are written in fragments."""

MATROSKA_FAMILY = ("matroska", "webm")
"""FFmpeg's names of the containers that hold attached files."""

MPEGTS_CODECS = (
    *("aac", "aac_latm", "ac3", "dts", "eac3", "mp1", "mp2", "mp3", "opus", "s302m", "truehd"),
    *("dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle", "klv", "pcm_bluray"),
)
"""Codecs of tracks that players find in MPEG-TS: its muxer takes all."""

HELD_CODECS: dict[str, tuple[str, ...]] = {
    "mpegts": MPEGTS_CODECS,
    "rtsp": ("aac", "ac3", "mp2", "mp3", "opus", "pcm_alaw", "pcm_mulaw"),
    "rawvideo": (),
    "yuv4mpegpipe": (),
    "video4linux2,v4l2": (),
}
"""Container -> codecs of the tracks that it holds beside the video; others are tried."""

KEPT_METADATA: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mpegts", "mpeg", "vob"), ()),
    "3gp": ("creation_time", "location", "location-eng"),
    "avi": ("title", "artist", "comment", "copyright", "date", "genre", "language"),
}
"""Container -> names of the metadata that it keeps; others keep all."""

KEY_METADATA = ("com.", "make", "model", "description")
"""How names begin that .mp4 and .mov files hold as Apple's metadata keys only."""

COVER_FORMATS = ("mp4", "ipod")
"""Containers of the MOV family that hold a cover picture, unless they have metadata keys."""

LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
"""Unordered channels, which an .mp4 of PCM sound does not hold -> what they are."""

IMAGE_SUFFIXES = {"png": "png", "bmp": "bmp", "gif": "gif"}
"""Codec of a cover picture -> suffix of its file; else it is a .jpg."""


class TrackCopies:
    """Adds what can be copied without decoding to an output container, and counts the rest.

    Args:
        container: The output, with its video track; its header is not written yet.
        like: The input.
        name: The output file as text.
        start_time: Time of the input that is 0 in the output (seconds).
        requires_sound: Refuse a container that cannot hold the sound, which is else left out.

    Attributes:
        streams: The output's track for each of the input's `copied_tracks`; None if it is left out.
        first_packets: Cover pictures, which are written before anything else.
        left_out: Kind -> number of what the input holds and the output does not.

    Raises:
        UsageError: If the container cannot hold the sound.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        like: "VideoReader | VideoFormat",
        name: str,
        start_time: Fraction,
        *,
        requires_sound: bool = True,
    ) -> None:
        self._container, self._format = container, container.format.name
        self._uses_keys = uses_metadata_keys(like.metadata)
        self.left_out: collections.Counter[str] = collections.Counter(like.left_out)
        self.streams = [self._add(track) for track in like.copied_tracks]
        for track, copy in zip(like.copied_tracks, self.streams, strict=True):
            if copy is None and track.type == "audio" and requires_sound:
                raise UsageError(
                    f"{name} cannot hold the audio of {like.name} ({_codec_of(track)}) "
                    "without encoding it again. Name the output .mkv."
                )
        self.first_packets = [
            packet for packet in map(self._add_cover, like.cover_images) if packet
        ]
        for attachment in like.attachments:
            if self._format == "matroska":
                container.add_attachment(
                    attachment.name or "attachment",
                    attachment.mimetype or "application/octet-stream",
                    attachment.data,
                )
            else:
                self.left_out[kind_of(attachment)] += 1
        if (kept := KEPT_METADATA.get(self._format)) is not None:
            self.left_out["metadata field"] += len({*map(str.lower, like.metadata)} - {*kept})
        if self._format in (*MOV_FAMILY, *MATROSKA_FAMILY):
            container.set_chapters([_shift_chapter(each, start_time) for each in like.chapters])
        else:
            self.left_out["chapter"] += len(like.chapters)

    def _add(self, track: av.stream.Stream) -> av.stream.Stream | None:
        """Return a new track of the container with the codec of another; None if it has no such."""
        if not self._can_hold(track):
            # The muxer makes a track of the video's time code.
            if not ("timecode" in track.metadata and self._format in MOV_FAMILY):
                self.left_out[kind_of(track)] += 1
            return None
        copy = self._container.add_stream_from_template(track)
        if track.type == "audio" and track.layout.name in LAYOUTS:
            copy.layout = LAYOUTS[track.layout.name]
        copy.metadata.update(track.metadata)
        copy.disposition = track.disposition
        return copy

    def _can_hold(self, track: av.stream.Stream) -> bool:
        """Return whether the container can hold a track of this codec."""
        codec = _codec_of(track)
        if self._format in HELD_CODECS:
            return codec in HELD_CODECS[self._format]
        if self._format == "mxf":
            return codec.startswith("pcm_")
        if track.type != "audio" and self._format not in (*MOV_FAMILY, *MATROSKA_FAMILY):
            return False
        try:
            with av.open(io.BytesIO(), "w", format=self._format) as trial:
                trial.add_stream_from_template(track, opaque=True)
                trial.start_encoding()
        except (av.FFmpegError, OSError, ValueError):
            return False
        return True

    def _add_cover(self, packet: av.Packet) -> av.Packet | None:
        """Add a cover picture; return its packet if it is to be written as one."""
        track = packet.stream
        if self._format == "matroska":
            suffix = IMAGE_SUFFIXES.get(_codec_of(track), "jpg")
            mimetype = f"image/{suffix.replace('jpg', 'jpeg')}"
            self._container.add_attachment(f"cover.{suffix}", mimetype, bytes(packet))
        elif self._format in COVER_FORMATS and not self._uses_keys and self._can_hold(track):
            copy = self._container.add_stream_from_template(track, opaque=True)
            copy.disposition = track.disposition
            copy_packet = av.Packet(bytes(packet))
            copy_packet.stream, copy_packet.time_base = copy, track.time_base
            copy_packet.pts = copy_packet.dts = 0
            return copy_packet
        else:
            self.left_out[kind_of(track)] += 1
        return None


def uses_metadata_keys(metadata: Mapping[str, str]) -> bool:
    """Return whether an .mp4 or .mov file keeps all metadata only as Apple's metadata keys."""
    return any(key.lower().startswith(KEY_METADATA) for key in metadata)


def _codec_of(track: av.stream.Stream) -> str:
    """Return FFmpeg's name of a track's codec, whatever its decoder is called; "" for none."""
    context = track.codec_context
    return context.codec.canonical_name if context else getattr(track, "name", None) or ""


def _shift_chapter(chapter: dict, start_time: Fraction) -> dict:
    shift = round(start_time / chapter["time_base"])
    return {**chapter, "start": chapter["start"] - shift, "end": chapter["end"] - shift}
