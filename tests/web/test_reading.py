"""A value that many ask for is read once."""

from __future__ import annotations

import asyncio

import pytest

from pyworker.errors import DatabaseUnavailable
from pyworker.web.reading import Reading


async def test_those_who_ask_at_once_share_one_reading() -> None:
    readings = 0

    async def read() -> int:
        nonlocal readings
        readings += 1
        await asyncio.sleep(0)
        return readings

    reading = Reading(read, lasts=60, limit=5)
    assert await asyncio.gather(*(reading.latest() for _ in range(50))) == [1] * 50
    assert await reading.latest() == 1


async def test_a_value_that_is_too_old_is_read_again() -> None:
    values = iter(range(5))

    async def read() -> int:
        return next(values)

    reading = Reading(read, lasts=0, limit=5)
    assert [await reading.latest() for _ in range(3)] == [0, 1, 2]


async def test_an_error_is_kept_like_a_value() -> None:
    """A database that is down is not asked by each probe."""
    readings = 0

    async def read() -> int:
        nonlocal readings
        readings += 1
        raise DatabaseUnavailable("gone")

    reading = Reading(read, lasts=60, limit=5)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable, match="gone"):
            await reading.latest()
    assert readings == 1


async def test_nobody_waits_longer_than_the_limit_and_the_reading_goes_on() -> None:
    """What hangs is not asked a second time; its answer is there for those who ask later."""
    goes_on = asyncio.Event()
    readings = 0

    async def read() -> str:
        nonlocal readings
        readings += 1
        await goes_on.wait()
        return "late"

    reading = Reading(read, lasts=60, limit=0.02)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match=r"within 0\.02 s"):
            await reading.latest()
    goes_on.set()
    assert (await reading.latest(), readings) == ("late", 1)


async def test_who_goes_away_ends_the_reading_for_nobody_else() -> None:
    goes_on = asyncio.Event()

    async def read() -> str:
        await goes_on.wait()
        return "here"

    reading = Reading(read, lasts=60, limit=5)
    leaving = asyncio.create_task(reading.latest())
    staying = asyncio.create_task(reading.latest())
    await asyncio.sleep(0)
    leaving.cancel()
    goes_on.set()
    assert await staying == "here"
