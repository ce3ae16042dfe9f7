"""OpenVINO and ONNX Runtime compute what LiteRT computes from the same file."""

import configparser

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.cli.main import main
from lowlight_tf.export import other_runtimes
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.runtime.packed_engine import pack_images
from lowlight_tf.runtime.pretrained import find_pretrained
from lowlight_tf.tflite_graph.resize_model import resize_model

MODELS = (
    "dashcam_net_v2_nano",
    "dashcam_net_yuv_nano_int8",
    "did_fuse",
    "did_fuse_int8",
    "zero_dce",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def make_inputs(path, rng):
    """Return one dark image of each input of a file, in its type."""
    engine = LiteRTEngine(path)
    size = engine.card.height, engine.card.width
    images = {}
    for port in engine.contract.inputs:
        image = 0.3 * rng.random((1, *port.shape(port.size or size)), np.float32)
        is_bytes = engine.card.dtype == "uint8"
        images[port.name] = np.uint8(255 * image) if is_bytes else image
    return pack_images(images, engine.contract)


@pytest.mark.parametrize("name", MODELS)
def test_openvino_reads_the_pretrained_files(name, folder, rng):
    pytest.importorskip("openvino", reason="[openvino] is not installed")
    path = resize_model(find_pretrained(name), (96, 128), folder)
    quantization = ModelCard.load(path.with_suffix(".json")).quantization
    difference_db = other_runtimes.compare_openvino(path, make_inputs(path, rng))
    assert difference_db >= other_runtimes.min_parity_db(quantization)
    if quantization == "float16":
        assert difference_db > 100


def test_the_comparison_sees_a_difference(folder, rng):
    path = resize_model(find_pretrained("dashcam_net_v2_nano"), (96, 128), folder)
    images = make_inputs(path, rng)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (output,) = interpreter.get_output_details()
    expected = LiteRTEngine(path)(images)["enhanced"]
    for difference, expected_db in ((0, 120), (0.1, 20)):
        results = {output["name"]: expected + difference}
        difference_db = other_runtimes._compare(path, images, lambda _, results=results: results)
        assert difference_db == pytest.approx(expected_db, abs=0.1)


@pytest.mark.parametrize("name", ["dashcam_net_v2_nano", "did_fuse_int8"])
def test_a_pretrained_model_is_written_as_onnx(name, tmp_path, rng, capsys):
    pytest.importorskip("onnxruntime", reason="[onnx] is not installed")
    pytest.importorskip("tf2onnx", reason="[onnx] is not installed")
    words = ["resize", name, "--size", "96x128", "--output", str(tmp_path), "--format", "onnx"]
    assert main(words) == 0
    (onnx,), (path,) = tmp_path.glob("*.onnx"), tmp_path.glob("*.tflite")
    assert str(onnx) in capsys.readouterr().out
    quantization = ModelCard.load(path.with_suffix(".json")).quantization
    difference_db = other_runtimes.compare_onnx(onnx, path, make_inputs(path, rng))
    assert difference_db >= other_runtimes.min_parity_db(quantization)


def test_a_run_is_exported_as_onnx_and_its_card_has_the_parity(untrained_run, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="[onnx] is not installed")
    pytest.importorskip("tf2onnx", reason="[onnx] is not installed")
    words = ["export", str(untrained_run), "--size", "32x48", "--quantize", "float16"]
    main([*words, "--output", str(tmp_path), "--format", "onnx"])
    (card,) = tmp_path.glob("*.json")
    assert ModelCard.load(card).onnx_parity_db > 80
    assert "onnx: " in capsys.readouterr().out


def test_the_modelinfo_names_each_tensor(folder):
    path = resize_model(find_pretrained("did_fuse_int8"), (96, 128), folder)
    info = configparser.ConfigParser()
    info.read(other_runtimes.write_modelinfo(path))
    assert info["modelinfo"]["version"] == "1.0"
    inputs = [section for section in info.values() if section.get("dir") == "input"]
    assert {section["dims"] for section in inputs} == {"1,96,128,1"}
    assert {section["type"] for section in inputs} == {"uint8"}
    assert {section["ranges"] for section in inputs} == {"0.0,255.0"}
    assert any(section.get("dir") == "output" for section in info.values())


def test_what_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(other_runtimes.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(other_runtimes.RuntimeUnavailableError, match=r"lowlight_tf\[openvino\]"):
        other_runtimes.compare_openvino(tmp_path / "a.tflite", {})
    with pytest.raises(other_runtimes.RuntimeUnavailableError, match=r"lowlight_tf\[onnx\]"):
        other_runtimes.write_onnx(tmp_path / "a.tflite")
