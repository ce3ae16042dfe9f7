"""What neural processors leave to the CPU."""

import pytest

from lowlight_tf.export import npu
from lowlight_tf.tflite_graph.resize_model import resize_model
from tests.tflite_graph.test_packed_ports import SIZE, export_planes


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("npu")
    path = export_planes(folder / "m.tflite", "int8")
    return path, resize_model(path, SIZE, folder, packed=True)


@pytest.mark.slow
@pytest.mark.parametrize("processor", npu.ETHOS_U)
def test_a_packed_file_runs_wholly_on_ethos_u(paths, processor):
    report = npu.check_ethos_u(paths[1], processor)
    assert not report.fallback_ops
    assert report.npu_ops > 30
    assert 0 < report.time_ms < 10
    assert report.sram_bytes > 1000
    assert report.summary.startswith("every operation runs on it; Vela estimates")


@pytest.mark.slow
def test_operations_that_fall_back_are_named(paths):
    report = npu.check_ethos_u(paths[0], "ethos-u55-256")
    names = sorted(line.split()[0] for line in report.fallback_ops)
    assert names == ["DEPTH_TO_SPACE"] * 2 + ["SPACE_TO_DEPTH"] * 2
    assert report.summary.startswith("4 operations fall back")


def test_edge_tpu_fallbacks_are_looked_up(paths):
    assert npu.find_edge_tpu_fallbacks(paths[0].read_bytes()) == [
        "DEPTH_TO_SPACE", "ELU", "LEAKY_RELU",
    ]  # fmt: skip
    assert npu.find_edge_tpu_fallbacks(paths[1].read_bytes()) == ["ELU", "LEAKY_RELU"]


def test_a_file_that_vela_refuses_is_an_error(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(RuntimeError, match="Vela ended with status"):
        npu.check_ethos_u(path, "ethos-u55-256")
