"""That a key goes stale is told at that moment: by a timer, without a query, never early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from pyworker.database_clock import DatabaseClock
from pyworker.event_listener import EventListener, KeyEvent
from pyworker.events.channels import Channels
from pyworker.events.stream import Stream
from pyworker.events.streams import Streams
from pyworker.job import Key
from pyworker.queue.calls import Calls
from pyworker.queue.members import MemberQueue
from pyworker.queue.streams import StreamQueue
from pyworker.stream_state import StreamState
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import Register
from tests.fixtures.servers import Database
from tests.web.endpoint import Endpoint
from tests.web.stream_client import reading
from tests.web.stream_worker import Worker, one

PATIENCE = 10.0
A = Key("quote", "A")
START = datetime(2026, 1, 1, tzinfo=UTC)


def fresh(version: int, seconds: float, status: str = "fresh") -> StreamState:
    """A state of the key that is fresh until so many seconds after the database's start."""
    until = START + timedelta(seconds=seconds)
    return StreamState("quote", "A", status, until, until, version, START)


def stream_of(channels: Channels, state: StreamState) -> Stream:
    """A stream of the key."""
    channels.answered([state])
    stream = Stream("stream:1:user:1", "user:1")
    stream.keys = {A}
    channels.enter(stream)
    return stream


async def until_told(stream: Stream, text: bytes) -> bytes:
    """Wait until a text comes."""
    async with asyncio.timeout(PATIENCE):
        while text not in (taken := await stream.take(1)):
            pass
    return taken


async def test_a_fresh_key_that_nobody_fetches_goes_stale_with_the_same_version() -> None:
    channels = Channels()
    stream = stream_of(channels, fresh(5, 0.05))
    told = await until_told(stream, b"event: stale")
    assert b'"status":"stale","version":5' in told
    channel = channels.get(A)
    assert channel is not None
    # The database calls it queued then, which is no news.
    assert fresh(0, 0.05, "queued").says_the_same(channel.state)
    assert not fresh(0, 0.05, "failed").says_the_same(channel.state)
    late = stream_of(channels, fresh(5, 0.05))
    assert b'event: snapshot\nid: 5\ndata: {"dataType":"quote","symbol":"A","status":"stale"' in (
        await late.take(0)
    )


async def test_a_fetch_that_came_first_moves_it() -> None:
    channels = Channels()
    stream = stream_of(channels, fresh(5, 0.05))
    await stream.take(0)
    channels.answered([fresh(6, 3600)])
    await stream.take(0)
    assert await stream.take(0.1) == b""


@pytest.mark.parametrize("status", ["refreshing", "queued", "failed", "missing"])
async def test_only_what_is_fresh_goes_stale(status: str) -> None:
    channels = Channels()
    stream = stream_of(channels, fresh(5, 0.02, status))
    await stream.take(0)
    assert await stream.take(0.1) == b""


async def test_an_event_that_says_until_when_it_is_fresh_sets_the_timer() -> None:
    channels = Channels()
    stream = stream_of(channels, fresh(5, 3600, "refreshing"))
    until = START + timedelta(seconds=0.05)
    channels.hear(KeyEvent(6, "quote", "A", "fresh", "fresh", until, until))
    assert b'"version":6' in await until_told(stream, b"event: stale")


async def test_a_version_that_is_not_the_databases_lasts_until_it_is_asked() -> None:
    """Any role of the database may notify on any channel."""
    channels = Channels()
    stream = stream_of(channels, fresh(5, 3600))
    await stream.take(0)
    until = START + timedelta(seconds=3600)
    channels.hear(KeyEvent(10**18, "quote", "A", "failed", "failed", None, until))
    await until_told(stream, b"event: failed")
    channels.asking()
    channels.answered([fresh(7, 3600)])
    assert b'"version":7' in await until_told(stream, b"event: fresh")


async def test_what_is_heard_while_the_database_is_asked_is_the_later() -> None:
    channels = Channels()
    stream = stream_of(channels, fresh(5, 3600, "refreshing"))
    await stream.take(0)
    channels.asking()
    channels.hear(KeyEvent(8, "quote", "A", "failed", "failed", None, START))
    channels.answered([fresh(7, 3600, "refreshing")])
    assert b'"version":8' in await until_told(stream, b"event: failed")


async def test_a_key_that_nobody_streams_any_more_has_no_timer() -> None:
    channels = Channels()
    stream = stream_of(channels, fresh(5, 3600))
    channel = channels.get(A)
    assert channel is not None
    alarm = channel._alarm
    assert alarm is not None
    channels.leave(stream)
    assert channels.close_empty() == [A]
    assert alarm.cancelled()


async def test_a_timer_that_is_early_waits_on() -> None:
    """A clock that was set back, or a timer that does not count well."""
    clock = DatabaseClock()
    channels = Channels(clock)
    stream = stream_of(channels, fresh(5, 0.3))
    await stream.take(0)
    await asyncio.sleep(0.15)
    # It is the start again.
    clock.note(START)
    began = asyncio.get_running_loop().time()
    await until_told(stream, b"event: stale")
    assert asyncio.get_running_loop().time() - began >= 0.29


@pytest.fixture
async def listening(database: Database, calls: Calls) -> AsyncIterator[Streams]:
    """Streams of a process that listens."""
    found = Streams(StreamQueue(calls), EventListener(database.url), lease=60)
    yield found
    await found.close()


async def test_it_is_told_at_that_moment_by_the_databases_clock_without_a_query(
    listening: Streams, calls: Calls, register: Register, connection: Connection
) -> None:
    quotes = register(ttl="2 seconds")
    quotes.store(connection, "A", age_seconds=0)
    stream = await listening.join([Key(quotes.name, "A")], "service_role", "user:1")
    assert b'"status":"fresh"' in await stream.take(0)
    asked = calls.queries
    told = await until_told(stream, b"event: stale")
    late = one(
        connection,
        f"select extract(epoch from clock_timestamp() - fetched_at) - 2 from {quotes.table}",
    )
    assert 0 <= late < 0.5
    assert calls.queries == asked
    assert b'"status":"stale"' in told


async def test_a_page_is_told_and_then_that_it_is_fresh_again(
    endpoint: Endpoint, register: Register, connection: Connection, calls: Calls
) -> None:
    quotes = register(ttl="1 second")
    quotes.store(connection, "AAPL", age_seconds=0)
    async with reading(endpoint, f"{quotes.name}:AAPL") as stream:
        snapshot = await stream.until("snapshot")
        stale = await stream.until("stale")
        assert stale.id == snapshot.id
        assert stale.data == {**snapshot.data, "status": "stale"}
        members = MemberQueue(calls)
        number = await members.announce_worker("going stale", 60)
        worker = Worker(calls, number, quotes)
        job = await worker.claim()
        assert (await stream.next()).name == "refreshing"
        await worker.finish(job)
        assert (await stream.next()).name == "fresh"
        await members.dismiss_worker(number)
