"""The configured HTTP refresher: what is remembered, when to come back, what is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pyworker.configuration import read_configuration
from pyworker.queue.calls import Calls, open_calls
from pyworker.queue.looks import LookQueue
from pyworker.queue.members import MemberQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.refreshers import Refresher
from pyworker.runner import Runner, open_context
from pyworker.testing import RefresherTest
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.provider import Answer, Provider
from tests.worker.states import events, job, watch

Configure = Callable[..., Refresher]


@pytest.fixture
def configure(provider: Provider, tmp_path: Path) -> Configure:
    """Makes a refresher from lines of freshness.toml: `configure(lines, name="quote")`."""

    def create(lines: str = "", path: str = "{symbol}", name: str = "quote") -> Refresher:
        file = tmp_path / "freshness.toml"
        file.write_text(
            f'[refreshers.{name}]\nurl = "{provider.url}/{path}"\n'
            f'columns = {{ price = "price", fetched_at = "at" }}\n{lines}\n'
        )
        [refresher] = read_configuration(file)
        return refresher

    return create


def tagged(provider: Provider, etag: str = '"1"', at: str = "2026-01-01T00:00:00Z") -> None:
    """Let the provider answer 304 to whoever has the present rows already."""

    def respond(_path: str, number: int) -> Answer:
        headers = {"ETag": etag, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if provider.headers[-1].get("if-none-match") == etag:
            return Answer(b"", 304, headers)
        return Answer({"price": number, "at": at}, headers=headers)

    provider.respond = respond


async def test_what_a_source_gave_is_asked_with_and_304_is_unchanged(
    provider: Provider, configure: Configure
) -> None:
    tagged(provider)
    async with RefresherTest(configure()) as test:
        assert (await test.refresh("A")).outcome == "fresh"
        test.clock.advance(61)
        refreshed = await test.refresh("A")
    assert (refreshed.outcome, refreshed.due_in) == ("unchanged", 60)
    assert provider.headers[1]["if-none-match"] == '"1"'
    assert provider.headers[1]["if-modified-since"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert refreshed.rows[0]["price"] == 1


async def test_nothing_is_asked_with_when_that_is_switched_off(
    provider: Provider, configure: Configure
) -> None:
    tagged(provider)
    async with RefresherTest(configure("conditional = false")) as test:
        await test.refresh("A")
        await test.refresh("A")
    assert "if-none-match" not in provider.headers[1]


@pytest.mark.parametrize("etag", ["x" * 2000, "caf\u00e9"])
async def test_validators_that_cannot_be_sent_back_are_not_kept(
    provider: Provider, configure: Configure, etag: str
) -> None:
    provider.respond = lambda _path, _number: Answer(
        {"price": 1, "at": None}, headers={"ETag": etag}
    )
    async with RefresherTest(configure()) as test:
        await test.refresh("A")
        assert (await test.refresh("A")).outcome in {"fresh", "unchanged"}
    assert "if-none-match" not in provider.headers[1]


async def test_a_source_that_answers_304_without_being_asked_fails(
    provider: Provider, configure: Configure
) -> None:
    provider.respond = lambda _path, _number: Answer(b"", 304)
    async with RefresherTest(configure()) as test:
        refreshed = await test.refresh("A")
    assert (refreshed.outcome, refreshed.reason) == ("scheduled", "127.0.0.1 answered HTTP 304")


@pytest.mark.parametrize(
    ("headers", "due_in"),
    [
        ({"Retry-After": "120"}, 120),
        (
            {
                "Retry-After": "Thu, 01 Jan 2099 00:02:00 GMT",
                "Date": "Thu, 01 Jan 2099 00:00:00 GMT",
            },
            120,
        ),
        ({"Retry-After": "99999999999999999999"}, 7 * 86400),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "\u00b2"}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_source_says_when_to_come_back(
    provider: Provider,
    configure: Configure,
    status: int,
    headers: Mapping[str, str],
    due_in: float | None,
) -> None:
    """A date counts from the source's own date; a 429 that says nothing usable means 10 s."""
    if due_in is None:
        due_in = 10 if status == 429 else 1
    provider.respond = lambda _path, _number: Answer({}, status, headers)
    async with RefresherTest(configure()) as test:
        refreshed = await test.refresh("A")
    assert refreshed.due_in == pytest.approx(due_in, abs=1)


async def test_a_date_without_the_sources_own_is_a_moment(
    provider: Provider, configure: Configure
) -> None:
    async with RefresherTest(configure()) as test:
        moment = test.clock.now() + timedelta(minutes=5)
        provider.respond = lambda _path, _number: Answer(
            {}, 429, {"Retry-After": format_datetime(moment, usegmt=True), "Date": "never"}
        )
        refreshed = await test.refresh("A")
    assert (refreshed.outcome, refreshed.due_in) == ("retry_after", 300)


async def test_a_status_can_mean_that_there_is_nothing(
    provider: Provider, configure: Configure
) -> None:
    """Else it is an error that no further attempt will change."""
    provider.respond = lambda _path, _number: Answer({}, 404)
    async with RefresherTest(configure()) as test:
        assert (await test.refresh("A")).outcome == "failed"
    async with RefresherTest(configure("missing_status = [404, 204]")) as test:
        assert (await test.refresh("A")).outcome == "missing"


async def test_times_can_be_numbers(provider: Provider, configure: Configure) -> None:
    provider.respond = lambda path, _number: Answer(
        {"price": 1, "at": json.loads(unquote(path[1:]))}
    )
    async with RefresherTest(configure('epochs = { fetched_at = "milliseconds" }')) as test:
        await test.refresh("1767225600500")
        [row] = test.rows("1767225600500")
        assert row["fetched_at"] == datetime(2026, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)
        for wrong in ("1e300", "[]", '"soon"'):
            reason = (await test.refresh(wrong)).reason
            assert reason == "fetched_at is no number of milliseconds since 1970"


async def test_several_symbols_are_fetched_in_one_call(
    provider: Provider, configure: Configure
) -> None:
    provider.respond = lambda _path, _number: Answer(
        {"data": [{"id": "A,1", "price": 1, "at": None}, {"id": "B", "price": 2, "at": None}]}
    )
    lines = 'rows = "data"\nsymbol = "id"\nmax_batch = 50'
    async with RefresherTest(configure(lines, path="q?of={symbols}")) as test:
        found = await test.refresh_all("A,1", "B", "C")
    assert {symbol: each.outcome for symbol, each in found.items()} == {
        "A,1": "fresh",
        "B": "fresh",
        "C": "missing",
    }
    [call] = provider.calls
    assert call == "/q?of=A%2C1,B,C"
    assert unquote(call) == "/q?of=A,1,B,C"


async def test_a_batch_with_symbols_that_nobody_asked_for_fails(
    provider: Provider, configure: Configure
) -> None:
    """A source that writes symbols in another way would look as if it had nothing."""
    provider.respond = lambda _path, _number: Answer([{"id": "a", "price": 1, "at": None}])
    lines = 'symbol = "id"\nmax_batch = 50'
    async with RefresherTest(configure(lines, path="q?of={symbols}")) as test:
        refreshed = await test.refresh("A")
    assert refreshed.reason == "the answer has rows of symbols that were not asked for: a"


@pytest.fixture
async def processes(database: Database) -> AsyncIterator[tuple[Calls, Calls]]:
    """The calls of two processes."""
    async with open_calls(database.url, 1) as one, open_calls(database.url, 1) as other:
        yield one, other


async def test_another_process_asks_with_what_the_first_was_given(
    provider: Provider,
    configure: Configure,
    connection: Connection,
    quotes: DataType,
    processes: tuple[Calls, Calls],
) -> None:
    """Until the fields are mapped in another way: then the rows have to come again."""
    one, other = processes
    tagged(provider, at=datetime.now(UTC).isoformat())
    watch(connection, quotes, "A")
    seen: list[Any] = []
    mapped_anew = 'epochs = { price = "seconds" }'
    for calls, lines in ((one, ""), (other, ""), (one, "timeout = 5"), (other, mapped_anew)):
        members = MemberQueue(calls)
        worker = await members.announce_worker("test", 15)
        connection.execute(
            "select freshness.request(%s, array['A'], p_refresh_now => true)", [quotes.name]
        )
        [claimed] = (await LookQueue(calls).turn(worker, [quotes.name], 1)).jobs
        refresher = configure(lines, name=quotes.name)
        async with open_context(1) as context:
            runner = Runner(RefreshQueue(calls), {quotes.name: refresher}, context, 10)
            seen.append((await runner.run(claimed)).outcome)
        await members.dismiss_worker(worker)
    assert seen[:3] == ["fresh", "unchanged", "unchanged"]
    asked = [headers.get("if-none-match") for headers in provider.headers]
    assert asked == [None, '"1"', '"1"', None]
    found = connection.execute(
        "select kind, bytes > 0, duration > interval '0' from freshness.events"
        " where data_type = %s and kind <> 'refreshing' order by id",
        [quotes.name],
    ).fetchall()
    assert found[0] == ("fresh", True, True)
    assert [kind for kind, _, _ in found[1:3]] == ["unchanged"] * 2


async def test_a_permanent_answer_sets_a_key_aside_in_the_database(
    provider: Provider,
    configure: Configure,
    connection: Connection,
    quotes: DataType,
    calls: Calls,
) -> None:
    watch(connection, quotes, "A")
    provider.respond = lambda _path, _number: Answer({}, 403)
    members = MemberQueue(calls)
    worker = await members.announce_worker("test", 15)
    [claimed] = (await LookQueue(calls).turn(worker, [quotes.name], 1)).jobs
    refresher = configure(name=quotes.name)
    async with open_context(1) as context:
        ended = await Runner(RefreshQueue(calls), {quotes.name: refresher}, context, 10).run(
            claimed
        )
    await members.dismiss_worker(worker)
    assert ended.outcome == "failed"
    assert job(connection, quotes, "A", "j.state::text, j.last_error") == (
        "failed",
        "127.0.0.1 answered HTTP 403",
    )
    assert events(connection, quotes, "A") == ["failed"]
