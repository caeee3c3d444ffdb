"""A refresh that goes wrong fails its own job, with a reason in words, and touches nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from pyworker.job import Ended, Job, Row
from pyworker.queue.calls import Calls
from pyworker.queue.looks import LookQueue
from pyworker.queue.members import MemberQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.refreshers import Context, Refresher, RefreshFailed
from pyworker.runner import Runner, open_context
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.states import events, job, price, settled, watch
from tests.worker.waiting import until

COLUMNS = "symbol text primary key, price numeric, note text, fetched_at timestamptz"


@dataclass
class Attempt:
    """Runs one claimed job with a refresher, on a stale AAPL at price 1."""

    connection: Connection
    quotes: DataType
    calls: Calls
    context: Context
    worker: int

    async def claim(self) -> Job:
        """Claim AAPL."""
        (claimed,) = (await LookQueue(self.calls).turn(self.worker, [self.quotes.name], 1)).jobs
        return claimed

    async def run(
        self,
        fetch: Callable[[Job, Context], Awaitable[Any]],
        *,
        claimed: Job | None = None,
        limit: float | None = None,
    ) -> Ended:
        """Run a fetch for AAPL."""
        refresher = Refresher(self.quotes.name, fetch, limit)
        runner = Runner(RefreshQueue(self.calls), {self.quotes.name: refresher}, self.context, 10)
        return await runner.run(claimed or await self.claim())

    async def fails(
        self,
        fetch: Callable[[Job, Context], Awaitable[Any]],
        limit: float | None = None,
        *,
        state: str = "scheduled",
    ) -> str:
        """Run a fetch that must fail and change nothing; returns the reason kept with the job."""
        ended = await self.run(fetch, limit=limit)
        assert ended.outcome == state
        assert ended.due_in is not None
        assert price(self.connection, self.quotes, "AAPL") == 1
        found, attempts, error, worker, held_back = job(
            self.connection,
            self.quotes,
            "AAPL",
            "j.state::text, j.attempts, j.last_error, j.worker, j.not_before > j.run_at",
        )
        assert (found, attempts, worker, held_back) == (state, 1, None, True)
        assert events(self.connection, self.quotes, "AAPL") == ["failed"]
        return str(error)

    async def fails_for_good(self, fetch: Callable[[Job, Context], Awaitable[Any]]) -> str:
        """Run a fetch that must set the key aside at once; returns the reason."""
        return await self.fails(fetch, state="failed")


@pytest.fixture
async def attempt(
    connection: Connection, register: Register, calls: Calls
) -> AsyncIterator[Attempt]:
    """A stale AAPL that somebody watches, and a worker to claim it."""
    quotes = register(COLUMNS)
    quotes.store(connection, "AAPL", 90)
    watch(connection, quotes, "AAPL")
    members = MemberQueue(calls)
    worker = await members.announce_worker("test", 15)
    async with open_context(1) as context:
        yield Attempt(connection, quotes, calls, context, worker)
    await members.dismiss_worker(worker)


def returning(value: Any) -> Callable[[Job, Context], Awaitable[Any]]:
    """A refresher that returns this."""

    async def fetch(_job: Job, _context: Context) -> Any:
        return value

    return fetch


def raising(error: BaseException) -> Callable[[Job, Context], Awaitable[Any]]:
    """A refresher that raises this."""

    async def fetch(_job: Job, _context: Context) -> Any:
        raise error

    return fetch


async def test_rows_are_stored_with_the_symbol_and_the_start_of_the_fetch(
    attempt: Attempt,
) -> None:
    claimed = await attempt.claim()
    ended = await attempt.run(returning([{"price": 2, "note": "ok"}]), claimed=claimed)
    assert ended.outcome == "fresh"
    assert ended.due_in is not None
    assert 50 < ended.due_in <= 60
    row = attempt.connection.execute(f"select * from {attempt.quotes.table}").fetchall()
    assert row == [("AAPL", 2, "ok", claimed.started_at)]


async def test_a_refresher_that_raises_fails_its_job(attempt: Attempt) -> None:
    assert (
        await attempt.fails(raising(LookupError("no such thing"))) == "LookupError: no such thing"
    )


async def test_an_error_without_words_is_named_by_its_type(attempt: Attempt) -> None:
    assert await attempt.fails(raising(LookupError())) == "LookupError"


async def test_the_words_of_refresh_failed_are_the_reason(attempt: Attempt) -> None:
    assert await attempt.fails(raising(RefreshFailed("closed on Sundays"))) == "closed on Sundays"


async def test_a_timeout_inside_the_refresher_is_not_taken_for_ours(attempt: Attempt) -> None:
    assert await attempt.fails(raising(TimeoutError("no lock"))) == "TimeoutError: no lock"


async def test_a_refresher_that_cancels_itself_fails_its_job(attempt: Attempt) -> None:
    """Else the job would stay running for as long as the worker lives."""
    assert "cancelled" in await attempt.fails(raising(asyncio.CancelledError()))


async def test_a_refresher_that_exits_fails_its_job(attempt: Attempt) -> None:
    assert await attempt.fails(raising(SystemExit(3))) == "SystemExit: 3"


class Panic(BaseException):
    """As an extension written in Rust raises it."""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Panic("index out of bounds")])
async def test_what_is_no_exception_fails_its_job_all_the_same(
    attempt: Attempt, error: BaseException
) -> None:
    assert await attempt.fails(raising(error)) in (
        "KeyboardInterrupt",
        "Panic: index out of bounds",
    )


async def test_an_error_of_a_task_group_is_the_one_inside(attempt: Attempt) -> None:
    group = ExceptionGroup("in a TaskGroup", [RefreshFailed("gone", permanent=True), KeyError("a")])
    assert await attempt.fails_for_good(raising(group)) == "gone (and 1 more)"


@pytest.mark.parametrize(
    "when", ["Wed, 21 Oct 2026 07:28:00 +99999999999999", "Wed, 21 Oct 99999999999 07:28:00 GMT"]
)
async def test_a_source_that_says_nonsense_of_when_to_come_back_fails_the_job(
    attempt: Attempt, when: str
) -> None:
    """Numbers of any length: what they raised left the job running for ever."""
    request = httpx.Request("GET", "https://api.example/quotes")
    answer = httpx.Response(503, headers={"Retry-After": when}, request=request)
    error = httpx.HTTPStatusError("", request=request, response=answer)
    assert await attempt.fails(raising(error)) == "api.example answered HTTP 503"


async def test_an_error_that_is_not_whole_fails_the_job(attempt: Attempt) -> None:
    error = httpx.HTTPStatusError("", request=None, response=None)  # type: ignore[arg-type]
    assert await attempt.fails(raising(error)) == "HTTPStatusError"


async def test_an_error_that_cannot_say_what_it_is_fails_the_job(attempt: Attempt) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    assert await attempt.fails(raising(Mute())) == "Mute"


async def test_a_refresher_that_hangs_is_timed_out(attempt: Attempt) -> None:
    async def hang(_job: Job, _context: Context) -> Sequence[Row]:
        await asyncio.Event().wait()
        return []

    assert await attempt.fails(hang, limit=0.05) == "no answer within 0.05 s"


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "NoneType"), ("AAPL", "str"), (b"{}", "bytes"), ({"price": 2}, "dict"), (2, "int")],
)
async def test_what_is_no_list_of_rows_fails_the_job(
    attempt: Attempt, value: Any, name: str
) -> None:
    assert await attempt.fails(returning(value)) == (
        f"a refresher returns a list of rows, not {name}; [] for nothing"
    )


@pytest.mark.parametrize("row", [2, None, "AAPL"])
async def test_a_row_that_is_no_mapping_fails_the_job(attempt: Attempt, row: Any) -> None:
    reason = await attempt.fails_for_good(returning([{"price": 2}, row]))
    assert reason == "a refresher returns a list of rows, each a mapping of columns"


async def test_rows_for_another_symbol_fail_the_job(attempt: Attempt) -> None:
    rows = [{"symbol": "AAPL", "price": 2}, {"symbol": "MSFT", "price": 3}]
    assert await attempt.fails(returning(rows)) == "rows for another symbol: MSFT, asked for AAPL"
    assert price(attempt.connection, attempt.quotes, "MSFT") is None


async def test_rows_older_than_the_stored_ones_fail_the_job(attempt: Attempt) -> None:
    rows = [{"price": 2, "fetched_at": datetime(2020, 1, 1, tzinfo=UTC)}]
    reason = await attempt.fails(returning(rows))
    assert reason.startswith("rows of 2020-01-01")
    assert "are older than the stored ones" in reason


async def test_an_unknown_column_is_named(attempt: Attempt) -> None:
    reason = await attempt.fails_for_good(returning([{"price": 2, "volume": 5}]))
    assert (
        reason == f'column "volume" of table {attempt.quotes.table} does not exist or is generated'
    )


async def test_a_value_of_the_wrong_type_is_named(attempt: Attempt) -> None:
    assert '"cheap"' in await attempt.fails_for_good(returning([{"price": "cheap"}]))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
async def test_a_number_that_is_none_fails_the_job(attempt: Attempt, number: float) -> None:
    assert "not JSON compliant" in await attempt.fails(returning([{"price": number}]))


async def test_a_nul_character_in_a_text_fails_the_job(attempt: Attempt) -> None:
    assert "Unicode" in await attempt.fails(returning([{"note": "a\0b"}]))


async def test_half_a_surrogate_pair_in_a_text_fails_the_job(attempt: Attempt) -> None:
    assert "json" in await attempt.fails(returning([{"note": "\ud83d"}]))


async def test_a_value_that_an_index_cannot_hold_fails_the_job(attempt: Attempt) -> None:
    """Postgres counts that as an operational error, but trying again would not help."""
    attempt.connection.execute(f"create index on {attempt.quotes.table} (note)")
    reason = await attempt.fails(returning([{"note": os.urandom(6000).hex()}]))
    assert reason.startswith("index row")


async def test_a_check_of_the_table_fails_the_job(attempt: Attempt) -> None:
    attempt.connection.execute(
        f"alter table {attempt.quotes.table} add constraint cheap check (price < 2)"
    )
    assert '"cheap"' in await attempt.fails(returning([{"price": 2}]))


async def test_a_trigger_of_the_table_that_raises_fails_the_job(attempt: Attempt) -> None:
    function = f"{attempt.quotes.table}_refuse()"
    attempt.connection.execute(
        f"create function {function} returns trigger language plpgsql as"
        " $$ begin raise exception 'not on my watch'; end $$"
    )
    attempt.connection.execute(
        f"create trigger refuse before insert or update on {attempt.quotes.table}"
        f" for each row execute function {function}"
    )
    assert await attempt.fails(returning([{"price": 2}])) == "not on my watch"
    attempt.connection.execute(f"drop function {function} cascade")


@pytest.mark.parametrize("text", ["a\0b", "a\ud83db"])
async def test_a_reason_that_postgres_cannot_store_is_made_storable(
    attempt: Attempt, text: str
) -> None:
    assert await attempt.fails(raising(ValueError(text))) in ("ValueError: ab", "ValueError: a?b")


async def test_a_reason_is_cut_at_1000_characters(attempt: Attempt) -> None:
    assert await attempt.fails(raising(RefreshFailed("é" * 2000))) == "é" * 1000


async def test_the_url_of_an_http_error_is_kept_out_of_the_reason(attempt: Attempt) -> None:
    """It may hold a key; so may a header that cannot be sent."""
    request = httpx.Request("GET", "https://api.example/quotes?key=s3cret")
    response = httpx.Response(401, request=request)

    async def refused(_job: Job, _context: Context) -> Sequence[Row]:
        response.raise_for_status()
        return []

    assert await attempt.fails_for_good(refused) == "api.example answered HTTP 401"


async def test_a_header_that_cannot_be_sent_is_kept_out_of_the_reason(attempt: Attempt) -> None:
    async def send(_job: Job, context: Context) -> Sequence[Row]:
        await context.http.get("http://127.0.0.1:9/", headers={"x-api-key": "s3cret\n"})
        return []

    reason = await attempt.fails(send)
    assert "s3cret" not in reason
    assert reason.startswith("127.0.0.1")


async def test_a_lost_fence_is_no_failure(attempt: Attempt) -> None:
    """The key belongs to another worker by now, and its job is left alone."""
    claimed = await attempt.claim()
    await MemberQueue(attempt.calls).dismiss_worker(attempt.worker)
    ended = await attempt.run(returning([{"price": 2}]), claimed=claimed)
    assert ended == Ended("lost", None)
    assert price(attempt.connection, attempt.quotes, "AAPL") == 1
    assert job(attempt.connection, attempt.quotes, "AAPL", "j.attempts, j.last_error") == (0, None)


async def test_a_failure_after_the_fence_was_lost_changes_nothing(attempt: Attempt) -> None:
    claimed = await attempt.claim()
    await MemberQueue(attempt.calls).dismiss_worker(attempt.worker)
    assert (await attempt.run(raising(ValueError()), claimed=claimed)).outcome == "lost"
    assert job(attempt.connection, attempt.quotes, "AAPL", "j.attempts, j.last_error") == (0, None)


async def test_after_the_last_attempt_a_key_is_set_aside(
    attempt: Attempt, connection: Connection, register: Register
) -> None:
    attempt.quotes = register(COLUMNS, max_attempts=1)
    watch(connection, attempt.quotes, "AAPL")
    assert (await attempt.run(raising(ValueError("no")))).outcome == "failed"
    assert job(connection, attempt.quotes, "AAPL", "j.state::text, j.last_error") == (
        "failed",
        "ValueError: no",
    )


@pytest.mark.usefixtures("mode")
async def test_other_jobs_go_on_when_one_fails(
    database: Database, connection: Connection, register: Register, recorder: Recorder
) -> None:
    """One that raises, one that exits, one that hangs: the keys of other data types are served."""
    bad, worse, hanging, good = register(), register(), register(), register()

    async def hang(_job: Job, _context: Context) -> Sequence[Row]:
        await asyncio.Event().wait()
        return []

    async with working(
        database.url,
        Refresher(bad.name, raising(ValueError("no"))),
        Refresher(worse.name, raising(SystemExit(1))),
        Refresher(hanging.name, hang, timeout=1),
        Refresher(good.name, recorder),
    ):
        for each in (hanging, bad, worse, good):
            watch(connection, each, "AAPL")
        await until(lambda: settled(connection, good, "AAPL"))
        kinds = [partial(events, connection, each, "AAPL") for each in (bad, worse, hanging)]
        await until(lambda: all("failed" in kind() for kind in kinds))
