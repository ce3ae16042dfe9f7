"""Frames that several engines work on at the same time keep their order."""

import threading
import time

import pytest

from lowlight_tf.video.engine_pool import EnginePool


@pytest.fixture
def passed_on():
    return []


@pytest.fixture
def make_pool(passed_on):
    """Return a function that makes a pool of engines, of which `passed_on` gets the items."""
    pools = []

    def make(engines, limit=100):
        def pass_on(item):
            passed_on.append(item)
            return len(passed_on) < limit

        pools.append(EnginePool(engines, pass_on))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def test_the_order_is_kept_and_items_without_work_wait_for_those_before_them(make_pool, passed_on):
    pool = make_pool(["a", "b"])
    for index in range(9):
        work = (lambda engine, index=index: time.sleep(0.002 * (9 - index))) if index % 3 else None
        assert pool.put(index, work)
    assert passed_on == list(range(7))  # two are ahead
    assert pool.flush()
    assert passed_on == list(range(9))


def test_each_engine_runs_one_frame_at_a_time(make_pool):
    pool, together, used = make_pool(["a", "b"]), threading.Barrier(2, timeout=5), []

    def work(engine):
        used.append(engine)
        together.wait()  # only passes when both run

    for index in range(4):
        pool.put(index, work)
    pool.flush()
    assert sorted(used[:2]) == sorted(used[2:]) == ["a", "b"]


def test_an_item_can_be_waited_for_and_more_can_be_refused(make_pool, passed_on):
    pool = make_pool(["a", "b"], limit=2)
    assert pool.put(0, lambda engine: None, wait=True)
    assert passed_on == [0]
    assert not pool.put(1, wait=True)


def test_what_the_work_raises_is_raised_by_the_pool(make_pool, passed_on):
    pool = make_pool(["a"])

    def fail(engine):
        raise ValueError("of the model")

    pool.put(0, fail)
    with pytest.raises(ValueError, match="of the model"):
        pool.flush()
    assert passed_on == []
