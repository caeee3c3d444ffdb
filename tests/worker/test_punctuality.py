"""A refresh starts at its deadline: claimed a little ahead, begun not a moment before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from pyworker.database_clock import DatabaseClock
from pyworker.job import Job, Row
from pyworker.lead import Lead
from pyworker.refreshers import Context, Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.fixtures.workers import Worker
from tests.worker.in_process import working
from tests.worker.states import job, watch
from tests.worker.waiting import until

SECOND = timedelta(seconds=1)


@pytest.mark.usefixtures("mode")
async def test_no_refresh_begins_before_its_deadline(
    database: Database, connection: Connection, quotes: DataType
) -> None:
    """Although they are claimed ahead, once the worker knows how long that takes."""
    begun: list[tuple[Job, float]] = []

    async def note(claimed: Job, _context: Context) -> Sequence[Row]:
        begun.append((claimed, time.time()))
        return [{"price": 1}]

    symbols = [f"S{number}" for number in range(40)]
    for number, symbol in enumerate(symbols):
        quotes.store(connection, symbol, 59 - number / 20)
    async with working(database.url, Refresher(quotes.name, note)):
        watch(connection, quotes, *symbols)
        await until(lambda: len(begun) == len(symbols))
    assert all(claimed.due_at.timestamp() <= moment for claimed, moment in begun)
    assert any(claimed.started_at < claimed.due_at for claimed, _ in begun)


def test_refresh_now_between_the_claim_and_the_deadline_starts_one_more(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """The fetch that waits may begin before the request is committed."""
    quotes.store(connection, "AAPL", 50)
    watch(connection, quotes, "AAPL")
    row = connection.execute(
        "select data_type, symbol, fence, started_at < due_at"
        " from freshness.claim(%s, %s, 1, p_lead => interval '20 seconds')",
        [worker.number, [quotes.name]],
    ).fetchone()
    assert row is not None
    *claimed, is_ahead = row
    assert is_ahead
    connection.execute("select freshness.request(%s, array['AAPL'], true)", [quotes.name])
    connection.execute("select freshness.finish(%s, %s, %s, '[{\"price\": 2}]')", claimed)
    assert job(connection, quotes, "AAPL", "j.due_at <= clock_timestamp()") == (True,)
    assert [each.symbol for each in worker.claim(quotes.name)] == ["AAPL"]


def test_the_lead_follows_what_was_measured() -> None:
    """Its mean and four deviations."""
    lead = Lead()
    assert lead.seconds == 0
    lead.measured(0.004)
    assert lead.seconds == pytest.approx(0.012)
    for _ in range(100):
        lead.measured(0.004)
    assert lead.seconds == pytest.approx(0.004)
    lead.measured(0.008)
    assert lead.seconds == pytest.approx(0.0085)


def test_a_claim_that_hangs_makes_no_long_lead() -> None:
    """At most 20 ms, and soon less again."""
    lead = Lead()
    for _ in range(10):
        lead.measured(5)
    assert lead.seconds == pytest.approx(0.02)
    for _ in range(40):
        lead.measured(0.002)
    assert lead.seconds < 0.004


async def test_the_database_clock_is_waited_for_not_ours() -> None:
    """Its clock is an hour behind ours."""
    clock = DatabaseClock()
    there = datetime.now(UTC) - 3600 * SECOND
    before = time.monotonic()
    clock.note(there)
    await clock.wait_until(there + 0.02 * SECOND)
    assert time.monotonic() - before >= 0.02


async def test_a_quicker_answer_ends_the_wait_earlier() -> None:
    """The first one had taken a minute; one that takes longer changes nothing."""
    clock = DatabaseClock()
    now = datetime.now(UTC)
    clock.note(now - 60 * SECOND)
    waiting = asyncio.create_task(clock.wait_until(now + 0.02 * SECOND))
    await asyncio.sleep(0)
    clock.note(now)
    clock.note(now - 3600 * SECOND)
    async with asyncio.timeout(10):
        await waiting


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer() -> None:
    """By an hour, during the wait."""
    clock = DatabaseClock()
    now = datetime.now(UTC)
    clock.note(now)
    waiting = asyncio.create_task(clock.wait_until(now + 0.3 * SECOND))
    await asyncio.sleep(0.2)
    clock.note(now - 3600 * SECOND)
    async with asyncio.timeout(10):
        await waiting
