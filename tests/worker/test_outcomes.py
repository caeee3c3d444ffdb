"""What refreshers can answer with, in threads and in batches. On the queue in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from pyworker import (
    Context,
    Job,
    Missing,
    Refresher,
    RefreshFailed,
    RetryAfter,
    Row,
    Rows,
    SyncContext,
    Unchanged,
    refresher,
)
from pyworker.errors import ConfigurationError
from pyworker.testing import RefresherTest
from tests.worker.provider import Answer, Provider
from tests.worker.waiting import until

SYMBOLS = ("A", "B", "C")


def answering(answer: Any) -> Refresher:
    @refresher("quote")
    async def quote(_job: Job, _context: Context) -> Any:
        return answer

    return quote


async def test_each_answer_has_its_outcome() -> None:
    moment = datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)
    for answer, outcome, due_in in (
        ([{"price": 1}], "fresh", 60),
        ([], "missing", 60),
        (Missing(), "missing", 60),
        (Unchanged(), "unchanged", 60),
        (RetryAfter(100), "retry_after", 100),
        (RetryAfter(moment), "retry_after", 100),
        (RetryAfter(-1), "scheduled", 1),
    ):
        async with RefresherTest(answering(answer)) as test:
            refreshed = await test.refresh("A")
        assert (refreshed.outcome, refreshed.due_in) == (outcome, due_in), answer


async def test_validators_come_back_with_the_next_job() -> None:
    seen: list[Mapping[str, str] | None] = []

    @refresher("quote")
    async def quote(job: Job, _context: Context) -> Rows | Unchanged:
        seen.append(job.validators)
        return Unchanged() if job.validators else Rows([{"price": 1}], validators={"etag": "x"})

    async with RefresherTest(quote) as test:
        outcomes = [(await test.refresh("A")).outcome for _ in range(3)]
    assert outcomes == ["fresh", "unchanged", "unchanged"]
    assert seen == [None, {"etag": "x"}, {"etag": "x"}]


@pytest.mark.parametrize("when", [float("nan"), float("inf"), datetime(2026, 1, 1)])  # noqa: DTZ001
def test_a_time_to_come_back_that_is_none_is_refused(when: Any) -> None:
    with pytest.raises(ValueError, match="RetryAfter"):
        RetryAfter(when)


async def test_a_permanent_failure_sets_a_key_aside_at_once() -> None:
    @refresher("quote")
    async def quote(_job: Job, _context: Context) -> list[Row]:
        raise RefreshFailed("delisted", permanent=True)

    async with RefresherTest(quote) as test:
        refreshed = await test.refresh("A")
        assert (refreshed.outcome, refreshed.reason) == ("failed", "delisted")
        with pytest.raises(AssertionError, match="A is held back"):
            await test.refresh("A")
        test.queue.retry("A")
        assert (await test.refresh("A")).outcome == "failed"


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "due_in"),
    [
        (429, {"Retry-After": "7"}, "retry_after", 7),
        (503, {"Retry-After": "7"}, "retry_after", 7),
        (500, {"Retry-After": "7"}, "scheduled", 1),
        (429, {}, "retry_after", 10),
        (429, {"Retry-After": "0"}, "retry_after", 10),
        (429, {"Retry-After": "soon"}, "retry_after", 10),
        (503, {}, "scheduled", 1),
        (401, {}, "failed", 3600),
        (403, {}, "failed", 3600),
        (404, {}, "failed", 3600),
    ],
)
async def test_raise_for_status_is_understood(
    provider: Provider, status: int, headers: dict[str, str], outcome: str, due_in: float
) -> None:
    provider.respond = lambda _path, _number: Answer({}, status, headers)

    @refresher("quote")
    async def quote(job: Job, context: Context) -> list[Row]:
        (await context.http.get(f"{provider.url}/{job.symbol}")).raise_for_status()
        return []

    async with RefresherTest(quote) as test:
        refreshed = await test.refresh("A")
    assert (refreshed.outcome, refreshed.due_in) == (outcome, due_in)
    assert refreshed.reason == f"127.0.0.1 answered HTTP {status}"


async def test_the_bytes_of_answers_are_counted(provider: Provider) -> None:
    """Of the async client and of that for threads; nobody else's."""
    provider.respond = lambda _path, _number: Answer(b"[]" + b" " * 98)

    @refresher("quote")
    async def quote(job: Job, context: Context) -> list[Row]:
        if job.symbol == "A":
            await context.http.get(f"{provider.url}/1")
            await context.http.get(f"{provider.url}/2")
        return []

    @refresher("news")
    def news(_job: Job, context: SyncContext) -> list[Row]:
        context.http.get(f"{provider.url}/1")
        return []

    async with RefresherTest(quote) as test:
        found = await test.refresh_all("A", "B")
        assert (found["A"].received, found["B"].received) == (200, None)
    async with RefresherTest(news) as test:
        assert (await test.refresh("A")).received == 100


async def test_a_plain_function_runs_in_a_thread_of_its_own() -> None:
    """And the others go on meanwhile."""
    together = threading.Barrier(3)
    names: set[str] = set()

    @refresher("quote")
    def quote(job: Job, _context: SyncContext) -> list[Row]:
        names.add(threading.current_thread().name)
        together.wait(10)
        return [{"price": len(job.symbol)}]

    async with RefresherTest(quote) as test:
        found = await test.refresh_all(*SYMBOLS)
    assert {each.outcome for each in found.values()} == {"fresh"}
    assert names == {"refresher"}


async def test_what_a_plain_function_raises_fails_its_job() -> None:
    for error, reason in (
        (LookupError("none"), "LookupError: none"),
        (StopIteration("none"), "RuntimeError: coroutine raised StopIteration"),
        (SystemExit("none"), "SystemExit: none"),
    ):

        @refresher("quote")
        def quote(_job: Job, _context: SyncContext, error: Any = error) -> list[Row]:
            raise error

        async with RefresherTest(quote) as test:
            refreshed = await test.refresh("A")
        assert (refreshed.outcome, refreshed.reason) == ("scheduled", reason)


async def test_a_thread_that_cannot_be_stopped_is_left_alone() -> None:
    """Its job fails in time, and what it returns later is dropped."""
    release, ended = threading.Event(), threading.Event()

    @refresher("quote", timeout=0.05)
    def quote(_job: Job, _context: SyncContext) -> list[Row]:
        release.wait(10)
        ended.set()
        return [{"price": 1}]

    async with RefresherTest(quote) as test:
        refreshed = await test.refresh("A")
        assert refreshed.outcome == "scheduled"
        assert refreshed.reason == (
            "no answer within 0.05 s; its thread goes on, and its result is dropped"
        )
        release.set()
        await until(ended.is_set)
        assert test.rows("A") == []


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_batch_refresher_gets_several_jobs_in_one_call(*, is_async: bool) -> None:
    calls: list[list[str]] = []

    def answer(jobs: Sequence[Job]) -> dict[str, list[Row]]:
        calls.append(sorted(job.symbol for job in jobs))
        return {job.symbol: [{"price": 1}] for job in jobs if job.symbol != "C"}

    @refresher("quote", max_batch=2)
    async def in_loop(jobs: Sequence[Job], _context: Context) -> dict[str, list[Row]]:
        return answer(jobs)

    @refresher("quote", max_batch=2)
    def in_thread(jobs: Sequence[Job], _context: SyncContext) -> dict[str, list[Row]]:
        return answer(jobs)

    async with RefresherTest(in_loop if is_async else in_thread) as test:
        found = await test.refresh_all(*SYMBOLS)
    assert [found[symbol].outcome for symbol in SYMBOLS] == ["fresh", "fresh", "missing"]
    assert sorted(calls) == [["A", "B"], ["C"]]


async def test_each_key_of_a_batch_has_an_outcome_of_its_own() -> None:
    @refresher("quote", max_batch=10)
    async def quote(jobs: Sequence[Job], _context: Context) -> Mapping[str, Any]:
        assert len(jobs) == 6
        return {
            "A": [{"price": 1}],
            "B": Unchanged(),
            "C": RetryAfter(9),
            "D": RefreshFailed("delisted", permanent=True),
            "E": "no rows",
        }

    async with RefresherTest(quote) as test:
        found = await test.refresh_all("A", "B", "C", "D", "E", "F")
    assert {symbol: each.outcome for symbol, each in found.items()} == {
        "A": "fresh",
        "B": "unchanged",
        "C": "retry_after",
        "D": "failed",
        "E": "scheduled",
        "F": "missing",
    }


@pytest.mark.parametrize("permanent", [True, False])
async def test_a_poisoned_key_does_not_hold_up_the_others(*, permanent: bool) -> None:
    """After a permanent error each goes alone; after a passing one they go together again."""
    calls: list[list[str]] = []

    @refresher("quote", max_batch=10)
    async def quote(jobs: Sequence[Job], _context: Context) -> Mapping[str, list[Row]]:
        calls.append(sorted(job.symbol for job in jobs))
        if len(calls) == 1 or ("B" in calls[-1] and permanent):
            raise RefreshFailed("no such symbol", permanent=permanent)
        return {job.symbol: [{"price": 1}] for job in jobs}

    async with RefresherTest(quote) as test:
        first = await test.refresh_all(*SYMBOLS)
        assert {each.outcome for each in first.values()} == {"scheduled"}
        test.clock.advance(1)
        second = await test.refresh_all(*SYMBOLS)
    outcomes = [second[symbol].outcome for symbol in SYMBOLS]
    if permanent:
        assert first["A"].reason == "no such symbol (in a batch of 3 keys)"
        assert outcomes == ["fresh", "failed", "fresh"]
        assert sorted(calls[1:]) == [["A"], ["B"], ["C"]]
    else:
        assert outcomes == ["fresh"] * 3
        assert calls[1:] == [["A", "B", "C"]]


@pytest.mark.parametrize("answer", [None, [], "A", 5])
async def test_a_batch_refresher_that_returns_no_mapping_fails_each_key(answer: Any) -> None:
    @refresher("quote", max_batch=10)
    async def quote(_jobs: Sequence[Job], _context: Context) -> Any:
        return answer

    async with RefresherTest(quote) as test:
        found = await test.refresh_all(*SYMBOLS)
    for each in found.values():
        assert each.outcome == "scheduled"
        assert "returns a mapping of symbols to rows" in str(each.reason)


async def test_a_batch_goes_on_for_those_who_wait_and_ends_with_the_last() -> None:
    """One whose fence is lost is cancelled: the others still want theirs."""
    started, cancelled, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @refresher("quote", max_batch=2)
    async def quote(jobs: Sequence[Job], _context: Context) -> Mapping[str, list[Row]]:
        started.set()
        try:
            await release.wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return {job.symbol: [{"price": 1}] for job in jobs}

    async with RefresherTest(quote) as test:
        one, two = (asyncio.create_task(test.refresh(symbol)) for symbol in ("A", "B"))
        await started.wait()
        one.cancel()
        await asyncio.wait([one])
        release.set()
        assert (await two).outcome == "fresh"
        assert not cancelled.is_set()

        started.clear()
        release.clear()
        test.clock.advance(61)
        tasks = [asyncio.create_task(test.refresh(symbol)) for symbol in ("C", "B")]
        await started.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait([*tasks, asyncio.create_task(cancelled.wait())], timeout=10)
        assert cancelled.is_set()


async def test_a_batch_refresher_can_be_called_for_one_job() -> None:
    @refresher("quote", max_batch=2)
    async def quote(jobs: Sequence[Job], _context: Context) -> Mapping[str, list[Row]]:
        return {job.symbol: [{"price": 1}] for job in jobs}

    now = datetime.now(UTC)
    async with httpx.AsyncClient() as client:
        rows = await quote(Job("quote", "A", 1, now, None, 0, now), Context(client))
    assert rows == [{"price": 1}]


def test_what_is_no_refresher_is_refused() -> None:
    def rows(_job: Any, _context: Any) -> Any:
        yield {}

    with pytest.raises(ConfigurationError, match="the refresher of quote yields"):
        refresher("quote")(rows)
    with pytest.raises(ConfigurationError, match="max_batch of quote is 0"):
        refresher("quote", max_batch=0)


async def test_a_source_that_repeats_what_is_stale_is_asked_after_growing_waits() -> None:
    """By the timestamps of the source: the row stays as it is, and is shown as stale."""

    @refresher("quote")
    async def quote(_job: Job, _context: Context) -> list[Row]:
        return [{"price": 1, "fetched_at": "2026-01-01T00:00:00Z"}]

    waits = []
    async with RefresherTest(quote) as test:
        assert (await test.refresh("A")).outcome == "fresh"
        test.clock.advance(61)
        for _ in range(8):
            refreshed = await test.refresh("A")
            assert refreshed.outcome == "stale"
            assert refreshed.due_in is not None
            waits.append(refreshed.due_in)
            test.clock.advance(refreshed.due_in)
    assert waits[0] == 3.75
    assert all(later >= earlier for earlier, later in pairwise(waits))
    assert waits[-1] > 100


async def test_the_clock_of_a_test_is_its_own() -> None:
    before = time.monotonic()
    async with RefresherTest(answering([{"price": 1}]), ttl=86400) as test:
        await test.refresh("A")
        [row] = test.rows("A")
        test.clock.advance(86401)
        assert test.clock.now() - row["fetched_at"] == timedelta(seconds=86401)
    assert time.monotonic() - before < 5


async def test_a_table_without_a_symbol_column_can_be_tested() -> None:
    rows = [{"pair": "EURUSD", "rate": 1}, {"pair": "EURCHF", "rate": 2}]
    async with RefresherTest(answering(rows), symbol_column=None, key_columns=["pair"]) as test:
        found = (await test.refresh("GLOBAL")).rows
    assert [{**row, "fetched_at": None} for row in found] == [
        {**row, "fetched_at": None} for row in rows
    ]
