"""What the shipped models with a brightness control make of images without content."""

import itertools

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.runtime.pretrained import MODEL_DIR, list_pretrained
from lowlight_tf.runtime.rgb_engine import BT709, RgbEngine
from tests.clips import make_frame, read_frames, write_video

FAMILIES = "dashcam_net_v2", "dashcam_net_yuv"
NAMES = [name for name in list_pretrained() if name.startswith(FAMILIES)]
SHAPE = (400, 600, 3)
MODEL = "dashcam_net_v2_tiny_int8"


@pytest.fixture(scope="module", params=NAMES)
def engine(request):
    return load_model(request.param)


def flat(*color):
    return np.broadcast_to(np.uint8(color), SHAPE).copy()


def test_a_float16_and_an_int8_file_ship():
    assert {"dashcam_net_v2_tiny", "dashcam_net_v2_tiny_int8"} <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("int8")])
def test_zero_bytes_of_the_control_are_automatic_and_255_is_the_most(name):
    details = Interpreter(str(MODEL_DIR / f"{name}.tflite")).get_input_details()
    ((scale, zero_point),) = (
        port["quantization"] for port in details if "brightness" in port["name"]
    )
    assert zero_point == 0
    assert scale == pytest.approx(1 / 255)


@pytest.mark.parametrize("ev", [-2, 0, 2])
def test_black_and_white_stay(engine, ev):
    assert enhance(engine, flat(0, 0, 0), brightness_ev=ev).max() == 0
    assert enhance(engine, flat(255, 255, 255), brightness_ev=ev).min() >= 253


@pytest.mark.parametrize("color", [(40, 40, 40), (128, 128, 128), (220, 220, 220), (30, 60, 160)])
def test_one_color_stays_flat(engine, color):
    inner = enhance(engine, flat(*color))[32:-32, 32:-32].astype(int)
    assert np.ptp(inner, axis=(0, 1)).max() <= 8


def test_noise_around_black_does_not_become_texture(engine, rng):
    noise = np.uint8(np.clip(np.rint(rng.normal(0, 1.5, SHAPE)), 0, 255))
    result = enhance(engine, noise)
    assert result.mean() <= 20
    assert result.astype(float).std() <= 8


def test_one_pixel_will_do(engine):
    assert enhance(engine, np.full((1, 1, 3), 30, np.uint8)).shape == (1, 1, 3)


def test_results_rise_with_the_brightness(engine, rng):
    coarse = np.uint8(rng.integers(0, 60, (10, 15, 3)))
    image = cv2.resize(coarse, SHAPE[1::-1], interpolation=cv2.INTER_CUBIC)
    results = [enhance(engine, image, brightness_ev=ev).astype(int) for ev in (-2, -1, 0, 1, 2)]
    if isinstance(engine, RgbEngine):  # its luma rises; with its chroma, one of the colors may fall
        results = [image @ BT709.rgb_to_yuv_matrix()[0, :3] for image in results]
    for darker, brighter in itertools.pairwise(results):
        assert (brighter - darker).min() >= -1  # a code value of rounding
        assert brighter.mean() > darker.mean() + 2


def test_the_command_sets_images_and_videos(tmp_path):
    image_io.save_image(tmp_path / "in/a.png", image_io.LoadedImage(make_frame(0, level=20)))
    write_video(tmp_path / "in/b.mp4", [make_frame(step, level=20) for step in range(3)])
    for ev in ("-1.5", "1.5"):
        words = ["enhance", str(tmp_path / "in"), "--output", str(tmp_path / ev), "--model", MODEL]
        assert main([*words, "--brightness", ev]) == 0
    for name in ("a.png", "b.mp4"):
        darker, brighter = (_mean(tmp_path / ev / name) for ev in ("-1.5", "1.5"))
        assert brighter > darker + 5


def test_a_model_without_the_control_is_refused_in_one_line(tmp_path, capsys):
    image_io.save_image(tmp_path / "a.png", image_io.LoadedImage(make_frame(0, level=20)))
    words = ["enhance", str(tmp_path / "a.png"), "--output", str(tmp_path / "out")]
    for model, ev, reason in (("nano", "1", "brightness control"), (MODEL, "3", "from -2 to 2")):
        assert main([*words, "--model", model, "--brightness", ev]) == 2
        message = capsys.readouterr().err
        assert reason in message
        assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def _mean(path):
    if path.suffix == ".mp4":
        return float(np.mean(read_frames(path)[0]))
    return float(image_io.load_image(path).pixels.mean())
