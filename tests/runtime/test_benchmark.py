"""Time and memory are measured in a subprocess."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.runtime import benchmark


@pytest.mark.slow
def test_peak_memory_is_that_of_the_model_and_not_of_the_caller(tiny_models):
    large_array = np.ones(4 * 10**8, np.uint8)
    timing = benchmark.measure(tiny_models / "bytes.tflite", threads=1, runs=3)
    assert 20 < timing.peak_mb < large_array.nbytes / 1e6 / 2


@pytest.mark.slow
def test_a_model_with_a_thumbnail_input_is_timed(tiny_models):
    timing = benchmark.measure(tiny_models / "exposed_bytes.tflite", threads=2, runs=4)
    assert (timing.threads, timing.runs) == (2, 4)
    assert 0 < timing.p50_ms <= timing.p90_ms <= timing.p99_ms
    assert timing.copy_ratio == pytest.approx(timing.p50_ms / timing.copy_ms, rel=0.2)


@pytest.mark.slow
def test_a_fusion_model_is_timed(tiny_models):
    timing = benchmark.measure(tiny_models / "fused_bytes.tflite", threads=1, runs=4, size=(8, 12))
    assert timing.runs == 4
    assert timing.p50_ms > 0


@pytest.mark.slow
def test_an_error_in_the_subprocess_is_raised_here(tmp_path):
    with pytest.raises(UsageError, match=r"could not be timed: No file .*none\.tflite"):
        benchmark.measure(tmp_path / "none.tflite", threads=1, runs=1)


def test_the_machine_is_named():
    facts = benchmark.system_info()
    assert facts["cpu"]
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0
