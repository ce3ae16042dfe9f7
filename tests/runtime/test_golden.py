"""A model file reproduces its golden pair on this machine."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.golden import MIN_GOLDEN_DB, golden_db, load_golden, psnr_db, run_golden
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from tests.video.test_memory import CountingEngine


@pytest.fixture
def engine(tiny_models):
    """An engine with uint8 input and output."""
    return LiteRTEngine(tiny_models / "bytes.tflite")


@pytest.fixture
def golden(engine, rng, tmp_path):
    """Return a function that writes a golden pair, with some of its images replaced."""

    def write(**replaced):
        low = rng.integers(0, 256, (1, *engine.size, 3), dtype=np.uint8)
        images = {"low": low[0], "enhanced": engine({"low": low})["enhanced"][0], **replaced}
        path = tmp_path / "pair.npz"
        np.savez(path, **{name: image for name, image in images.items() if image is not None})
        return path

    return write


def test_an_mse_of_a_thousandth_is_30_db_and_identical_outputs_are_capped():
    assert psnr_db(0.001) == pytest.approx(30)
    assert psnr_db(0) == 120


def test_the_golden_output_is_reproduced(engine, golden):
    assert golden_db(engine, golden()) == 120


def test_the_center_of_an_output_is_sufficient(engine, golden):
    with np.load(golden()) as arrays:
        low, enhanced = arrays["low"], arrays["enhanced"]
    window = enhanced[2:-2, 4:-4]
    assert golden_db(engine, golden(low=low, enhanced=window)) == 120
    assert golden_db(engine, golden(low=low, enhanced=window ^ 16)) < MIN_GOLDEN_DB


def test_inputs_may_be_read_from_the_golden_pair_of_another_file(engine, golden):
    pair = golden()
    with np.load(pair) as arrays:
        low, enhanced = arrays["low"], arrays["enhanced"]
    other = pair.with_name("other.npz")
    np.savez(other, enhanced=enhanced, inputs_of=pair.name)
    assert golden_db(engine, other) == 120
    np.savez(other, enhanced=enhanced, low=low ^ 16, inputs_of=pair.name)
    third = pair.with_name("third.npz")
    np.savez(third, enhanced=enhanced, inputs_of=other.name)
    assert load_golden(third, ["low"], [])["low"].tolist() == (low ^ 16).tolist()
    np.savez(other, enhanced=enhanced, inputs_of=third.name)
    with pytest.raises(UsageError, match="no 'low' in it"):
        golden_db(engine, third)
    np.savez(other, enhanced=enhanced, inputs_of=pair.name)
    pair.unlink()
    with pytest.raises(UsageError, match=r"No golden pair at .*pair\.npz"):
        golden_db(engine, other)


def test_a_different_output_is_detected(engine, golden):
    with np.load(golden()) as arrays:
        enhanced = arrays["enhanced"]
    assert golden_db(engine, golden(enhanced=enhanced ^ 16)) < MIN_GOLDEN_DB


@pytest.mark.slow
@pytest.mark.parametrize("name", pretrained.list_pretrained())
def test_every_shipped_model_reproduces_its_golden_pair(name):
    path = pretrained.find_pretrained(name)
    assert golden_db(LiteRTEngine(path), path.with_suffix(".npz")) >= MIN_GOLDEN_DB


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"enhanced": None}, "no golden pair of low, enhanced"),
        ({"low": np.zeros((8, 12, 3), np.float32)}, "'low' is float32, not uint8"),
        ({"low": np.zeros((9, 12, 3), np.uint8)}, "takes 'low' as"),
        ({"enhanced": np.zeros((1, 1, 1), np.uint8)}, r"'enhanced' is \(1, 1, 1\), bytes returns"),
    ],
)
def test_a_golden_pair_of_another_model_is_refused(engine, golden, replaced, reason):
    with pytest.raises(UsageError, match=reason):
        golden_db(engine, golden(**replaced))


def test_a_missing_golden_pair_is_refused(engine, tmp_path):
    with pytest.raises(UsageError, match="No golden pair at"):
        golden_db(engine, tmp_path / "none.npz")


@pytest.mark.parametrize("part", [0.0, 0.5, 0.95])
def test_a_damaged_golden_pair_is_refused(engine, golden, part):
    path = golden()
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(UsageError, match="no golden pair of"):
        golden_db(engine, path)


def test_a_file_with_states_is_run_on_a_sequence():
    engine = CountingEngine()
    images = {
        port.name: np.ones((1, *port.shape(port.size or (16, 16))), np.uint8)
        for port in engine.contract.inputs
    }
    results = run_golden(engine, images)
    assert engine.remembered == [2, 3, 4]
    assert (results["filtered_luma"] == 4).all()
