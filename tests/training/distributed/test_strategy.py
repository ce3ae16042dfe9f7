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
from lowlight_tf.training import strategy

def killed(self, logs, on_step=strategy.Forget.on_step):
    on_step(self, logs)
    if self.progress.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

strategy.Forget.on_step = killed
sys.exit(main(sys.argv[1:]))
"""

MIRRORED = """
import numpy as np, tensorflow as tf
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
import keras
from lowlight_tf.models.driving_unet import driving_unet
from lowlight_tf.training_config import Training
from lowlight_tf.training.objective import Objective
from lowlight_tf.training.schedule import adam
from lowlight_tf.training.strategy import join

low = np.random.default_rng(0).random((4, 16, 16, 3), np.float32) / 3
target = low ** np.float32([0.2, 0.4, 0.8, 3]).reshape(4, 1, 1, 1)
pairs = tf.data.Dataset.from_tensor_slices(({"low": low}, {"target": target})).batch(4)
found = []
for name in ("single", "mirrored"):
    keras.utils.set_random_seed(1)
    team = join(name)
    with team.scope():
        net = driving_unet(filters=4, depth=1, groups=2)
        learner = team.learner(net, Objective({"l1": 1.0}))
        learner.compile(optimizer=adam(Training(clip_norm=0.05, ema=0.9)))
        learner.optimizer.build(net.trainable_variables)
    logs = learner.fit(pairs, verbose=0).history
    found.append([*logs.values(), *map(np.array, sum(learner.kept.values(), []))])
for one, two in zip(*found, strict=True):
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)
"""


def config(index, addresses=("127.0.0.1:1", "127.0.0.1:2")):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def together(folder, *words, killed=None):
    """Train with two workers, the second into a folder of its own; return how each ended."""
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{door.getsockname()[1]}" for door in doors]
    for door in doors:
        door.close()
    (folder / "scratch").mkdir(exist_ok=True)
    workers = []
    for index in range(2):
        start = ["-c", KILLED] if index == killed else ["-m", "lowlight_tf"]
        command = [sys.executable, *start, "train", "--strategy", "multiworker", *words]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CONFIG": config(index, addresses),
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
        said = [worker.communicate(timeout=600) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(worker.returncode, *lines) for worker, lines in zip(workers, said, strict=True)]


@pytest.fixture(scope="module")
def shared(recipe, tmp_path_factory):
    """A run of one, and the same of two workers: one was killed, then both were started again."""
    folder = tmp_path_factory.mktemp("shared")
    recipe = recipe.replace(
        [
            "pipeline.batch=4",
            "pipeline.late_from=1.0",
            "pipeline.mixed=0.5",
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
    whole = train(recipe, folder / "whole")
    return folder, whole, together(folder, killed=1), together(folder, "--resume")


@pytest.mark.slow
def test_two_workers_make_the_steps_of_one_with_the_whole_batch(shared):
    folder, whole, _, ended = shared
    assert [status for status, *_ in ended] == [0, 0], ended
    rows, expected = (History.load(run / "history.csv").rows for run in (folder / "run_0", whole))
    assert [row.keys() for row in rows] == [row.keys() for row in expected]
    for row, other in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row["loss"], other["loss"], atol=1e-5)
        np.testing.assert_allclose(list(row.values()), list(other.values()), atol=1e-3)
    with (
        np.load(checkpoint.latest_checkpoint(folder / "run_0" / "checkpoints")) as arrays,
        np.load(checkpoint.latest_checkpoint(whole / "checkpoints")) as others,
    ):
        assert arrays.files == others.files
        for name in set(arrays.files) - {"progress"}:
            np.testing.assert_allclose(arrays[name], others[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_only_the_chief_keeps_a_run(shared):
    folder, whole, _, ended = shared
    names = {path.name for path in whole.iterdir()}
    assert {path.name for path in (folder / "run_0").iterdir()} == names
    assert not (folder / "run_1").exists()
    assert "run_0: model.keras" in ended[0][1]
    assert "model.keras" not in ended[1][1]


@pytest.mark.slow
def test_a_lost_worker_stops_the_others_with_one_line(shared):
    (status, _, said), _ = shared[2]
    assert status == 2
    assert "lowlight-tf train: Another worker was lost: worker 0 of 2" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_two_devices_make_the_clipped_step_of_one():
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_who_the_workers_are_must_be_said(monkeypatch):
    for text in ("", "{}", config(5), config(0, ["127.0.0.1:1"]), config(0, ["one", "two"])):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(UsageError, match="TF_CONFIG"):
            create_strategy("multiworker")


def test_a_chief_of_its_own_comes_first(monkeypatch):
    task = {"type": "worker", "index": 0}
    cluster = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    team = create_strategy("multiworker")
    assert (team.addresses, team.index, team.chief) == (["a:1", "b:2", "c:3"], 1, False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["pipeline.batch=5"], "`pipeline.batch` must be a multiple .* 5 for 2 workers"),
        (["pipeline.late_from=0.5", "pipeline.late_batch=3"], "`pipeline.late_batch` must be"),
        (["training.compiled=true"], "Set training.compiled=false"),
        (["critic.model=patch_discriminator"], "Workers do not share a critic"),
    ],
)
def test_what_cannot_be_shared_is_refused(settings, message):
    recipe = Recipe().replace(["pipeline.batch=4", *settings])
    SingleDevice().check(recipe)
    with pytest.raises(UsageError, match=message):
        MultiWorker(["a:1", "b:2"], 0).check(recipe)


def test_a_batch_that_devices_do_not_divide_is_refused():
    team = Mirrored()
    team._strategy = SimpleNamespace(num_replicas_in_sync=2)
    team.check(Recipe().replace(["pipeline.batch=4"]))
    with pytest.raises(UsageError, match=r"`pipeline.batch` must .* 5 for 2 devices"):
        team.check(Recipe().replace(["pipeline.batch=5"]))


def test_a_worker_takes_over_the_rate_that_the_chief_has_cut_to(monkeypatch):
    team = MultiWorker(["a:1", "b:2"], 1)
    monkeypatch.setattr(team, "_spread", lambda arrays: [np.full_like(arrays[0], 5e-4)])
    (hook,) = team.callbacks(TrainingState(step=3), 3, 9)
    model = keras.Model()
    model.compile(keras.optimizers.Adam(1e-3))
    hook.set_model(model)
    hook.on_train_batch_end(0)
    assert float(model.optimizer.learning_rate) == pytest.approx(5e-4)


def test_a_worker_with_another_task_than_the_chiefs_is_refused(monkeypatch):
    pairs = [Pair(name, {}, Path(name)) for name in "ab"]
    chiefs = fingerprint(Recipe(data=("here",)), pairs)
    assert fingerprint(Recipe(data=("there",), data_root="/mnt"), pairs) == chiefs
    team = MultiWorker(["a:1", "b:2"], 1)
    monkeypatch.setattr(team, "_spread", lambda arrays: [np.int64(chiefs)])
    for recipe, some in ((Recipe(), pairs[:1]), (Recipe(seed=2), pairs)):
        with pytest.raises(UsageError, match="Worker 1 has another recipe or other pairs"):
            team.broadcast_state(None, TrainingState(), recipe, some)
