"""A headless Chromium, driven by Playwright.

It can connect to this machine only, so a page that needs a network fails.
"""

import functools
import shutil

import pytest

CHROMIUM_PROGRAMS = "chromium", "chromium-browser", "google-chrome"


@pytest.fixture(scope="module")
def browser():
    """Return a function that opens a browser: `browser(webgpu=True, camera=None).new_page()`.

    Browsers stay open until the end of the module, and are shared by calls with equal arguments.
    Meanwhile the test thread cannot run asyncio code. With `webgpu` there is a WebGPU that is
    computed by the processor. `camera` is a .y4m or .mjpeg file that pages get as the camera,
    without a prompt.
    """
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed ([dev])")
    program = next(filter(None, map(shutil.which, CHROMIUM_PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")

    with api.sync_playwright() as playwright:

        @functools.cache
        def launch(*, webgpu=False, camera=None):
            flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
            if webgpu:
                flags += ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
            if camera:
                flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
                flags += [f"--use-file-for-fake-video-capture={camera}"]
            return playwright.chromium.launch(executable_path=program, args=flags)

        yield launch
