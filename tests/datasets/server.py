"""A web server on this machine with the faults of those elsewhere."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """One file, pets.zip, served as told.

    Attributes:
        content: The file.
        ranges: Whether the server knows Range.
        breaks_after: It hangs up after this many bytes of an answer; None for never.
        asked: The Range header of each request so far, or None.
    """

    def __init__(self, content):
        self.content = content
        self.ranges = True
        self.breaks_after = None
        self.asked = []
        self.url = ""

    @contextlib.contextmanager
    def running(self):
        """Serve as long as the context lasts; the address is in `url`."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/pets.zip"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, request):
        """Answer one GET."""
        asked = request.headers.get("Range")
        self.asked.append(asked)
        if request.path != "/pets.zip":
            return request.send_error(404)
        start = 0
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(self.content)}")
                request.send_header("Content-Length", "0")
                return request.end_headers()
            request.send_response(206)
            last = len(self.content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        else:
            request.send_response(200)
        body = self.content[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.breaks_after])
        return request.wfile.flush()
