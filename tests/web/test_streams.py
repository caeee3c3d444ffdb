"""Streams of a running endpoint: what they say, and that no state is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pyworker.lines import Said
from pyworker.queue.calls import Calls
from pyworker.queue.lines import LineQueue
from pyworker.queue.refreshes import RefreshQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.web.conftest import EndpointManager
from tests.web.endpoint import Endpoint
from tests.web.stream_client import PATH, reading
from tests.web.stream_worker import Worker, comes_true, one

MakeToken = Callable[..., str]
FORGED = (
    '{"id": "x", "data_type": "q", "symbol": "A", "kind": "fresh", "status": "fresh",'
    ' "fresh_until": null, "due_at": null}',
    '{"id": 1, "data_type": [], "symbol": {}, "kind": "fresh", "status": "fresh",'
    ' "fresh_until": null, "due_at": null}',
    '{"id": 1, "data_type": "q", "symbol": "A", "kind": {}, "status": "fresh",'
    ' "fresh_until": null, "due_at": null}',
    '{"data_type": [], "symbol": {}, "kind": "log", "line": 1, "said_at": "0001-01-01T00:00+14:00",'
    ' "left_out": ""}',
)

NOBODY_WATCHES = "select not exists (select from freshness.watches where data_type = %s)"
NOBODY_LISTENS = "select not exists (select from freshness.listeners where data_type = %s)"


async def test_a_stream_says_that_it_is_connected_and_then_the_latest_state_of_each_key(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", age_seconds=10)
    async with reading(endpoint, symbol="AAPL", dataTypes=quotes.name) as stream:
        headers = stream.answer.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-cache, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert "content-length" not in headers
        assert stream.lines[0].startswith("retry: ")
        connected = stream.seen[0]
        assert connected.name == "connected"
        assert connected.data["mode"] == "listen"
        snapshot = await stream.next()
        assert snapshot.name == "snapshot"
        assert snapshot.data["status"] == "fresh"
        assert snapshot.data["freshUntil"] is not None
        assert snapshot.id == snapshot.data["version"]


async def test_a_refresh_is_told_from_its_queueing_to_its_end(
    endpoint: Endpoint,
    connection: Connection,
    quotes: DataType,
    calls: Calls,
    stream_worker: Worker,
) -> None:
    quotes.store(connection, "AAPL", age_seconds=10)
    async with reading(endpoint, f"{quotes.name}:AAPL") as stream:
        await stream.until("snapshot")
        connection.execute("select freshness.request(%s, '{AAPL}', true)", [quotes.name])
        assert (await stream.next()).name == "queued"
        job = await stream_worker.claim()
        assert (await stream.next()).name == "refreshing"
        await stream_worker.finish(job)
        fresh = await stream.next()
        assert (fresh.name, fresh.data["status"]) == ("fresh", "fresh")
        connection.execute("select freshness.request(%s, '{AAPL}', true)", [quotes.name])
        job = await stream_worker.claim()
        await RefreshQueue(calls).finish(job, None)
        assert (await stream.until("unchanged")).data["status"] == "fresh"
        versions = [event.id for event in stream.seen if event.id is not None]
        assert versions == sorted(set(versions))


async def test_a_failure_is_told_without_its_reason(
    endpoint: Endpoint, quotes: DataType, stream_worker: Worker
) -> None:
    async with reading(endpoint, f"{quotes.name}:AAPL") as stream:
        await stream_worker.fail(await stream_worker.claim())
        failed = await stream.until("failed")
        assert failed.data["status"] == "failed"
        assert failed.data["dueAt"] is not None
        assert "source is gone" not in "".join(stream.lines)


async def test_notifications_that_are_none_of_ours_end_nothing(
    endpoint: Endpoint, connection: Connection, quotes: DataType, stream_worker: Worker
) -> None:
    async with reading(endpoint, f"{quotes.name}:AAPL") as stream:
        await stream.until("snapshot")
        for payload in ("", "x", "1", "[]", "{}", '{"id": 1}', "[" * 7999, *FORGED):
            connection.execute("select pg_notify('freshness_events', %s)", [payload])
        await stream_worker.refresh()
        await stream.until("fresh")
        assert all(event.name != "mode" for event in stream.seen)


async def test_two_clients_of_one_key_share_one_channel(
    endpoint: Endpoint, connection: Connection, quotes: DataType, stream_worker: Worker
) -> None:
    key = f"{quotes.name}:AAPL"
    async with reading(endpoint, key) as first, reading(endpoint, key) as second:
        listeners = "select count(*) from freshness.listeners where data_type = %s"
        assert one(connection, listeners, quotes.name) == 1
        await stream_worker.refresh()
        a, b = await first.until("fresh"), await second.until("fresh")
        assert a == b


async def test_concurrent_first_joins_make_one_channel_and_one_ear(
    endpoint: Endpoint, connection: Connection, quotes: DataType, stream_worker: Worker
) -> None:
    async with AsyncExitStack() as stack:
        streams = await asyncio.gather(
            *(
                stack.enter_async_context(reading(endpoint, f"{quotes.name}:AAPL"))
                for _ in range(20)
            )
        )
        assert (
            one(
                connection,
                "select count(*) from freshness.listeners where data_type = %s",
                quotes.name,
            )
            == 1
        )
        watches = "select count(*) from freshness.watches where data_type = %s"
        assert one(connection, watches, quotes.name) == 20
        await stream_worker.refresh()
        told = await asyncio.gather(*(stream.until("fresh") for stream in streams))
        assert len({event.id for event in told}) == 1


async def test_a_late_joiner_sees_the_latest_state_at_once_also_in_another_process(
    endpoint: Endpoint,
    start_endpoint: Callable[[str], EndpointManager],
    database: Database,
    quotes: DataType,
    stream_worker: Worker,
) -> None:
    key = f"{quotes.name}:AAPL"
    async with reading(endpoint, key) as early:
        job = await stream_worker.claim()
        told = await early.until("refreshing")
        with start_endpoint(database.url) as other:
            for process in (endpoint, other):
                async with reading(process, key) as late:
                    snapshot = await late.next()
                    assert snapshot.data["status"] == "refreshing"
                    assert snapshot.id is not None
                    assert told.id is not None
                    assert snapshot.id >= told.id
            async with reading(other, key) as late:
                await stream_worker.finish(job)
                elsewhere = await late.until("fresh")
        here = await early.until("fresh")
        assert elsewhere.data == here.data


async def test_a_restart_loses_no_state_and_no_version_goes_back(
    start_endpoint: Callable[[str], EndpointManager],
    database: Database,
    quotes: DataType,
    stream_worker: Worker,
) -> None:
    key = f"{quotes.name}:AAPL"
    with start_endpoint(database.url) as first:
        async with reading(first, key) as stream:
            job = await stream_worker.claim()
            last = await stream.until("refreshing")
            first.process.kill()
    await stream_worker.finish(job)
    with start_endpoint(database.url) as second:
        headers = {"Last-Event-ID": str(last.id)}
        async with reading(second, key, headers=headers) as stream:
            assert stream.seen[0].data["resumed"]
            snapshot = await stream.next()
            assert snapshot.data["status"] == "fresh"
            assert last.id is not None
            assert snapshot.id is not None
            assert snapshot.id > last.id


async def test_numbers_of_another_database_are_not_resumed(
    endpoint: Endpoint, quotes: DataType
) -> None:
    for sent in ("9223372036854775807", "x", "", "-1"):
        headers = {"Last-Event-ID": sent}
        async with reading(endpoint, f"{quotes.name}:AAPL", headers=headers) as stream:
            assert not stream.seen[0].data["resumed"]


async def test_a_client_that_leaves_is_forgotten_at_once(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    async with reading(endpoint, f"{quotes.name}:AAPL") as staying:
        async with reading(endpoint, f"{quotes.name}:MSFT"):
            pass
        only_one = "select array_agg(symbol) = '{AAPL}' from freshness.%s where data_type = '%s'"
        assert await comes_true(connection, only_one % ("watches", quotes.name))
        assert await comes_true(connection, only_one % ("listeners", quotes.name))
        assert staying.answer.is_closed is False
    assert await comes_true(connection, NOBODY_WATCHES, quotes.name)
    assert await comes_true(connection, NOBODY_LISTENS, quotes.name)


async def test_nobody_is_notified_when_nobody_streams(
    endpoint: Endpoint, connection: Connection, quotes: DataType, stream_worker: Worker
) -> None:
    async with reading(endpoint, f"{quotes.name}:AAPL"):
        pass
    assert await comes_true(connection, NOBODY_LISTENS, quotes.name)
    connection.execute("listen freshness_events")
    connection.execute("select freshness.request(%s, '{AAPL}')", [quotes.name])
    await stream_worker.refresh()
    heard = [
        notification.payload
        for notification in connection.notifies(timeout=0.2)
        if quotes.name in notification.payload
    ]
    assert heard == []


async def test_many_keys_are_in_one_stream_and_refused_ones_are_named(
    endpoint: Endpoint, quotes: DataType
) -> None:
    keys = [f"{quotes.name}:{symbol}" for symbol in ("A", "B:C", "A")]
    async with reading(endpoint, *keys, "nothing:A", quotes.name) as stream:
        refused = stream.seen[0].data["refused"]
        assert [(key["dataType"], key["status"]) for key in refused] == [
            ("nothing", "unknown_data_type"),
            (quotes.name, "invalid_symbol"),
        ]
        assert {(await stream.next()).data["symbol"] for _ in range(2)} == {"A", "B:C"}


async def test_only_data_types_whose_table_the_caller_may_select_are_streamed(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    connection.execute(f"revoke select on {quotes.table} from authenticated")
    answer = endpoint.client.get(PATH, params={"symbol": "A", "dataTypes": quotes.name})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert await comes_true(connection, NOBODY_WATCHES, quotes.name)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "INVALID_KEYS"),
        ("symbol=A", "INVALID_KEYS"),
        ("symbol=A&symbol=B&dataTypes=q", "INVALID_KEYS"),
        ("symbol=A&dataTypes=,", "INVALID_CARDS"),
        ("key=q:%00", "INVALID_CARDS"),
        ("key=nothing:A", "UNKNOWN_DATA_TYPE"),
        ("&".join(f"key=q:{number}" for number in range(51)), "TOO_MANY_KEYS"),
        ("key=q:" + "x" * 201, "SYMBOL_TOO_LONG"),
    ],
)
def test_what_cannot_be_streamed_is_refused(endpoint: Endpoint, query: str, code: str) -> None:
    answer = endpoint.client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_nobody_streams_without_signing_in(endpoint: Endpoint) -> None:
    assert httpx.get(f"{endpoint.url}{PATH}?key=quote:A").status_code == 401


async def test_a_stream_ends_when_its_token_does(
    endpoint: Endpoint, connection: Connection, quotes: DataType, make_token: MakeToken
) -> None:
    token = make_token(exp=datetime.now(UTC) + timedelta(seconds=2))
    headers = {"authorization": f"Bearer {token}"}
    async with reading(endpoint, f"{quotes.name}:AAPL", headers=headers) as stream:
        stopped = await stream.until("stopped")
        assert stopped.data == {"reason": "token_expired"}
        assert await stream.ends()
    assert await comes_true(connection, NOBODY_WATCHES, quotes.name)


async def test_a_server_that_stops_says_so_and_leaves_nothing_behind(
    start_endpoint: Callable[[str], EndpointManager],
    database: Database,
    connection: Connection,
    quotes: DataType,
) -> None:
    with start_endpoint(database.url) as running:
        async with reading(running, f"{quotes.name}:AAPL") as stream:
            running.process.terminate()
            assert (await stream.until("stopped")).data == {"reason": "shutdown"}
            assert await stream.ends()
        assert await asyncio.to_thread(running.process.wait, 10) == 0
    assert one(connection, NOBODY_WATCHES, quotes.name)
    assert one(connection, NOBODY_LISTENS, quotes.name)


async def test_without_an_ear_one_poll_carries_all_streams_and_each_is_told(
    endpoint: Endpoint, connection: Connection, quotes: DataType, stream_worker: Worker
) -> None:
    async with (
        reading(endpoint, f"{quotes.name}:AAPL") as first,
        reading(endpoint, f"{quotes.name}:AAPL") as second,
    ):
        connection.execute(
            "select pg_terminate_backend(backend, 5000) from freshness.listeners"
            " where data_type = %s",
            [quotes.name],
        )
        for stream in (first, second):
            assert (await stream.until("mode")).data == {"mode": "poll"}
        await stream_worker.refresh()
        for stream in (first, second):
            assert (await stream.until("fresh")).data["status"] == "fresh"
        for stream in (first, second):
            if not any(event.data == {"mode": "listen"} for event in stream.seen):
                assert (await stream.until("mode")).data == {"mode": "listen"}
        listeners = "select count(*) = 1 from freshness.listeners where data_type = %s"
        assert await comes_true(connection, listeners, quotes.name)
        connection.execute("select freshness.request(%s, '{AAPL}', true)", [quotes.name])
        assert (await first.until("queued")).name == "queued"


async def test_what_a_refresher_says_is_told_while_its_key_is_streamed(
    endpoint: Endpoint, quotes: DataType, calls: Calls, stream_worker: Worker
) -> None:
    said = [Said(quotes.name, ("AAPL", "MSFT"), ["page 1", "page 2"], 4)]
    async with reading(endpoint, f"{quotes.name}:AAPL") as stream:
        await stream.until("snapshot")
        assert await LineQueue(calls).tell_lines(said) == 2
        first, second = await stream.until("log"), await stream.until("log")
        assert datetime.fromisoformat(first.data.pop("saidAt")) <= datetime.now(UTC)
        key = {"dataType": quotes.name, "symbol": "AAPL"}
        assert (first.id, first.data) == (None, {**key, "line": "page 1", "leftOut": 4})
        assert (second.data["line"], second.data["leftOut"]) == ("page 2", 0)
        await stream_worker.refresh()
        assert (await stream.until("fresh")).data["status"] == "fresh"
