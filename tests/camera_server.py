"""Live cameras of tests: servers that send a video over TCP."""

import socket
import threading
import time


class CameraServer:
    """Sends a video over TCP to each client in turn, and closes the connection after it."""

    def __init__(self, *videos):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.server.getsockname()[1]}"
        self.videos = videos
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        for content in self.videos:
            client, _ = self.server.accept()
            with client:
                client.sendall(content)
        self.server.close()


class SlowCameraServer(CameraServer):
    """Sends a video in small pieces, as fast as a camera does."""

    def __init__(self, content, seconds):
        self.seconds = seconds
        super().__init__(content)

    def serve(self):
        """Serve one client."""
        client, _ = self.server.accept()
        (content,) = self.videos
        starts = range(0, len(content), 752)
        with client:
            for start in starts:
                client.sendall(content[start : start + 752])
                time.sleep(self.seconds / len(starts))
        self.server.close()
