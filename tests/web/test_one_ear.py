"""One connection of a process listens, for those who wait and for those who stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from pyworker import event_listener
from pyworker.event_listener import EventListener, KeyEvent
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.half_open import network_to
from tests.fixtures.servers import Database
from tests.web.conftest import EndpointManager
from tests.web.endpoint import PATH, Endpoint
from tests.web.stream_client import reading
from tests.web.stream_worker import Worker, comes_true, one

PATIENCE = 10.0
EARS = """
    select coalesce(array_agg(a.pid), '{}') from pg_stat_activity as a
    where a.application_name like 'freshness%%listener'
"""
LISTENERS = """
    select count(*) = %s and count(distinct backend) <= 1
    from freshness.listeners where data_type = %s
"""


async def ask(endpoint: Endpoint, data_type: DataType, wait: float) -> dict[str, Any]:
    """Ask for a card, and wait for it."""
    async with httpx.AsyncClient(
        base_url=endpoint.url, headers=dict(endpoint.client.headers), timeout=30
    ) as client:
        body = {"symbol": "AAPL", "dataTypes": [data_type.name], "wait": wait}
        answer = await client.post(PATH, json=body)
        return dict(answer.json()["keys"][0])


async def test_one_connection_listens_while_keys_are_waited_for_and_streamed(
    start_endpoint: Callable[[str], EndpointManager],
    database: Database,
    connection: Connection,
    quotes: DataType,
    stream_worker: Worker,
) -> None:
    before = set(one(connection, EARS))
    with start_endpoint(database.url) as running:
        async with reading(running, f"{quotes.name}:AAPL") as stream:
            waiting = asyncio.create_task(ask(running, quotes, 25))
            assert await comes_true(connection, LISTENERS, 2, quotes.name)
            assert len(set(one(connection, EARS)) - before) == 1
            await stream_worker.refresh()
            async with asyncio.timeout(PATIENCE / 2):
                assert (await waiting)["status"] == "fresh"
            assert (await stream.until("fresh")).data["status"] == "fresh"
            # Its wait is over, and the stream is still told of starts.
            assert await comes_true(connection, LISTENERS, 1, quotes.name)
            connection.execute("select freshness.request(%s, '{AAPL}', true)", [quotes.name])
            assert (await stream.next()).name == "queued"
            job = await stream_worker.claim()
            assert (await stream.next()).name == "refreshing"
            await stream_worker.finish(job)


async def test_a_stream_that_closes_leaves_those_who_wait_for_its_key(
    endpoint: Endpoint, connection: Connection, quotes: DataType, stream_worker: Worker
) -> None:
    async with reading(endpoint, f"{quotes.name}:AAPL"):
        waiting = asyncio.create_task(ask(endpoint, quotes, 25))
        assert await comes_true(connection, LISTENERS, 2, quotes.name)
    assert await comes_true(connection, LISTENERS, 1, quotes.name)
    await stream_worker.refresh()
    # A look without an event comes after five seconds.
    async with asyncio.timeout(4):
        assert (await waiting)["status"] == "fresh"
    assert await comes_true(connection, LISTENERS, 0, quotes.name)


# As freshness.tell_listeners says it; also well-formed text may come from anybody.
FORGED = json.dumps(
    {
        "id": 1,
        "data_type": "quote",
        "symbol": "A",
        "kind": "fresh",
        "status": "fresh",
        "fresh_until": "2026-01-01T00:00:00+00:00",
        "due_at": None,
    }
)


class Heard:
    """Somebody who listens, in a task of its own."""

    def __init__(self, listener: EventListener) -> None:
        self.events: list[KeyEvent] = []
        self.changes = asyncio.Event()
        self.task = asyncio.create_task(listener.run(self.events.append, self.changes.set))

    async def leave(self) -> None:
        """Listen no more."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def said_of(listener: EventListener) -> int | None:
    """The server's process that listens at this moment."""
    return listener.backend


async def test_the_connection_lasts_until_the_last_one_leaves(
    database: Database, connection: Connection
) -> None:
    listener = EventListener(database.url)
    first, second = Heard(listener), Heard(listener)
    async with asyncio.timeout(PATIENCE):
        await listener.tried.wait()
    backend = said_of(listener)
    assert backend is not None
    await first.leave()
    assert said_of(listener) == backend
    lives = "select exists (select from pg_stat_activity where pid = %s)"
    assert one(connection, lives, backend)
    await second.leave()
    assert said_of(listener) is None
    assert await comes_true(
        connection, lives.replace("select exists", "select not exists"), backend
    )
    third = Heard(listener)
    async with asyncio.timeout(PATIENCE):
        await third.changes.wait()
    assert said_of(listener) not in (None, backend)
    await third.leave()


async def test_when_the_connection_is_lost_all_are_told(
    database: Database, connection: Connection
) -> None:
    listener = EventListener(database.url)
    both = [Heard(listener), Heard(listener)]
    try:
        for _ in range(2):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(each.changes.wait() for each in both))
            for each in both:
                each.changes.clear()
            if listener.backend is not None:
                connection.execute("select pg_terminate_backend(%s, 5000)", [listener.backend])
    finally:
        for each in both:
            await each.leave()


@pytest.mark.parametrize(
    "payload",
    [
        "[" * 7000,
        '{"kind": "log"' + ', "line": [{"a": 1}]' * 2 + "}",
        FORGED.replace("1,", '"1",', 1),
        FORGED.replace("1,", "1e400,", 1),
        FORGED.replace('"quote"', "[]"),
        FORGED.replace('"A"', "{}"),
        FORGED.replace("+00:00", ""),
        FORGED.replace('"fresh"', "null"),
    ],
)
async def test_what_others_notify_ends_nothing(
    database: Database, connection: Connection, payload: str
) -> None:
    """Any role of the database may notify on any channel."""
    listener = EventListener(database.url)
    heard: asyncio.Queue[KeyEvent] = asyncio.Queue()
    task = asyncio.create_task(listener.run(heard.put_nowait, lambda: None))
    async with asyncio.timeout(PATIENCE):
        await listener.tried.wait()
        for each in (payload, FORGED.replace("1,", "2,", 1)):
            connection.execute("select pg_notify('freshness_events', %s)", [each])
        assert (await heard.get()).id == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_connection_that_went_half_open_is_replaced(database: Database) -> None:
    """Nothing is refused and nothing ends; only the round trip does not come back."""
    async with network_to(database.url) as network:
        listener = EventListener(network.url(database.url), round_trip_interval=0.2)
        heard = Heard(listener)
        async with asyncio.timeout(PATIENCE):
            await listener.tried.wait()
            backend = said_of(listener)
            heard.changes.clear()
            network.freeze()
            await heard.changes.wait()
            assert said_of(listener) is None
            heard.changes.clear()
            await heard.changes.wait()
        assert said_of(listener) not in (None, backend)
        await heard.leave()


async def test_where_listening_is_refused_it_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all who want to hear: a standby may be promoted."""
    listener = EventListener(database.url)
    listen = listener._ear.listen

    async def refuse(*_: object) -> None:
        monkeypatch.setattr(listener._ear, "listen", listen)
        raise psycopg.errors.FeatureNotSupported("cannot execute LISTEN during recovery")

    monkeypatch.setattr(event_listener, "_REFUSED_FOR", 0.01)
    monkeypatch.setattr(listener._ear, "listen", refuse)
    both = [Heard(listener), Heard(listener)]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(each.changes.wait() for each in both))
    assert listener.backend is not None
    for each in both:
        await each.leave()
