"""What all streams of a process share: looks, leases, and what becomes of them without an ear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import NoReturn

import psycopg
import pytest

from pyworker.errors import DatabaseUnavailable
from pyworker.event_listener import EventListener, KeyEvent, KeyLine
from pyworker.events import Refusal, Stream, Streams, TooManyStreams, streams
from pyworker.job import Key
from pyworker.queue.calls import Calls, open_calls
from pyworker.queue.streams import StreamQueue
from pyworker.stream_state import StreamState
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database

PATIENCE = 10.0


class Deaf(EventListener):
    """Hears nothing."""

    async def run(
        self,
        _hear: Callable[[KeyEvent], None],
        _changed: Callable[[], None],
        _hear_line: Callable[[KeyLine], None] | None = None,
    ) -> NoReturn:
        """Wait for ever."""
        self.tried.set()
        while True:
            await asyncio.Event().wait()


class Refused(Deaf):
    """May not listen."""

    async def run(
        self,
        _hear: Callable[[KeyEvent], None],
        _changed: Callable[[], None],
        _hear_line: Callable[[KeyLine], None] | None = None,
    ) -> NoReturn:
        """Fail, not because of a connection."""
        raise psycopg.errors.FeatureNotSupported("cannot execute LISTEN during recovery")


class CountingQueue(StreamQueue):
    """Notes when it was asked to look."""

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        self.looks: list[float] = []
        self.has_looked = asyncio.Event()

    async def look_at_streams(
        self, keys: Iterable[Key], backend: int | None = None
    ) -> list[StreamState]:
        """Look, and note it."""
        found = await super().look_at_streams(keys, backend)
        self.looks.append(asyncio.get_running_loop().time())
        self.has_looked.set()
        return found

    async def looks_are(self, number: int) -> None:
        """Wait until so many looks were made."""
        async with asyncio.timeout(PATIENCE):
            while len(self.looks) < number:
                self.has_looked.clear()
                await self.has_looked.wait()


class Unreachable(CountingQueue):
    """Answers nothing."""

    async def open_streams(self, *_: object) -> NoReturn:
        """Fail."""
        raise DatabaseUnavailable("the database cannot be reached")

    async def close_streams(self, *_: object) -> NoReturn:
        """Fail."""
        raise DatabaseUnavailable("the database cannot be reached")


@asynccontextmanager
async def deaf_streams(queue: StreamQueue, lease: float = 60) -> AsyncIterator[Streams]:
    """Streams of a process that hears nothing."""
    found = Streams(queue, Deaf("postgresql://nowhere"), lease=lease, most=3, most_of_one=2)
    try:
        yield found
    finally:
        await found.close()


async def told(stream: Stream, text: bytes) -> None:
    """Wait until a text comes."""
    async with asyncio.timeout(PATIENCE):
        while text not in await stream.take(1):
            pass


async def test_while_nothing_happens_polls_come_less_and_less_often(
    calls: Calls, quotes: DataType, connection: Connection
) -> None:
    counting = CountingQueue(calls)
    async with deaf_streams(counting) as opened:
        keys = [Key(quotes.name, "A")]
        stream = await opened.join(keys, "service_role", "user:1")
        second = await opened.join(keys, "service_role", "user:2")
        assert opened.mode == "poll"
        await counting.looks_are(6)
        gaps = [later - earlier for earlier, later in pairwise(counting.looks)]
        assert all(later > 1.5 * earlier for earlier, later in pairwise(gaps))
        quotes.store(connection, "A", age_seconds=1)
        await told(stream, b"event: fresh")
        await told(second, b"event: fresh")
        seen = len(counting.looks)
        await counting.looks_are(seen + 1)
        assert counting.looks[seen] - counting.looks[seen - 1] < 0.5


async def test_where_listening_is_refused_streams_are_polled(
    calls: Calls, quotes: DataType, connection: Connection
) -> None:
    opened = Streams(StreamQueue(calls), Refused("postgresql://nowhere"), lease=60)
    try:
        async with asyncio.timeout(PATIENCE):
            stream = await opened.join([Key(quotes.name, "A")], "service_role", "user:1")
        assert opened.mode == "poll"
        quotes.store(connection, "A", age_seconds=1)
        await told(stream, b"event: fresh")
    finally:
        await opened.close()


async def test_what_somebody_else_wrote_is_found_by_the_look_for_all(
    database: Database,
    calls: Calls,
    quotes: DataType,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_LOOK", 0.2)
    opened = Streams(StreamQueue(calls), EventListener(database.url), lease=60)
    try:
        stream = await opened.join([Key(quotes.name, "A")], "service_role", "user:1")
        assert opened.mode == "listen"
        assert b'"status":"queued"' in await stream.take(0)
        quotes.store(connection, "A", age_seconds=1)
        await told(stream, b"event: fresh")
    finally:
        await opened.close()


async def test_a_lease_is_renewed_as_long_as_its_stream_is_open(
    calls: Calls, quotes: DataType, connection: Connection
) -> None:
    ends = "select max(lease_until) from freshness.watches where data_type = %s"
    counting = CountingQueue(calls)
    async with deaf_streams(counting, lease=1.5) as opened:
        await opened.join([Key(quotes.name, "A")], "service_role", "user:1")
        first = connection.execute(ends, [quotes.name]).fetchone()
        connection.execute("delete from freshness.watches where data_type = %s", [quotes.name])
        async with asyncio.timeout(PATIENCE):
            while True:
                await asyncio.to_thread(connection.execute, "select pg_sleep(0.05)")
                renewed = connection.execute(ends, [quotes.name]).fetchone()
                assert first is not None
                assert renewed is not None
                if renewed[0] is not None and renewed[0] > first[0]:
                    break
    gone = connection.execute(ends, [quotes.name]).fetchone()
    assert gone == (None,)


async def test_nobody_has_more_streams_than_there_is_room_for(
    calls: Calls, quotes: DataType
) -> None:
    keys = [Key(quotes.name, "A")]
    async with deaf_streams(StreamQueue(calls)) as opened:
        first = await opened.join(keys, "service_role", "user:1")
        await opened.join(keys, "service_role", "user:1")
        with pytest.raises(TooManyStreams) as own:
            await opened.join(keys, "service_role", "user:1")
        assert own.value.is_owners
        await opened.join(keys, "service_role", "user:2")
        with pytest.raises(TooManyStreams) as all_of_them:
            await opened.join(keys, "service_role", "user:3")
        assert not all_of_them.value.is_owners
        opened.leave(first)
        with pytest.raises(Refusal):
            await opened.join([Key("nothing", "A")], "service_role", "user:1")
        await opened.join(keys, "service_role", "user:1")


async def test_one_who_gives_up_while_joining_leaves_nothing_behind(
    calls: Calls, quotes: DataType, connection: Connection
) -> None:
    watches = "select count(*) from freshness.watches where data_type = %s"
    async with deaf_streams(StreamQueue(calls)) as opened:
        joining = asyncio.create_task(
            opened.join([Key(quotes.name, "A")], "service_role", "user:1")
        )
        await asyncio.sleep(0)
        joining.cancel()
        await asyncio.gather(joining, return_exceptions=True)
        stream = await opened.join([Key(quotes.name, "B")], "service_role", "user:1")
        assert connection.execute(watches, [quotes.name]).fetchone() == (1,)
        opened.leave(stream)
    assert connection.execute(watches, [quotes.name]).fetchone() == (0,)


async def test_without_a_database_nobody_waits_at_the_door(database: Database) -> None:
    async with open_calls(database.url, 1) as calls:
        opened = Streams(Unreachable(calls), Deaf("postgresql://nowhere"), lease=60)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                async with asyncio.timeout(PATIENCE):
                    await opened.join([Key("quote", "A")], "service_role", "user:1")
        await opened.close()
