"""Interlaced frames, of two fields that were recorded one after the other, made progressive."""

import av
import av.filter


class Deinterlacer:
    """Interpolates the missing lines of interlaced frames, one frame of each; others are kept.

    Time stamps are those of the input. A frame is returned when the one after it is known.

    Reference:
        FFmpeg's filter bwdif (Weston three-field and yadif), which takes the order of the fields
        from the frames.

    Attributes:
        frame_count: Number of interlaced frames so far.
    """

    def __init__(self) -> None:
        self.frame_count = 0
        self._graph: av.filter.Graph | None = None
        self._layout: tuple[int, int, str] | None = None

    def push(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """Add a frame; return those that are complete."""
        self.frame_count += frame.interlaced_frame
        layout = (frame.width, frame.height, frame.format.name)
        if not self.frame_count:
            return [frame]
        frames = []
        if layout != self._layout:
            frames = self.flush()
            self._layout, self._graph = layout, _make_graph(frame)
        self._graph.push(frame)
        return frames + self._pull()

    def flush(self) -> list[av.VideoFrame]:
        """Return the frames that remain; the next one begins anew."""
        if self._graph is None:
            return []
        self._graph.push(None)
        frames = self._pull()
        self._graph = self._layout = None
        return frames

    def _pull(self) -> list[av.VideoFrame]:
        frames = []
        while True:
            try:
                frames.append(self._graph.pull())
            except (av.BlockingIOError, EOFError):
                return frames


def _make_graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=frame, time_base=frame.time_base),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph
