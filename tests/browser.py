"""A real browser without a window, for whoever makes pages: Chromium, driven by Playwright.

It reaches this machine and nothing else, so a page that needs a network fails here.
"""

import functools
import shutil

import pytest

CHROMIUM = "chromium", "chromium-browser", "google-chrome"


@pytest.fixture(scope="module")
def browser():
    """Return what opens a browser: `browser(webgpu=True, camera=None).new_page()`.

    It is open until the last test of the module, and shared by all who ask for the same; meanwhile
    the tests' thread can run no asyncio of its own. With `webgpu` pages find WebGPU, computed by
    the processor. A `camera` is a .y4m or .mjpeg file: pages find it as the camera, which they may
    use without asking.
    """
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed ([dev])")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")

    with api.sync_playwright() as playwright:

        @functools.cache
        def opened(*, webgpu=False, camera=None):
            flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
            if webgpu:
                flags += ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
            if camera:
                flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
                flags += [f"--use-file-for-fake-video-capture={camera}"]
            return playwright.chromium.launch(executable_path=program, args=flags)

        yield opened
