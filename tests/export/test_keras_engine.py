"""The Keras model of a run folder as an engine."""

import shutil

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.runtime.loading import load_model


def test_the_output_is_the_models_at_any_size(untrained_run, rng):
    engine = load_model(untrained_run)
    assert (engine.size, engine.contract) == (None, ENHANCE)
    for size in ((16, 24), (9, 13)):
        low = rng.random((2, *size, 3), dtype=np.float32)
        output = engine({"low": low})
        np.testing.assert_allclose(
            output["enhanced"], engine.model({"low": low})["enhanced"], atol=1e-5
        )
        assert output["enhanced"].dtype == np.float32


def test_uint8_inputs_give_uint8_outputs(untrained_run, rng):
    engine = KerasEngine(untrained_run)
    low = rng.integers(0, 256, (1, 8, 8, 3), np.uint8)
    output = engine({"low": low})["enhanced"]
    exact = engine({"low": np.float32(low) / 255})["enhanced"]
    assert output.dtype == np.uint8
    np.testing.assert_array_equal(output, np.rint(exact * 255))


def test_the_output_is_clipped_to_its_range():
    import keras

    low = keras.Input((None, None, 3), name="low")
    model = keras.Model({"low": low}, {"enhanced": 3.0 * low - 1.0})
    engine = KerasEngine.of(model, ENHANCE, name="steep")
    output = engine({"low": np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 4, 4, 3)})
    assert (output["enhanced"].min(), output["enhanced"].max()) == (0, 1)


def test_a_missing_file_of_a_run_is_named(untrained_run, tmp_path):
    with pytest.raises(UsageError, match="No contract at"):
        KerasEngine(tmp_path)
    shutil.copy(untrained_run / "contract.json", tmp_path)
    with pytest.raises(UsageError, match="No model at"):
        KerasEngine(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"half a file")
    with pytest.raises(UsageError, match=r"cannot be loaded as a Keras model: .*\. Train again"):
        KerasEngine(tmp_path)


def test_a_model_whose_ports_are_not_those_of_its_contract_is_refused(untrained_run, tmp_path):
    shutil.copy(untrained_run / "model.keras", tmp_path)
    Contract((Port("visible", 1),), (Port("enhanced", 3),)).save(tmp_path / "contract.json")
    with pytest.raises(UsageError, match=r"expected the images {'visible': 1}, found {'low': 3}"):
        KerasEngine(tmp_path)
