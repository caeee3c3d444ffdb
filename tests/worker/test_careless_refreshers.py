"""What refreshers do that they should not: it ends their own refresh, and harms no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from pyworker import Context, Job, RetryAfter, Row, Rows, SyncContext, Unchanged, refresher
from pyworker.fetching import fetch_batch
from pyworker.refreshers import Refresher
from pyworker.runner import open_context
from pyworker.testing import FakeClock, RefresherTest
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import working
from tests.worker.states import job, settled, watch
from tests.worker.waiting import until


def answers(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=1)


async def test_the_shared_client_cannot_be_closed() -> None:
    @refresher("quote")
    async def quote(job: Job, context: Context) -> list[Row]:
        if job.symbol == "CLOSES":
            await context.http.aclose()
        if job.symbol == "ENTERS":
            async with context.http:
                pass
        return [{"price": (await context.http.get("https://api.example/")).json()}]

    async with RefresherTest(quote, respond=answers) as test:
        found = await test.refresh_all("CLOSES", "ENTERS")
        assert "all refreshers share context.http" in str(found["CLOSES"].reason)
        assert "more than once" in str(found["ENTERS"].reason)
        assert (await test.refresh("A")).outcome == "fresh"


async def test_the_client_that_threads_share_cannot_be_closed() -> None:
    """Nor by the first of them, which would have opened it."""

    @refresher("quote")
    def quote(job: Job, context: SyncContext) -> list[Row]:
        if job.symbol == "CLOSES":
            context.http.close()
        if job.symbol == "ENTERS":
            with context.http:
                pass
        return [{"price": context.http.get("https://api.example/").json()}]

    async with RefresherTest(quote, respond=answers) as test:
        assert "more than once" in str((await test.refresh("ENTERS")).reason)
        assert "all refreshers share context.http" in str((await test.refresh("CLOSES")).reason)
        assert (await test.refresh("A")).outcome == "fresh"


async def test_a_refresher_that_cannot_be_cancelled_is_left_to_itself(
    database: Database,
    connection: Connection,
    quotes: DataType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `except:` around what it waits for. Its key fails, and its slot is free again."""
    monkeypatch.setattr("pyworker.runner.GRACE", 0.05)
    monkeypatch.setattr("pyworker.fetches._OVERDUE", 0.05)
    let_go = asyncio.Event()

    async def fetch(job: Job, _context: Context) -> Sequence[Row]:
        while job.symbol == "HANGS" and not let_go.is_set():
            try:
                await let_go.wait()
            except:  # noqa: E722, S112
                continue
        return [{"price": 1}]

    refreshes = Refresher(quotes.name, fetch, timeout=0.05)
    async with working(database.url, refreshes, concurrency=1):
        watch(connection, quotes, "HANGS", "OTHER")
        await until(lambda: settled(connection, quotes, "OTHER"))
        await until(lambda: job(connection, quotes, "HANGS", "j.attempts > 0") == (True,))
        [reason] = job(connection, quotes, "HANGS", "j.last_error")
        assert reason == "no answer within 0.05 s, and it cannot be cancelled"
        # What it brings now is nobody's.
        let_go.set()
    assert job(connection, quotes, "HANGS", "j.state::text in ('scheduled', 'failed')") == (True,)


async def test_a_worker_that_was_taken_for_dead_waits_for_no_refresher_that_goes_on(
    database: Database,
    connection: Connection,
    quotes: DataType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pyworker.running._CANCELLING", 0.05)
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def fetch(job: Job, _context: Context) -> Sequence[Row]:
        while job.symbol == "HANGS" and job.attempts == 0 and not let_go.is_set():
            begun.set()
            try:
                await let_go.wait()
            except:  # noqa: E722, S112
                continue
        return [{"price": 1}]

    async with working(database.url, Refresher(quotes.name, fetch)):
        watch(connection, quotes, "HANGS")
        await begun.wait()
        watch(connection, quotes, "OTHER")
        await until(lambda: settled(connection, quotes, "OTHER"))
        connection.execute("select freshness.dismiss_worker(w.id) from freshness.workers as w")
        # What hangs hangs again; the worker goes on.
        watch(connection, quotes, "NEXT")
        await until(lambda: settled(connection, quotes, "NEXT"))
        let_go.set()


async def test_a_batch_that_fails_is_one_failure_of_the_source() -> None:
    async def fetch(_jobs: Sequence[Job], _context: Context) -> Mapping[str, Any]:
        raise httpx.ConnectError("nobody there")

    now = FakeClock().now()
    jobs = [Job("quote", symbol, 1, now, None, 0, now) for symbol in "ABC"]
    async with open_context(1) as context:
        found = await fetch_batch(Refresher("quote", fetch, max_batch=3), jobs, context, 5)
    assert [each.answer.of_source for each in found.values()] == [True, False, False]  # type: ignore[union-attr]


@pytest.mark.parametrize("when", ["5", None, Decimal(5), timedelta(seconds=5)])
def test_a_time_to_come_back_of_another_type_is_refused(when: Any) -> None:
    with pytest.raises(TypeError, match="RetryAfter takes seconds or a datetime with a zone, not"):
        RetryAfter(when)


@pytest.mark.parametrize("validators", [{"etag": 5}, {"etag": b"x"}, ["etag"], "etag"])
def test_validators_that_are_no_texts_are_refused(validators: Any) -> None:
    with pytest.raises(TypeError, match="a mapping of texts to texts"):
        Rows(validators=validators)
    with pytest.raises(TypeError, match="a mapping of texts to texts"):
        Unchanged(validators)


async def test_a_refresher_that_holds_up_the_whole_worker_is_told(
    database: Database, connection: Connection, quotes: DataType
) -> None:
    """Others may have taken over what the worker runs, since its heart did not beat."""
    held_up = asyncio.Event()

    async def fetch(_job: Job, _context: Context) -> Sequence[Row]:
        time.sleep(1.6)  # noqa: ASYNC251 - what it should not do
        held_up.set()
        return []

    with capture_logs() as said:
        async with working(database.url, Refresher(quotes.name, fetch), heartbeat_limit=1):
            watch(connection, quotes, "A")
            await held_up.wait()
            await until(lambda: any(each["event"] == "stalled" for each in said))


async def nothing(_job: Job, _context: Context) -> Sequence[Row]:
    return []
