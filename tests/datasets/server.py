"""A local web server that simulates the faults of others."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves one file, pets.zip.

    Attributes:
        content: The file.
        supports_range: Whether it supports the Range header.
        max_bytes: It closes the connection after so many bytes of a response; None for never.
        requests: The Range header of each request so far, or None.
    """

    def __init__(self, content):
        self.content = content
        self.supports_range = True
        self.max_bytes = None
        self.requests = []
        self.url = ""

    @contextlib.contextmanager
    def run(self):
        """Serve while the context lasts; the address is in `url`."""
        file_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                file_server.respond(self)

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

    def respond(self, request):
        """Respond to one GET request."""
        requested = request.headers.get("Range")
        self.requests.append(requested)
        if request.path != "/pets.zip":
            return request.send_error(404)
        start = 0
        if requested and self.supports_range:
            start = int(requested.removeprefix("bytes=").rstrip("-"))
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
        request.wfile.write(body[: self.max_bytes])
        return request.wfile.flush()
