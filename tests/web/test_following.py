"""Which keys of a process are told, behind one ear and the next."""

from __future__ import annotations

from pyworker.event_listener import EventListener
from pyworker.events import Streams
from pyworker.job import Key
from pyworker.queue.calls import Calls
from pyworker.queue.streams import StreamQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.web.stream_worker import comes_true

MANY = 2100
TOLD = """
    select count(*) = %s and not coalesce(bool_or(backend = any (%s::integer[])), false)
    from freshness.listeners where data_type = %s
"""


async def test_behind_a_new_ear_all_keys_are_told_however_many_they_are(
    database: Database, connection: Connection, calls: Calls, quotes: DataType
) -> None:
    """One question takes 2,000."""
    opened = Streams(StreamQueue(calls), EventListener(database.url), lease=60)
    try:
        keys = [Key(quotes.name, f"S{number}") for number in range(MANY)]
        await opened.join(keys, "service_role", "service_role")
        assert await comes_true(connection, TOLD, MANY, [], quotes.name)
        rows = connection.execute(
            "select distinct pg_terminate_backend(l.backend, 5000), l.backend"
            " from freshness.listeners as l where l.data_type = %s",
            [quotes.name],
        ).fetchall()
        assert await comes_true(connection, TOLD, MANY, [row[1] for row in rows], quotes.name)
    finally:
        await opened.close()
