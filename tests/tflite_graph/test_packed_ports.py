"""Files whose ports are folded by the host give the same bits."""

import dataclasses

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import DEPLOYED, ENHANCE, ENHANCE_PLANES
from lowlight_tf.export.calibration_data import calibration_images, representative_dataset
from lowlight_tf.export.convert import convert
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.models.can24 import can24
from lowlight_tf.models.dashcam_net_yuv import dashcam_net_yuv
from lowlight_tf.runtime import benchmark
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.runtime.packed_engine import PackedEngine
from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model
from lowlight_tf.tflite_graph.packed_ports import pack_ports
from lowlight_tf.tflite_graph.resize_model import resize_model

SMALL = {"filters": 6, "blocks": 1, "deep_filters": 6, "deep_blocks": 1, "context": 4}
SIZE = 32, 48


def export_planes(path, quantization):
    keras.utils.set_random_seed(1)
    model = dashcam_net_yuv(**SMALL).get_layer(DEPLOYED)
    return write_planes(model, ENHANCE_PLANES, path, quantization)


def write_planes(model, contract, path, quantization, *, name="planes"):
    """Write a model of planes with its card."""
    samples = representative_dataset(calibration_images(contract), contract, SIZE)
    convert(model, contract, path, size=SIZE, quantization=quantization, samples=samples)
    is_int8 = quantization == "int8"
    ModelCard(
        name=name, model="dashcam_net_yuv", contract=contract, height=SIZE[0],
        width=SIZE[1], quantization=quantization, dtype="uint8" if is_int8 else "float32",
        value_range=(0, 255) if is_int8 else (0, 1), sha256=sha256(path),
        size_bytes=path.stat().st_size, weights=1, resizable=True,
    ).save(path.with_suffix(".json"))  # fmt: skip
    return path


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_packed_files_give_the_same_results_bit_for_bit(quantization, tmp_path, rng):
    path = export_planes(tmp_path / "m.tflite", quantization)
    target = resize_model(path, (48, 64), tmp_path, packed=True)
    assert target.name == "planes_48x64_packed.tflite"
    graph = read_model(target.read_bytes())
    names = {operator_name(graph, operator) for operator in graph.subgraphs[0].operators}
    assert not names & {"SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "DEQUANTIZE"}

    packed = LiteRTEngine(target)
    luma, chroma, *others = packed.contract.inputs
    assert (luma.block, luma.shape((48, 64))) == (4, (12, 16, 16))
    assert (chroma.block, chroma.shape((48, 64))) == (2, (12, 16, 8))
    assert {port.block for port in others} == {1}
    assert packed.contract.unpacked == ENHANCE_PLANES
    assert benchmark.measure_here(target, threads=1, runs=1).p50_ms > 0
    images = {
        port.name: rng.integers(0, 256, (1, *port.shape((48, 64))), np.uint8)
        for port in ENHANCE_PLANES.inputs
    }
    expected, result = LiteRTEngine(path)(images), PackedEngine(packed)(images)
    for port in ENHANCE_PLANES.outputs:
        np.testing.assert_array_equal(result[port.name], expected[port.name])


def test_a_value_has_the_documented_place(tmp_path):
    """Value (y, x, c) is channel ((y mod n) n + x mod n) C + c of its block."""
    path = export_planes(tmp_path / "m.tflite", "float32")
    packed = LiteRTEngine(resize_model(path, SIZE, tmp_path, packed=True))

    class Recorder:
        name, size, card, preprocessing, weights = "", None, None, None, None
        max_untiled_pixels, contract = 0, packed.contract

        def __call__(self, images):
            self.images = images
            return packed(images)

    recorder = Recorder()
    images = {
        port.name: np.zeros((1, *port.shape(SIZE)), np.uint8) for port in ENHANCE_PLANES.inputs
    }
    images["luma"][0, 6, 9, 0] = 200
    images["chroma"][0, 3, 4, 1] = 100
    PackedEngine(recorder)(images)
    assert recorder.images["luma"][0, 1, 2, 2 * 4 + 1] == 200
    assert recorder.images["chroma"][0, 1, 2, (1 * 2 + 0) * 2 + 1] == 100


def test_files_without_a_packed_form_are_refused(tmp_path):
    content = convert(can24(filters=2), ENHANCE, tmp_path / "m.tflite", size=(8, 8)).read_bytes()
    with pytest.raises(UsageError, match="no port is folded"):
        pack_ports(content, ENHANCE)


def test_a_packed_file_keeps_its_size(tmp_path):
    path = export_planes(tmp_path / "m.tflite", "float32")
    packed = resize_model(path, SIZE, tmp_path, packed=True)
    assert dataclasses.asdict(ModelCard.load(packed.with_suffix(".json")))["resizable"] is False
    with pytest.raises(UsageError, match="one size only"):
        resize_model(packed, (48, 64), tmp_path)
