"""Items are processed by few workers, and a failure loses one item only."""

import os
import signal

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.runtime import ray_pool
from lowlight_tf.runtime.ray_pool import TaskFailure

pytestmark = pytest.mark.slow


def make_initializer(folder):
    """Return an initializer that writes a file per worker and returns a squaring function."""

    def open_worker():
        (folder / f"opened_by_{os.getpid()}").write_text("x", encoding="utf-8")
        return work

    def work(item):
        if item == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item

    return open_worker


def test_each_worker_is_initialized_once_and_every_item_has_a_result(cluster, tmp_path):
    answers = dict(ray_pool.map_unordered(range(20), make_initializer(tmp_path)))
    assert answers == {item: item * item for item in range(20)}
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_there_is_one_worker_if_it_needs_all_processors(cluster, tmp_path):
    assert len(list(ray_pool.map_unordered(range(4), make_initializer(tmp_path), cpus=5))) == 4
    assert len(list(tmp_path.iterdir())) == 1


def test_an_item_that_fails_or_crashes_its_worker_loses_only_its_own_result(cluster, tmp_path):
    items = [1, "text", 2, "kill", 3, 4, 5]
    answers = dict(ray_pool.map_unordered(items, make_initializer(tmp_path)))
    assert answers.pop("text").reason.startswith("TypeError: can't multiply")
    assert answers.pop("kill") == TaskFailure("its worker crashed, perhaps for lack of memory")
    assert answers == {item: item * item for item in range(1, 6)}


def test_an_empty_list_does_not_need_ray():
    assert not list(ray_pool.map_unordered([], None))


def test_an_unreachable_cluster_is_named(monkeypatch):
    ray = pytest.importorskip("ray")

    def init(**_):
        raise ConnectionError("Failed to connect.\nAnd more.")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(UsageError, match=r"RAY_ADDRESS=10\.0\.0\.1:6379: Failed to connect\.$"):
        next(ray_pool.map_unordered([1], None))
