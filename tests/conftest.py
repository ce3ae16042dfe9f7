"""Fixtures of all tests. Python warnings are errors (pyproject.toml)."""

import os
import socket
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest

from tests.browser import browser  # noqa: F401


@pytest.fixture
def rng():
    """A random generator with the same seed in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def free_port():
    """A port of the loopback interface that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="session")
def untrained_run(tmp_path_factory):
    """A run folder around a tiny untrained model, with eight dark images. Read only."""
    import keras

    from lowlight_tf.config import Recipe
    from lowlight_tf.contract import ENHANCE
    from lowlight_tf.fileio import write_json
    from lowlight_tf.imaging import image_io
    from lowlight_tf.models.driving_unet import driving_unet

    run = tmp_path_factory.mktemp("run")
    options = {"filters": 8, "depth": 1, "groups": 2, "patch": 4, "output_normalized": False}
    keras.utils.set_random_seed(1)
    driving_unet(**options).save(run / "model.keras")
    ENHANCE.save(run / "contract.json")
    (run / "recipe.toml").write_text(Recipe(options=options).dump(), encoding="utf-8")
    write_json(run / "training.json", {"seed": 1, "steps": 0})
    pairs, rng = [], np.random.default_rng(2)
    (run / "images").mkdir()
    for index in range(8):
        path = run / "images" / f"{index}.png"
        coarse = rng.random((6, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
        image_io.write_float_rgb(
            path, (0.2 * coarse + 0.02 * rng.random(coarse.shape)).astype(np.float32)
        )
        pairs.append({"name": str(index), "inputs": {"low": str(path)}, "target": str(path)})
    write_json(run / "pairs_training.json", {"pairs": pairs})
    return run


@pytest.fixture(scope="session")
def fusing_run(tmp_path_factory):
    """A run folder around a tiny untrained fusion model. Read only."""
    import keras

    from lowlight_tf.config import Recipe
    from lowlight_tf.contract import FUSE
    from lowlight_tf.fileio import write_json
    from lowlight_tf.imaging import image_io
    from lowlight_tf.models.did_fuse import did_fuse

    run = tmp_path_factory.mktemp("fusing_run")
    options = {"filters": 4, "int8_friendly": True}
    keras.utils.set_random_seed(1)
    did_fuse(**options).save(run / "model.keras")
    FUSE.save(run / "contract.json")
    recipe = Recipe(model="did_fuse", options=options).replace(
        ["pipeline.crop_size=16", "pipeline.batch_size=2"]
    )
    (run / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    write_json(run / "training.json", {"seed": 1, "steps": 0})
    pairs, rng = [], np.random.default_rng(2)
    for index in range(4):
        inputs = {side: run / side / f"{index}.png" for side in ("visible", "infrared")}
        for path in inputs.values():
            path.parent.mkdir(exist_ok=True)
            coarse = rng.random((6, 8, 3 if path.parent.name == "visible" else 1))
            fine = 0.5 * coarse.repeat(8, axis=0).repeat(8, axis=1) + 0.02 * rng.random((48, 64, 1))
            image = np.uint8(np.rint(255 * np.broadcast_to(fine, (48, 64, 3))))
            image_io.save_image(path, image_io.LoadedImage(image, gray=coarse.shape[2] == 1))
        inputs = {side: str(path) for side, path in inputs.items()}
        pairs.append({"name": str(index), "inputs": inputs, "target": None})
    for name in ("training", "validation"):
        write_json(run / f"pairs_{name}.json", {"pairs": pairs})
    return run


@pytest.fixture(scope="session")
def cluster():
    """A local Ray cluster with two processors."""
    ray = pytest.importorskip("ray", reason="Ray is not installed ([ray] extra)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
        yield ray
        ray.shutdown()


@pytest.fixture(scope="session")
def developing_run(tmp_path_factory):
    """A run folder around a tiny untrained RAW model, with four pairs. Read only."""
    import keras

    from lowlight_tf.config import Recipe
    from lowlight_tf.contract import RAW_TO_RGB
    from lowlight_tf.fileio import write_json
    from lowlight_tf.imaging import image_io
    from lowlight_tf.imaging.formats import dng
    from lowlight_tf.models.attention_unet import attention_unet

    run = tmp_path_factory.mktemp("developing")
    options = {"filters": 2, "depth": 1}
    keras.utils.set_random_seed(1)
    model = attention_unet(**options)
    bias = model.get_layer("picture").bias
    bias.assign(np.full(bias.shape, 0.4))
    model.save(run / "model.keras")
    RAW_TO_RGB.save(run / "contract.json")
    recipe = Recipe(model="attention_unet", options=options).replace(
        ["pipeline.crop_size=8", "pipeline.batch_size=2"]
    )
    (run / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    pairs, rng = [], np.random.default_rng(2)
    for side in ("raw", "high"):
        (run / side).mkdir()
    for index in range(4):
        short, high = run / "raw" / f"{index}.dng", run / "high" / f"{index}.png"
        raw_values = rng.integers(500, 700, (40, 48), dtype=np.uint16)
        dng.write(
            short, raw_values, "RGGB", bit_depth=14, black_level=(512,), camera_wb=(2, 1, 1.5)
        )
        image_io.write_float_rgb(high, rng.random((40, 48, 3), dtype=np.float32))
        pairs.append({"name": str(index), "inputs": {"raw": str(short)}, "target": str(high)})
    write_json(run / "ratios.json", {str(index): 50 for index in range(4)})
    write_json(run / "pairs_training.json", {"pairs": pairs})
    return run
