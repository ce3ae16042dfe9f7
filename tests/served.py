"""The page of `lowlight-tf demo`, served for as long as a test needs it."""

import contextlib
import threading

from lowlight_tf.runtime import demo


@contextlib.contextmanager
def served(parts, *, chosen="dashcam_net_nano"):
    """Serve the shipped nets, and LiteRT.js as `litertjs.content` gives it; yield the address."""
    with demo.serve(demo.shipped(), parts, chosen=chosen) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
