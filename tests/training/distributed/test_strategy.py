"""Several workers make the steps of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.training import checkpoint
from lowlight_tf.training.callbacks import TrainingState
from lowlight_tf.training.distributed.strategy import (
    Mirrored,
    MultiWorker,
    SingleDevice,
    create_strategy,
    fingerprint,
)
from lowlight_tf.training.history import History
from lowlight_tf.training.trainer import train

ROOT = Path(__file__).parents[3]

KILLED = """
import os, signal, sys
from lowlight_tf.cli.main import main
from lowlight_tf.training.distributed import strategy

def kill(self, logs, on_step=strategy.ResetMetrics.on_step):
    on_step(self, logs)
    if self.state.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

strategy.ResetMetrics.on_step = kill
sys.exit(main(sys.argv[1:]))
"""

MIRRORED = """
import numpy as np, tensorflow as tf
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
import keras
from lowlight_tf.models.driving_unet import driving_unet
from lowlight_tf.training_config import TrainingConfig
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.distributed.strategy import create_strategy
from lowlight_tf.training.schedule import create_optimizer

low = np.random.default_rng(0).random((4, 16, 16, 3), np.float32) / 3
target = low ** np.float32([0.2, 0.4, 0.8, 3]).reshape(4, 1, 1, 1)
pairs = tf.data.Dataset.from_tensor_slices(({"low": low}, {"target": target})).batch(4)
results = []
for name in ("single", "mirrored"):
    keras.utils.set_random_seed(1)
    devices = create_strategy(name)
    with devices.scope():
        model = driving_unet(filters=4, depth=1, groups=2)
        learner = devices.create_learner(model, CompositeLoss({"l1": 1.0}))
        config = TrainingConfig(clip_norm=0.05, ema_momentum=0.9)
        learner.compile(optimizer=create_optimizer(config))
        learner.optimizer.build(model.trainable_variables)
    logs = learner.fit(pairs, verbose=0).history
    variables = sum(learner.checkpoint_variables.values(), [])
    results.append([*logs.values(), *map(np.array, variables)])
for one, two in zip(*results, strict=True):
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)
"""


def tf_config(index, addresses=("127.0.0.1:1", "127.0.0.1:2")):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def train_two_workers(folder, *words, killed=None):
    """Train with two workers, the second into a folder of its own; return how each ended."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    for server in servers:
        server.close()
    (folder / "scratch").mkdir(exist_ok=True)
    workers = []
    for index in range(2):
        entry = ["-c", KILLED] if index == killed else ["-m", "lowlight_tf"]
        command = [sys.executable, *entry, "train", "--strategy", "multiworker", *words]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CONFIG": tf_config(index, addresses),
            "TMPDIR": str(folder / "scratch"),
        }
        workers.append(
            subprocess.Popen(
                [*command, "--recipe", folder / "recipe.toml", "--output", folder / f"run_{index}"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        outputs = [worker.communicate(timeout=600) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(worker.returncode, *output) for worker, output in zip(workers, outputs, strict=True)]


@pytest.fixture(scope="module")
def shared(recipe, tmp_path_factory):
    """A run of one, and the same of two workers: one is killed, then both are started again."""
    folder = tmp_path_factory.mktemp("shared")
    recipe = recipe.replace(
        [
            "pipeline.batch_size=4",
            "pipeline.progressive_start=1.0",
            "pipeline.mixup_prob=0.5",
            "training.schedule=plateau",
            "training.warmup=0",
            "training.learning_rate=1e-3",
            "training.plateau_patience=1",
            "training.clip_value=0",
            "training.clip_norm=0.05",
            "training.validate_every=1",
        ]
    )
    (folder / "recipe.toml").write_text(recipe.dump())
    single = train(recipe, folder / "single")
    return (
        folder,
        single,
        train_two_workers(folder, killed=1),
        train_two_workers(folder, "--resume"),
    )


@pytest.mark.slow
def test_two_workers_make_the_steps_of_one_with_the_full_batch(shared):
    folder, single, _, ended = shared
    assert [status for status, *_ in ended] == [0, 0], ended
    rows, expected = (History.load(run / "history.csv").rows for run in (folder / "run_0", single))
    assert [row.keys() for row in rows] == [row.keys() for row in expected]
    for row, other in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row["loss"], other["loss"], atol=1e-5)
        np.testing.assert_allclose(list(row.values()), list(other.values()), atol=1e-3)
    with (
        np.load(checkpoint.latest_checkpoint(folder / "run_0" / "checkpoints")) as arrays,
        np.load(checkpoint.latest_checkpoint(single / "checkpoints")) as others,
    ):
        assert arrays.files == others.files
        for name in set(arrays.files) - {"progress"}:
            np.testing.assert_allclose(arrays[name], others[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_only_the_chief_keeps_a_run(shared):
    folder, single, _, ended = shared
    names = {path.name for path in single.iterdir()}
    assert {path.name for path in (folder / "run_0").iterdir()} == names
    assert not (folder / "run_1").exists()
    assert "run_0: model.keras" in ended[0][1]
    assert "model.keras" not in ended[1][1]


@pytest.mark.slow
def test_a_lost_worker_stops_the_others_with_one_line(shared):
    (status, _, error), _ = shared[2]
    assert status == 2
    assert "lowlight-tf train: Another worker was lost: worker 0 of 2" in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_two_devices_make_the_clipped_step_of_one():
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_tf_config_must_name_the_workers(monkeypatch):
    for text in (
        "",
        "{}",
        tf_config(5),
        tf_config(0, ["127.0.0.1:1"]),
        tf_config(0, ["one", "two"]),
    ):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(UsageError, match="TF_CONFIG"):
            create_strategy("multiworker")


def test_a_separate_chief_is_the_first_worker(monkeypatch):
    task = {"type": "worker", "index": 0}
    cluster = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    devices = create_strategy("multiworker")
    assert (devices.addresses, devices.worker_index, devices.is_chief) == (
        ["a:1", "b:2", "c:3"],
        1,
        False,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["pipeline.batch_size=5"], "`pipeline.batch_size` must be a multiple .* 5 for 2 workers"),
        (
            ["pipeline.progressive_start=0.5", "pipeline.progressive_batch_size=3"],
            "`pipeline.progressive_batch_size` must be",
        ),
        (["training.jit_compile=true"], "Set training.jit_compile=false"),
        (["discriminator.model=patch_discriminator"], "cannot be trained by several workers"),
    ],
)
def test_a_recipe_that_cannot_be_distributed_is_refused(settings, message):
    recipe = Recipe().replace(["pipeline.batch_size=4", *settings])
    SingleDevice().check(recipe)
    with pytest.raises(UsageError, match=message):
        MultiWorker(["a:1", "b:2"], 0).check(recipe)


def test_a_batch_that_cannot_be_divided_among_the_devices_is_refused():
    devices = Mirrored()
    devices._strategy = SimpleNamespace(num_replicas_in_sync=2)
    devices.check(Recipe().replace(["pipeline.batch_size=4"]))
    with pytest.raises(UsageError, match=r"`pipeline.batch_size` must .* 5 for 2 devices"):
        devices.check(Recipe().replace(["pipeline.batch_size=5"]))


def test_a_worker_takes_over_the_learning_rate_of_the_chief(monkeypatch):
    devices = MultiWorker(["a:1", "b:2"], 1)
    monkeypatch.setattr(devices, "_broadcast", lambda arrays: [np.full_like(arrays[0], 5e-4)])
    (callback,) = devices.callbacks(TrainingState(step=3), 3, 9)
    model = keras.Model()
    model.compile(keras.optimizers.Adam(1e-3))
    callback.set_model(model)
    callback.on_train_batch_end(0)
    assert float(model.optimizer.learning_rate) == pytest.approx(5e-4)


def test_a_worker_with_another_recipe_than_the_chiefs_is_refused(monkeypatch):
    pairs = [Pair(name, {}, Path(name)) for name in "ab"]
    chief_fingerprint = fingerprint(Recipe(data=("here",)), pairs)
    assert fingerprint(Recipe(data=("there",), data_root="/mnt"), pairs) == chief_fingerprint
    devices = MultiWorker(["a:1", "b:2"], 1)
    monkeypatch.setattr(devices, "_broadcast", lambda arrays: [np.int64(chief_fingerprint)])
    for recipe, own_pairs in ((Recipe(), pairs[:1]), (Recipe(seed=2), pairs)):
        with pytest.raises(UsageError, match="Worker 1 has another recipe or other pairs"):
            devices.broadcast_state(None, TrainingState(), recipe, own_pairs)
