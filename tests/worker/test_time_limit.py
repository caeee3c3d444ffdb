"""A limit that many tasks share stops each of them after its own time, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from pyworker.time_limit import TimeLimit


async def hold(limit: TimeLimit) -> float:
    """Wait under the limit; returns how long it let us (s)."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError), limit.begin():
        await asyncio.Event().wait()
    return loop.time() - began


async def test_each_is_stopped_after_its_own_time() -> None:
    """Also one that began while the timer for another was running."""
    limit = TimeLimit(0.05)
    first = asyncio.create_task(hold(limit))
    await asyncio.wait((first,), timeout=0.02)
    second = asyncio.create_task(hold(limit))
    for lasted in await asyncio.gather(first, second):
        assert 0.045 < lasted < 1


async def test_one_that_has_ended_is_not_stopped_later() -> None:
    """The timer is still running for another when it goes on without a limit."""
    limit = TimeLimit(0.05)
    other = asyncio.create_task(hold(limit))
    with limit.begin() as limited:
        await asyncio.sleep(0)
    await other
    assert not limited.is_over


async def test_the_last_one_leaves_no_trace_for_the_next() -> None:
    """After a time in which nothing ran, the limit counts anew."""
    limit = TimeLimit(0.02)
    await hold(limit)
    with limit.begin():
        await asyncio.sleep(0)
    assert 0.015 < await hold(limit) < 1


async def test_a_cancelling_from_elsewhere_is_none_of_ours() -> None:
    """Also when both come at the same moment."""
    limit = TimeLimit(0.02)
    begun = asyncio.Event()

    async def work() -> None:
        with limit.begin() as limited:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                limited.stop()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_its_own_cancelling_is_taken_back() -> None:
    """The task can wait again."""
    limit = TimeLimit(0.02)
    await hold(limit)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
