"""The page in a real browser gives the same results as Python."""

import base64
import functools

import cv2
import numpy as np
import pytest

from lowlight_tf import enhance, load_model
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.demo import litertjs, server
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime import input_geometry
from tests.demo_server import download_litertjs, serve_demo

pytestmark = pytest.mark.slow

DONE = "body[data-state=done]"
TIMEOUT_MS = 120_000
TOLERANCES = {"driving_unet_int8": 4}
"""Gray levels where more than 2 are allowed: kernels of different processors round integer
normalization differently; LiteRT's reference kernels differ by 10 levels from its fast ones."""


def make_dark_image(height, width, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 70, (height // 20 + 2, width // 20 + 2, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, rng.integers(0, 9, smooth.shape, np.uint8))


def save_png(path, image):
    image_io.save_image(path, image_io.LoadedImage(image))
    return path


@pytest.fixture(scope="module")
def litertjs_files():
    return litertjs.read_served_files(download_litertjs())


@pytest.fixture(scope="module")
def address(litertjs_files):
    with serve_demo(litertjs_files) as address:
        yield address


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page: `visit(webgpu=True)`."""
    pages = []

    def open_page(**options):
        page = browser(**options).new_page()
        pages.append(page)
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        page.wait_for_selector(DONE)
        return page

    yield open_page
    for page in pages:
        page.close()


def select(page, *, model=None, backend=None):
    if backend:
        page.select_option("#backend", backend)
    if model:
        settings = next(each for each in list_models() if each["name"] == model)
        page.select_option("#model", settings["base_name"])
        page.select_option("#quantization", settings["quantization"])
    page.wait_for_selector(DONE)


@functools.cache
def list_models():
    return [model.to_json() for model in server.list_demo_models()]


def open_image(page, path):
    page.set_input_files("#file", str(path))
    page.wait_for_selector(DONE)


def read_canvas(page, name):
    url = page.evaluate("name => document.getElementById(name).toDataURL()", name)
    content = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]


def max_difference(page, model):
    """Return the largest difference of the page's result from Python's (gray levels)."""
    expected = enhance(load_model(model), read_canvas(page, "before"))
    actual = read_canvas(page, "after")
    assert actual.shape == expected.shape
    assert actual.mean() > 1.5 * read_canvas(page, "before").mean()
    return np.abs(actual.astype(int) - expected).max()


def test_every_model_gives_the_same_result_on_webassembly_as_in_python(visit, tmp_path):
    page, image = visit(), make_dark_image(203, 333)
    open_image(page, save_png(tmp_path / "night.png", image))
    # Enlarged chroma differs between pixels of noise: test_planes.py compares luma and mean colors.
    of_planes = "dashcam_net_yuv", "dashcam_net_temporal"
    names = [model["name"] for model in list_models() if not model["name"].startswith(of_planes)]
    assert {"dashcam_net_tiny_int8", "dashcam_net_base_int8", "driving_unet"} <= set(names)
    for name in names:
        select(page, model=name, backend="wasm")
        assert np.array_equal(read_canvas(page, "before"), image)
        assert max_difference(page, name) <= TOLERANCES.get(name, 2), name
        assert f"{name}, " in page.inner_text("#times")
        assert "on WebAssembly" in page.inner_text("#times")


@pytest.mark.parametrize("model", ["dashcam_net_nano", "dashcam_net_tiny"])
def test_a_model_gives_the_same_result_on_webgpu_as_in_python(model, visit, tmp_path):
    page = visit(webgpu=True)
    open_image(page, save_png(tmp_path / "night.png", make_dark_image(50, 67)))
    select(page, model=model, backend="webgpu")
    assert "on WebGPU" in page.inner_text("#times")
    assert max_difference(page, model) <= 2


def test_an_integer_model_runs_on_webassembly_and_the_page_reports_it(visit, tmp_path):
    page = visit(webgpu=True)
    open_image(page, save_png(tmp_path / "night.png", make_dark_image(50, 67)))
    select(page, model="dashcam_net_nano_int8", backend="webgpu")
    assert "on WebAssembly" in page.inner_text("#times")
    assert "WebGPU does not support 8-bit integers" in page.inner_text("#message")
    assert max_difference(page, "dashcam_net_nano_int8") <= 2


def test_webassembly_is_used_after_the_gpu_is_lost(visit, tmp_path):
    page = visit(webgpu=True)
    assert "on WebGPU" in page.inner_text("#times")
    page.evaluate("async () => (await import('@litertjs/core')).getWebGpuDevice().destroy()")
    open_image(page, save_png(tmp_path / "night.png", make_dark_image(50, 67)))
    assert page.inner_text("#about").startswith("WebGPU failed")
    assert "on WebAssembly" in page.inner_text("#times")
    assert max_difference(page, "dashcam_net_nano") <= 2


def test_the_camera_is_enhanced_until_it_is_stopped(visit, tmp_path):
    video = tmp_path / "night.y4m"
    height, width = 96, 128
    planes = [
        make_dark_image(height, width)[..., 0],
        *(np.full((height // 2, width // 2), 128, np.uint8),) * 2,
    ]
    frame = b"FRAME\n" + b"".join(plane.tobytes() for plane in planes)
    video.write_bytes(f"YUV4MPEG2 W{width} H{height} F30:1 Ip C420jpeg\n".encode() + 8 * frame)
    page = visit(camera=video)
    page.click("#camera")
    page.wait_for_selector("#camera:text('Stop the camera')")
    page.wait_for_selector("#times:not(:has-text('600x400'))")  # no longer the example image
    page.click("#camera")
    page.wait_for_selector("#camera:text('Use the camera')")
    page.wait_for_selector(DONE)
    before = read_canvas(page, "before")
    assert before.std() > 3  # not one gray level
    assert max_difference(page, "dashcam_net_nano") <= 2


def test_a_missing_webgpu_or_camera_is_reported(visit):
    page = visit()
    assert "no WebGPU" in page.inner_text("#about")
    assert page.is_disabled("#backend option[value=webgpu]")
    page.click("#camera")
    page.wait_for_selector("#message:has-text('The camera cannot be used')")


def test_the_models_run_in_a_browser_without_threads_and_relaxed_simd(browser, address):
    page, urls = browser().new_page(), []
    page.on("request", lambda request: urls.append(request.url))
    page.add_init_script(  # LiteRT.js tests features with programs of a few bytes
        """const real = WebAssembly.instantiate;
        WebAssembly.instantiate = (code, ...rest) => code.byteLength < 100
            ? Promise.reject(new Error('unknown instruction')) : real(code, ...rest);"""
    )
    page.goto(address)
    page.wait_for_selector(DONE)
    assert any(url.endswith("litert_wasm_compat_internal.wasm") for url in urls)
    assert max_difference(page, "dashcam_net_nano") <= 2
    page.close()


def test_a_file_that_is_not_an_image_is_reported_and_the_page_continues(visit, tmp_path):
    page = visit()
    (tmp_path / "notes.png").write_text("not an image")
    page.set_input_files("#file", str(tmp_path / "notes.png"))
    page.wait_for_selector("#message:has-text('notes.png is not an image')")
    open_image(page, save_png(tmp_path / "night.png", make_dark_image(40, 60)))
    assert read_canvas(page, "before").shape == (40, 60, 3)
    assert max_difference(page, "dashcam_net_nano") <= 2


def test_a_dropped_image_is_enhanced_and_its_result_can_be_saved(visit, tmp_path):
    page, image = visit(), make_dark_image(40, 60)
    content = save_png(tmp_path / "night.png", image).read_bytes()
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
    assert np.array_equal(saved, read_canvas(page, "after"))
    assert np.abs(saved.astype(int) - enhance(load_model("nano"), image)).max() <= 2


def test_the_slider_moves_the_line_between_before_and_after(visit):
    page = visit()
    box = page.locator("#slider").bounding_box()
    for fraction in (0.25, 0.75):
        page.mouse.click(box["x"] + fraction * box["width"], box["y"] + box["height"] / 2)
        clip_path = page.evaluate("getComputedStyle(document.getElementById('after')).clipPath")
        assert float(clip_path.split()[-1].strip("%)")) == pytest.approx(100 * fraction, abs=3)


def test_an_image_that_is_too_large_is_downscaled_and_the_page_reports_it(visit, tmp_path):
    page = visit()
    open_image(page, save_png(tmp_path / "large.png", np.zeros((1200, 2000, 3), np.uint8)))
    height, width = read_canvas(page, "after").shape[:2]
    assert (
        0.99 * input_geometry.MAX_UNTILED_PIXELS
        < height * width
        <= input_geometry.MAX_UNTILED_PIXELS
    )
    assert f"image of 2000x1200 was downscaled to {width}x{height}" in page.inner_text("#message")
    select(page, model="driving_unet_int8")
    assert read_canvas(page, "after").shape == (360, 600, 3)


def test_a_portrait_image_is_transposed_for_a_landscape_model(visit, tmp_path):
    page = visit()
    select(page, model="driving_unet")
    open_image(page, save_png(tmp_path / "portrait.png", make_dark_image(700, 350)))
    assert read_canvas(page, "after").shape == (600, 300, 3)
    assert max_difference(page, "driving_unet") <= 2


def test_the_brightness_is_set_by_a_slider_that_only_models_with_the_control_have(visit, tmp_path):
    page = visit()
    open_image(page, save_png(tmp_path / "night.png", make_dark_image(208, 336)))
    for name in ("dashcam_net_v2_tiny", "dashcam_net_v2_tiny_int8"):
        select(page, model=name, backend="wasm")
        page.fill("#brightness", "2")  # int8 files take steps of 0.1 EV, which kernels round apart
        page.wait_for_selector(DONE)
        expected = enhance(load_model(name), read_canvas(page, "before"), brightness_ev=2)
        difference = np.abs(read_canvas(page, "after").astype(int) - expected)
        assert difference.max() <= 2, name
        assert page.is_visible("#brightness")
    select(page, model="driving_unet")
    assert not page.is_visible("#brightness")


def test_thumbnails_equal_those_of_python(visit):
    page = visit()
    for size in (1, 1), (90, 250), (200, 100), (128, 192), (301, 507), (520, 800), (1031, 1541):
        image = make_dark_image(*size)
        expected = input_geometry.make_thumbnails(ENHANCE_WITH_THUMBNAIL, image)["thumbnail"][0]
        actual = page.evaluate(
            """async ([content, height, width, size]) => {
                const {makeThumbnail} = await import('/input_geometry.js');
                const data = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                const small = makeThumbnail({data, height, width}, ...size).data;
                return btoa(Array.from(small, (code) => String.fromCharCode(code)).join(''));
            }""",
            [base64.b64encode(image.tobytes()).decode(), *size, expected.shape[:2]],
        )
        actual = np.frombuffer(base64.b64decode(actual), np.uint8).reshape(expected.shape)
        difference = actual - expected.astype(int)
        assert np.abs(difference).max() <= 1, size
        assert np.abs(difference).mean() < 0.13, size  # OpenCV rounds halves of 2x2 blocks up


def test_a_page_without_litertjs_reports_that_no_model_runs(browser):
    page = browser().new_page()
    with serve_demo({}) as address:
        page.goto(address)
        page.wait_for_selector("#message:has-text('The models cannot be run in this browser')")
    page.close()


def test_the_page_contacts_no_other_host(visit, address):
    page, urls = visit(), []
    page.on("request", lambda request: urls.append(request.url))
    page.reload()
    page.wait_for_selector(DONE)
    assert len(urls) > 8
    assert all(url.startswith((f"{address}/", "data:,", "blob:")) for url in urls), urls
    with serve_demo({}) as other:
        directive = page.evaluate(
            """async (other) => {
                const refused = new Promise((done) => addEventListener(
                    'securitypolicyviolation', (event) => done(event.effectiveDirective)));
                await fetch(other, {mode: 'no-cors'}).catch(() => {});
                return refused;
            }""",
            f"{other}/models.json",
        )
    assert directive == "connect-src"
