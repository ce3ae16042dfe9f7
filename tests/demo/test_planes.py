"""The page gives planes of video frames to models of planes, and images as RGB."""

import contextlib

import av
import cv2
import numpy as np
import pytest

from lowlight_tf import enhance, load_model
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import DEPLOYED, ENHANCE_PLANES_OVER_TIME
from lowlight_tf.demo import litertjs, server
from lowlight_tf.models.dashcam_net_temporal import dashcam_net_temporal
from lowlight_tf.runtime.pretrained import find_pretrained
from lowlight_tf.tflite_graph.resize_model import resize_model
from tests.demo.test_page import DONE, TIMEOUT_MS, make_dark_image, read_canvas, save_png
from tests.demo_server import download_litertjs, serve_demo
from tests.tflite_graph.test_packed_ports import export_planes, write_planes

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 270, 484  # at least as large as the thumbnail, and to be padded
# Smooth and pale: browsers place, enlarge and clip chroma in their own ways.
IMAGE = cv2.GaussianBlur(make_dark_image(HEIGHT, WIDTH), (0, 0), 4) // 4 + [[[40, 36, 38]]]
IMAGE = IMAGE.astype(np.uint8)


@pytest.fixture(scope="module", params=["float32", "int8", "pretrained"])
def path(request, tmp_path_factory):
    if request.param == "pretrained":
        return find_pretrained("dashcam_net_yuv_nano")
    return export_planes(tmp_path_factory.mktemp("planes") / "planes.tflite", request.param)


@contextlib.contextmanager
def visit(browser, path):
    """Open the page, a file selected; yield it."""
    files = litertjs.read_served_files(download_litertjs())
    with serve_demo(files, selected=path.stem, paths=[path]) as address:
        page = browser().new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        page.wait_for_selector(DONE)
        yield page
        page.close()


@pytest.fixture
def page(browser, path):
    with visit(browser, path) as page:
        page.select_option("#backend", "wasm")
        yield page


def open_file(page, path):
    page.set_input_files("#file", path)
    page.wait_for_selector(f"#times:has-text('{WIDTH}x{HEIGHT}')")
    page.wait_for_selector(DONE)


def check_result(page, path):
    """Compare the luma, which has all pixels, and mean colors with the result in Python."""
    before, after = read_canvas(page, "before"), read_canvas(page, "after")
    difference = after.astype(int) - enhance(load_model(path), before)
    luma = np.abs(difference @ (0.2126, 0.7152, 0.0722))
    assert luma.mean() < 1
    assert np.percentile(luma, 99) < 4
    np.testing.assert_allclose(difference.mean((0, 1)), 0, atol=1)


def test_an_image_gives_the_same_result_as_in_python(page, path, tmp_path):
    open_file(page, save_png(tmp_path / "dark.png", IMAGE))
    assert page.get_attribute("body", "data-input") == "rgb"
    check_result(page, path)


@pytest.mark.parametrize("full_range", [False, True])
def test_the_planes_of_a_video_go_through_the_model(page, path, full_range, tmp_path):
    with av.open(str(tmp_path / "night.webm"), "w") as container:
        stream = container.add_stream("libvpx-vp9", 5, options={"crf": "4", "b:v": "0"})
        stream.height, stream.width = HEIGHT, WIDTH
        stream.codec_context.colorspace = 1
        stream.codec_context.color_range = 2 if full_range else 1
        source = av.VideoFrame.from_ndarray(IMAGE, "rgb24")
        frame = source.reformat(
            format="yuv420p", dst_colorspace=1, dst_color_range=2 if full_range else 1
        )
        for index in range(5):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    open_file(page, tmp_path / "night.webm")
    assert page.get_attribute("body", "data-input") == "planes"
    before = read_canvas(page, "before")
    np.testing.assert_allclose(before.mean((0, 1)), IMAGE.mean((0, 1)), atol=1.5)
    check_result(page, path)


def test_a_file_for_neural_processors_is_refused(path, tmp_path):
    packed = resize_model(path, (32, 48), tmp_path, packed=True)
    with pytest.raises(UsageError, match="for neural processors"):
        server.DemoModel.load(packed)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_a_model_with_memory_remembers_the_frames_of_one_video(browser, quantization, tmp_path):
    path = export_temporal(tmp_path / "temporal.tflite", quantization)
    with visit(browser, path) as page:
        means = page.evaluate(
            """async ([name, frames]) => {
                const {enhance} = await import('/model.js');
                const {toPlanes} = await import('/planes.js');
                const {toBytes} = await import('/input_geometry.js');
                const {models} = await (await fetch('/models.json')).json();
                const model = models.find((each) => each.name === name);
                const port = model.outputs[2], means = [];
                for (const [level, video] of frames) {
                    const data = new Uint8Array(128 * 192 * 3).fill(level);
                    const image = toPlanes({data, height: 128, width: 192});
                    const {result, states} = await enhance(model, image, 'wasm', 0, video);
                    result.close();
                    const bytes = toBytes(states[port.name], port, model.is_integer);
                    means.push(bytes.reduce((sum, byte) => sum + byte) / bytes.length);
                }
                return means;
            }""",
            [path.stem, [[130, "a"], [100, "a"], [100, "b"], [130, None], [100, None]]],
        )
    bright, dark = (16 + 219 * level / 255 for level in (130, 100))
    mixed = dark + 0.75 * (bright - dark)
    np.testing.assert_allclose(means, [bright, mixed, dark, bright, dark], atol=1.5)


def export_temporal(path, quantization):
    """Write a model that takes as much of the past as it can, with its card."""
    model = dashcam_net_temporal(filters=4, blocks=0, deep_filters=4, context=4)
    model = model.get_layer(DEPLOYED)
    bias = model.get_layer("memory_weight").bias
    bias.assign(np.full(bias.shape, 20))
    contract = ENHANCE_PLANES_OVER_TIME
    return write_planes(model, contract, path, quantization, name=path.stem)
