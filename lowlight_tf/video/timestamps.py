"""Time that runs on where the clock of a file jumps: joined clips, a clock that wraps or is set."""

import dataclasses
from fractions import Fraction

import av

MAX_STEP_BACK_S = Fraction(1, 10)
"""Step back of a track's decoding time from which on its clock has jumped (seconds)."""

MAX_GAP_S = 10
"""Gap in a track from which on its clock has jumped, in formats whose clock may (seconds)."""

MAX_CLIPS = 8
"""Number of clips, the last ones, that packets are taken for."""


@dataclasses.dataclass(eq=False)
class _Clip:
    """A part of the file whose clock runs on.

    Attributes:
        offset: Added to its times (seconds).
        clock: Its time at the last packet of any track (seconds).
    """

    offset: Fraction
    clock: Fraction


@dataclasses.dataclass(eq=False)
class _Track:
    """Where a track is: in which clip, its last packet's time, and from there to the next (s)."""

    clip: _Clip
    time: Fraction
    step: Fraction = Fraction(0)

    @property
    def end(self) -> Fraction:
        """Time at which the next packet is expected (seconds)."""
        return self.time + self.step


class TimestampContinuity:
    """Shifts the packets of a file so that time runs on where its clock jumps.

    A clock jumps if a video or audio track steps back by more than 0.1 s, or, where the format
    allows it (MPEG-TS), forward by more than 10 s: the track goes on without a gap, and the others
    are shifted by the same time as soon as they jump as well. What is late, such as the last sound
    of a clip after the first frame of the next, keeps the time of its clip.

    Reference:
        FFmpeg 8, `ts_discontinuity_process` in fftools/ffmpeg_demux.c. Differences: a shift holds
        for a track from its own jump on; steps back are jumps in all formats; frames of the next
        clip never overlap those before.

    Args:
        has_jumping_clock: Whether the format allows that the clock jumps forward.

    Attributes:
        jumps: How often the clock jumped so far.
    """

    def __init__(self, *, has_jumping_clock: bool) -> None:
        self._has_jumping_clock = has_jumping_clock
        self._clips: list[_Clip] = []
        self._tracks: dict[int, _Track] = {}
        self.jumps = 0

    def shift(self, packet: av.Packet) -> bool:
        """Shift the time stamps of a packet in place; sound without any follows the sound before.

        The time stamps of video without any, as in an .h264 file, are left to the decoder.

        Returns:
            Whether the track jumped.
        """
        stream, unit = packet.stream, packet.time_base
        track = self._tracks.get(stream.index)
        ticks = packet.dts if packet.dts is not None else packet.pts
        if ticks is None and stream.type == "audio" and track:
            ticks = round(track.end / unit)
        if ticks is None or not packet.size:
            return False
        if stream.type != "video":
            packet.dts = ticks
            packet.pts = ticks if packet.pts is None else packet.pts
        time = ticks * unit
        if not self._clips:
            self._clips.append(_Clip(Fraction(0), time))
        before = track and track.clip
        if packet.dts is None:  # the order of display, in which frames step back
            clip = before or self._clips[-1]
        elif stream.type in ("video", "audio"):
            clip = self._follow(stream, time)
            track = self._tracks[stream.index]
            if packet.duration or clip is before:
                track.step = (packet.duration or 0) * unit or max(time - track.time, 0)
            track.time = time
            clip.clock = time
        else:  # has gaps, which are no jumps
            clip = min(self._clips[:-3:-1], key=lambda clip: abs(time - clip.clock))
        shift = round(clip.offset / unit)
        packet.dts = packet.dts + shift if packet.dts is not None else None
        packet.pts = packet.pts + shift if packet.pts is not None else None
        return before is not None and clip is not before

    def _follow(self, stream: av.stream.Stream, time: Fraction) -> _Clip:
        """Return the clip of a packet, which is a new one where the track jumps."""
        track = self._tracks.get(stream.index)
        if track is None:
            track = self._tracks[stream.index] = _Track(self._clips[-1], time)
        gap, end = time - track.end, track.clip.offset + track.end
        is_back = time < track.time - MAX_STEP_BACK_S
        if is_back or gap > MAX_STEP_BACK_S:
            place = self._clips.index(track.clip) if track.clip in self._clips else -1
            # A clip that other tracks are in, or the one before a single wrong time stamp.
            others = [
                clip
                for index, clip in enumerate(self._clips)
                if index > place or (index < place and clip.offset + time >= end - MAX_STEP_BACK_S)
            ]
            nearest = min(others, key=lambda clip: abs(time - clip.clock), default=None)
            if nearest and abs(time - nearest.clock) < min(abs(gap), MAX_GAP_S):
                track.clip = nearest
                if stream.type == "video":
                    nearest.offset = max(nearest.offset, end - time)
            elif is_back or (self._has_jumping_clock and gap > MAX_GAP_S):
                track.clip = _Clip(track.clip.offset - gap, time)
                self._clips = [*self._clips[1 - MAX_CLIPS :], track.clip]
                self.jumps += 1
        return track.clip
