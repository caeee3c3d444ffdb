"""Waiting costs one look at its beginning and one at its end, however many wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyworker import Client
from pyworker.queue.calls import Calls
from pyworker.refreshers import Refresher
from tests.client.conftest import Listeners
from tests.client.processes import waiting_process
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.waiting import until

LAST_QUERY = """
    select max(a.query_start)::text from pg_stat_activity as a
    where a.datname = current_database() and a.application_name = any (%s)
"""
OF_CLIENTS = ["freshness", "freshness event listener"]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of all queues of this process, from now on."""
    made: list[str] = []
    original = Calls.rows

    async def noting(self: Calls, statement: str, *rest: Any, **named: Any) -> list[Any]:
        made.append(statement)
        return await original(self, statement, *rest, **named)

    monkeypatch.setattr(Calls, "rows", noting)
    return made


async def test_a_hundred_tasks_make_no_queries_while_they_wait(
    connection: Connection,
    client: Client,
    quotes: DataType,
    listeners: Listeners,
    statements: list[str],
) -> None:
    """And three in all, where polling makes twenty a second for each."""
    waiting = [
        asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=30))
        for _ in range(100)
    ]
    await until(lambda: listeners() == 1)
    began = connection.execute(LAST_QUERY, [OF_CLIENTS]).fetchone()
    assert began is not None
    assert began[0] is not None
    await asyncio.sleep(3)
    assert connection.execute(LAST_QUERY, [OF_CLIENTS]).fetchone() == began
    assert not any(task.done() for task in waiting)
    [fence] = connection.execute(
        "select c.fence from freshness.announce_worker('test') as w,"
        " freshness.claim(w, array[%s], 1) as c",
        [quotes.name],
    ).fetchone() or (None,)
    connection.execute(
        "select freshness.finish(%s, 'AAPL', %s, '[{\"price\": 1}]')", [quotes.name, fence]
    )
    assert all(state.is_fresh for state in await asyncio.gather(*waiting))
    assert len(statements) < 5, statements


async def test_ten_keys_that_end_together_are_looked_at_together(
    database: Database, client: Client, quotes: DataType, statements: list[str]
) -> None:
    recorder = Recorder()
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder), concurrency=10):
        waiting = [
            asyncio.create_task(client.wait_until_fresh(quotes.name, f"S{number}", timeout=30))
            for number in range(10)
        ]
        await recorder.fetched(10)
        recorder.let_go(10)
        await asyncio.gather(*waiting)
    looks = [statement for statement in statements if "wait_for" in statement]
    assert len(looks) <= 11


async def test_tasks_of_two_processes_share_one_fetch(
    database: Database, quotes: DataType, recorder: Recorder, listeners: Listeners
) -> None:
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder)):
        with (
            waiting_process(database.url, quotes, 5) as first,
            waiting_process(database.url, quotes, 5) as second,
        ):
            await until(lambda: listeners() == 2)
            await recorder.fetched(1)
            recorder.let_go(1)
            answers = [
                (await asyncio.to_thread(process.communicate))[0] for process in (first, second)
            ]
    assert answers == ["fresh fresh fresh fresh fresh\n"] * 2
    assert recorder.symbols == ["AAPL"]
    assert listeners() == 0
