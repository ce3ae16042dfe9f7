"""The page in a real browser: what it makes of a picture is what Python makes of it."""

import base64
import functools

import cv2
import numpy as np
import pytest

from lowlight_tf import enhance, open_engine
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.demo import litertjs, server
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime import input_geometry
from tests.served import fetched, served

pytestmark = pytest.mark.slow

DONE = "body[data-state=done]"
PATIENCE = 120_000  # milliseconds
LEVELS = {"driving_unet_int8": 4}
"""Where more than 2 are allowed: normalization in bytes is rounded otherwise by every processor's
kernels, LiteRT's own for any processor being 10 grey levels from its fast ones."""


def dark(height, width, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 70, (height // 20 + 2, width // 20 + 2, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, rng.integers(0, 9, smooth.shape, np.uint8))


def png(path, image):
    image_io.save_image(path, image_io.LoadedImage(image))
    return path


@pytest.fixture(scope="module")
def parts():
    return litertjs.content(fetched())


@pytest.fixture(scope="module")
def address(parts):
    with served(parts) as address:
        yield address


@pytest.fixture
def visit(browser, address):
    """Return what opens the page: `visit(webgpu=True)`."""
    opened = []

    def visited(**options):
        page = browser(**options).new_page()
        opened.append(page)
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_selector(DONE)
        return page

    yield visited
    for page in opened:
        page.close()


def choose(page, *, net=None, backend=None):
    if backend:
        page.select_option("#backend", backend)
    if net:
        told = next(each for each in nets() if each["name"] == net)
        page.select_option("#model", told["model"])
        page.select_option("#quantization", told["quantization"])
    page.wait_for_selector(DONE)


@functools.cache
def nets():
    return [net.to_json() for net in server.list_demo_models()]


def show(page, path):
    page.set_input_files("#file", str(path))
    page.wait_for_selector(DONE)


def canvas(page, name):
    url = page.evaluate("name => document.getElementById(name).toDataURL()", name)
    content = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]


def apart(page, net):
    """Return how far the page's result is from Python's, in grey levels."""
    expected = enhance(open_engine(net), canvas(page, "before"))
    actual = canvas(page, "after")
    assert actual.shape == expected.shape
    assert actual.mean() > 1.5 * canvas(page, "before").mean()
    return np.abs(actual.astype(int) - expected).max()


def test_every_net_gives_on_webassembly_what_it_gives_in_python(visit, tmp_path):
    page, image = visit(), dark(203, 333)
    show(page, png(tmp_path / "night.png", image))
    names = [net["name"] for net in nets()]
    assert {"dashcam_net_tiny_int8", "dashcam_net_base_float32", "driving_unet"} <= set(names)
    for name in names:
        choose(page, net=name, backend="wasm")
        assert np.array_equal(canvas(page, "before"), image)
        assert apart(page, name) <= LEVELS.get(name, 2), name
        assert f"{name}, " in page.inner_text("#times")
        assert "on WebAssembly" in page.inner_text("#times")


@pytest.mark.parametrize("net", ["dashcam_net_nano", "dashcam_net_tiny_float32"])
def test_a_net_gives_on_webgpu_what_it_gives_in_python(net, visit, tmp_path):
    page = visit(webgpu=True)
    show(page, png(tmp_path / "night.png", dark(50, 67)))
    choose(page, net=net, backend="webgpu")
    assert "on WebGPU" in page.inner_text("#times")
    assert apart(page, net) <= 2


def test_a_net_of_bytes_runs_on_webassembly_and_the_page_says_so(visit, tmp_path):
    page = visit(webgpu=True)
    show(page, png(tmp_path / "night.png", dark(50, 67)))
    choose(page, net="dashcam_net_nano_int8", backend="webgpu")
    assert "on WebAssembly" in page.inner_text("#times")
    assert "WebGPU has no bytes" in page.inner_text("#message")
    assert apart(page, "dashcam_net_nano_int8") <= 2


def test_a_gpu_that_is_lost_leaves_the_work_to_webassembly(visit, tmp_path):
    page = visit(webgpu=True)
    assert "on WebGPU" in page.inner_text("#times")
    page.evaluate("async () => (await import('@litertjs/core')).getWebGpuDevice().destroy()")
    show(page, png(tmp_path / "night.png", dark(50, 67)))
    assert page.inner_text("#about").startswith("WebGPU failed")
    assert "on WebAssembly" in page.inner_text("#times")
    assert apart(page, "dashcam_net_nano") <= 2


def test_the_camera_is_enhanced_until_it_is_stopped(visit, tmp_path):
    film = tmp_path / "night.y4m"
    height, width = 96, 128
    planes = [
        dark(height, width)[..., 0],
        *(np.full((height // 2, width // 2), 128, np.uint8),) * 2,
    ]
    frame = b"FRAME\n" + b"".join(plane.tobytes() for plane in planes)
    film.write_bytes(f"YUV4MPEG2 W{width} H{height} F30:1 Ip C420jpeg\n".encode() + 8 * frame)
    page = visit(camera=film)
    page.click("#camera")
    page.wait_for_selector("#camera:text('Stop the camera')")
    page.wait_for_selector("#times:not(:has-text('600x400'))")  # the picture it began with
    page.click("#camera")
    page.wait_for_selector("#camera:text('Use the camera')")
    page.wait_for_selector(DONE)
    before = canvas(page, "before")
    assert before.std() > 3  # grey, and not of one grey
    assert apart(page, "dashcam_net_nano") <= 2


def test_a_browser_without_webgpu_or_camera_is_told_so(visit):
    page = visit()
    assert "no WebGPU" in page.inner_text("#about")
    assert page.is_disabled("#backend option[value=webgpu]")
    page.click("#camera")
    page.wait_for_selector("#message:has-text('The camera cannot be used')")


def test_a_browser_without_threads_and_relaxed_simd_runs_the_nets_too(browser, address):
    page, asked = browser().new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(  # what LiteRT.js tries are programs of a few bytes
        """const real = WebAssembly.instantiate;
        WebAssembly.instantiate = (code, ...rest) => code.byteLength < 100
            ? Promise.reject(new Error('unknown instruction')) : real(code, ...rest);"""
    )
    page.goto(address)
    page.wait_for_selector(DONE)
    assert any(url.endswith("litert_wasm_compat_internal.wasm") for url in asked)
    assert apart(page, "dashcam_net_nano") <= 2
    page.close()


def test_what_is_no_picture_is_said_and_the_page_goes_on(visit, tmp_path):
    page = visit()
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#file", str(tmp_path / "notes.png"))
    page.wait_for_selector("#message:has-text('notes.png is no picture')")
    show(page, png(tmp_path / "night.png", dark(40, 60)))
    assert canvas(page, "before").shape == (40, 60, 3)
    assert apart(page, "dashcam_net_nano") <= 2


def test_a_dropped_picture_is_enhanced_and_its_result_saved(visit, tmp_path):
    page, image = visit(), dark(40, 60)
    content = png(tmp_path / "night.png", image).read_bytes()
    page.evaluate(
        """content => {
            const data = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], 'street.png', {type: 'image/png'}));
            dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true}));
        }""",
        base64.b64encode(content).decode(),
    )
    page.wait_for_selector(DONE)
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "street_enhanced.png"
    download.value.save_as(tmp_path / "saved.png")
    saved = image_io.load_image(tmp_path / "saved.png").pixels
    assert np.array_equal(saved, canvas(page, "after"))
    assert np.abs(saved.astype(int) - enhance(open_engine("nano"), image)).max() <= 2


def test_the_slider_moves_the_line_between_before_and_after(visit):
    page = visit()
    box = page.locator("#slider").bounding_box()
    for share in (0.25, 0.75):
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        cut = page.evaluate("getComputedStyle(document.getElementById('after')).clipPath")
        assert float(cut.split()[-1].strip("%)")) == pytest.approx(100 * share, abs=3)


def test_a_picture_that_is_too_large_is_shown_smaller_and_the_page_says_so(visit, tmp_path):
    page = visit()
    show(page, png(tmp_path / "large.png", np.zeros((1200, 2000, 3), np.uint8)))
    height, width = canvas(page, "after").shape[:2]
    assert (
        0.99 * input_geometry.MAX_UNTILED_PIXELS
        < height * width
        <= input_geometry.MAX_UNTILED_PIXELS
    )
    assert f"2000x1200; shown to the net as {width}x{height}" in page.inner_text("#message")
    choose(page, net="driving_unet_int8")
    assert canvas(page, "after").shape == (360, 600, 3)


def test_a_picture_that_stands_is_run_on_its_side_where_the_net_lies(visit, tmp_path):
    page = visit()
    choose(page, net="driving_unet")
    show(page, png(tmp_path / "portrait.png", dark(700, 350)))
    assert canvas(page, "after").shape == (600, 300, 3)
    assert apart(page, "driving_unet") <= 2


def test_thumbnails_are_those_of_python(visit):
    page = visit()
    for size in (1, 1), (90, 250), (200, 100), (128, 192), (301, 507), (520, 800):
        image = dark(*size)
        expected = input_geometry.make_thumbnails(ENHANCE_WITH_THUMBNAIL, image)["thumbnail"][0]
        actual = page.evaluate(
            """async ([content, height, width, wanted]) => {
                const {thumbnail} = await import('/fit.js');
                const data = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                const small = thumbnail({data, height, width}, ...wanted).data;
                return btoa(Array.from(small, (code) => String.fromCharCode(code)).join(''));
            }""",
            [base64.b64encode(image.tobytes()).decode(), *size, expected.shape[:2]],
        )
        actual = np.frombuffer(base64.b64decode(actual), np.uint8).reshape(expected.shape)
        difference = actual - expected.astype(int)
        assert np.abs(difference).max() <= 1, size
        assert np.abs(difference).mean() < 0.13, size  # OpenCV rounds halves of 2x2 blocks up


def test_a_page_without_litertjs_says_that_nothing_runs(browser):
    page = browser().new_page()
    with served({}) as address:
        page.goto(address)
        page.wait_for_selector("#message:has-text('The nets cannot be run in this browser')")
    page.close()


def test_the_page_speaks_to_nobody_else(visit, address):
    page, asked = visit(), []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector(DONE)
    assert len(asked) > 8
    assert all(url.startswith((f"{address}/", "data:,", "blob:")) for url in asked), asked
    with served({}) as other:
        said = page.evaluate(
            """async (other) => {
                const refused = new Promise((done) => addEventListener(
                    'securitypolicyviolation', (event) => done(event.effectiveDirective)));
                await fetch(other, {mode: 'no-cors'}).catch(() => {});
                return refused;
            }""",
            f"{other}/nets.json",
        )
    assert said == "connect-src"
