"""The queue in memory and the queue in Postgres end refreshes alike."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from pyworker.errors import FenceLost, RowsRejected
from pyworker.job import Job
from pyworker.queue.calls import open_calls
from pyworker.queue.members import MemberQueue
from tests.fixtures.connections import Connection
from tests.fixtures.servers import Database
from tests.testing.stages import BACKOFF, MAX_ATTEMPTS, TTL, MemoryStage, PostgresStage, Stage

VALIDATORS = {"etag": '"1"'}


@pytest.fixture(params=["memory", "postgres"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Each test runs on both."""
    if request.param == "memory":
        yield MemoryStage()
        return
    # Asked for only here: the other half needs no database.
    database: Database = request.getfixturevalue("database")
    connection: Connection = request.getfixturevalue("connection")
    first, longest = (f"{seconds} s" for seconds in BACKOFF)
    quotes = request.getfixturevalue("register")(
        max_attempts=MAX_ATTEMPTS, backoff_first=first, backoff_longest=longest
    )
    async with open_calls(database.url, 2) as calls:
        members = MemberQueue(calls)
        worker = await members.announce_worker("test", 3600)
        yield PostgresStage(connection, quotes, calls, worker)
        await members.dismiss_worker(worker)


async def due(stage: Stage, symbol: str = "A") -> Job:
    """Claim the only job that is due."""
    await stage.watch(symbol)
    [job] = await stage.claim()
    assert job.symbol == symbol
    return job


def about(seconds: float, error: float = 1) -> Any:
    """So many seconds, but for what the test itself takes."""
    return pytest.approx(seconds, abs=error)


def in_about(seconds: float) -> Any:
    """Between half of it and all, as random waits are, or a little less."""
    return pytest.approx(seconds * 0.75, abs=seconds * 0.25 + 0.5)


async def test_new_rows_make_a_key_fresh_for_a_ttl(stage: Stage) -> None:
    job = await due(stage)
    assert (job.stored_at, job.attempts, job.validators, job.alone) == (None, 0, None, False)
    ended = await stage.queue.finish(job, [{"price": 2}], received=10)
    assert (ended.outcome, ended.due_in) == ("fresh", about(TTL))
    assert await stage.price("A") == 2
    assert await stage.claim() == []
    await stage.advance(TTL + 1)
    [again] = await stage.claim()
    assert again.stored_at is not None


async def test_an_answer_without_rows_is_asked_for_again_a_ttl_later(stage: Stage) -> None:
    ended = await stage.queue.finish(await due(stage), [])
    assert (ended.outcome, ended.due_in) == ("missing", about(TTL))
    assert await stage.price("A") is None


async def test_what_the_source_confirms_is_fresh_for_a_ttl(stage: Stage) -> None:
    """And its validators stay until other rows come."""
    await stage.store("A", TTL * 2)
    ended = await stage.queue.finish(await due(stage), None, validators=VALIDATORS)
    assert (ended.outcome, ended.due_in) == ("unchanged", about(TTL))
    await stage.advance(TTL + 1)
    job = await due(stage)
    assert job.validators == VALIDATORS
    await stage.queue.finish(job, None)
    await stage.advance(TTL + 1)
    job = await due(stage)
    assert job.validators == VALIDATORS
    await stage.queue.finish(job, [{"price": 3}])
    await stage.advance(TTL + 1)
    assert (await due(stage)).validators is None


async def test_validators_of_rows_that_were_deleted_are_forgotten(stage: Stage) -> None:
    await stage.queue.finish(await due(stage), [{"price": 1}], validators=VALIDATORS)
    await stage.advance(TTL + 1)
    await stage.delete("A")
    assert (await due(stage)).validators is None


async def test_rows_that_are_deleted_meanwhile_are_not_confirmed(stage: Stage) -> None:
    await stage.store("A", TTL * 2)
    job = await due(stage)
    await stage.delete("A")
    ended = await stage.queue.finish(job, None, validators=VALIDATORS)
    assert ended.outcome == "unchanged"
    assert (await due(stage)).validators is None


async def test_a_source_that_repeats_what_is_stale_is_asked_after_growing_waits(
    stage: Stage,
) -> None:
    """As long as the rows have been stale, up to the ttl here."""
    at = stage.now() - timedelta(seconds=TTL + 10)
    await stage.queue.finish(await due(stage), [{"price": 1, "fetched_at": at}])
    await stage.advance(TTL + 1)
    job = await due(stage)
    assert job.stored_at is not None
    repeated = {"price": 2, "fetched_at": job.stored_at}
    ended = await stage.queue.finish(job, [repeated], validators=VALIDATORS)
    assert (ended.outcome, ended.due_in) == ("stale", in_about(TTL))
    assert await stage.price("A") == 2
    await stage.request("A")
    assert await stage.claim() == []
    await stage.advance(TTL + 1)
    job = await due(stage)
    assert (job.attempts, job.validators) == (0, None)
    assert (await stage.queue.finish(job, [{"price": 3}])).outcome == "fresh"
    assert await stage.kinds("A") == ["fresh", "stale", "fresh"]


async def test_the_same_timestamp_while_it_is_fresh_is_unchanged(stage: Stage) -> None:
    await stage.store("A", TTL / 2)
    await stage.watch("A")
    await stage.request("A")
    [job] = await stage.claim()
    ended = await stage.queue.finish(job, [{"price": 2, "fetched_at": job.stored_at}])
    assert (ended.outcome, ended.due_in) == ("unchanged", about(TTL))


async def test_rows_older_than_the_stored_ones_are_refused(stage: Stage) -> None:
    await stage.store("A", TTL * 2)
    job = await due(stage)
    older = stage.now() - timedelta(days=1)
    with pytest.raises(RowsRejected, match="are older than the stored ones") as caught:
        await stage.queue.finish(job, [{"price": 2, "fetched_at": older}])
    assert not caught.value.permanent
    assert await stage.price("A") == 1
    assert (await stage.queue.fail(job, "old")).outcome == "scheduled"


async def test_newer_rows_of_somebody_else_stay(stage: Stage) -> None:
    job = await due(stage)
    await stage.store("A", 0, 5)
    at = stage.now() - timedelta(seconds=30)
    ended = await stage.queue.finish(job, [{"price": 2, "fetched_at": at}], validators=VALIDATORS)
    assert ended.outcome == "superseded"
    assert await stage.price("A") == 5


@pytest.mark.parametrize(
    ("rows", "words", "permanent"),
    [
        ([{"symbol": "B", "price": 1}], "rows for another symbol: B, asked for A", False),
        ([{"prise": 1}], 'column "prise" .*does not exist', True),
        ([1], "each a mapping of columns", True),
        ([{"price": 1, "fetched_at": "yesterday-ish"}], "yesterday-ish", True),
        ([{"price": 1}, {"price": 2}], "^two rows of the answer have the same key columns$", False),
        ([{"price": float("nan")}], "^price cannot be stored: Out of range float", False),
        ([{"price": {1, 2}}], "^price cannot be stored: a set has no text of its own$", False),
        ([{"price": object()}], "^price cannot be stored: a object has no text of its own$", False),
    ],
)
async def test_rows_that_do_not_fit_are_refused_and_change_nothing(
    stage: Stage, rows: list[Any], words: str, *, permanent: bool
) -> None:
    job = await due(stage)
    with pytest.raises(RowsRejected) as caught:
        await stage.queue.finish(job, rows)
    assert re.search(words, caught.value.message)
    assert caught.value.permanent is permanent
    assert await stage.price("A") is None
    assert (await stage.queue.finish(job, [{"price": 1}])).outcome == "fresh"


async def test_failures_are_tried_again_after_growing_waits_and_then_set_aside(
    stage: Stage,
) -> None:
    waits = []
    for attempt in range(MAX_ATTEMPTS):
        job = await due(stage)
        assert job.attempts == attempt
        ended = await stage.queue.fail(job, "no")
        waits.append(ended.due_in)
        if ended.outcome == "scheduled":
            await stage.advance(BACKOFF[0] * 2**attempt)
    assert ended.outcome == "failed"
    assert waits == [in_about(BACKOFF[0]), in_about(BACKOFF[0] * 2), about(3600)]
    assert await stage.kinds("A") == ["failed"] * MAX_ATTEMPTS
    await stage.retry("A")
    assert (await due(stage)).attempts == 0


async def test_a_permanent_error_sets_a_key_aside_at_once(stage: Stage) -> None:
    ended = await stage.queue.fail(await due(stage), "HTTP 404", permanent=True)
    assert (ended.outcome, ended.due_in) == ("failed", about(3600))


async def test_a_time_to_come_back_is_kept_and_is_no_failure(stage: Stage) -> None:
    """In seconds, and as a moment."""
    ended = await stage.queue.fail(await due(stage), "limited", retry_after=100)
    assert (ended.outcome, ended.due_in) == ("retry_after", about(105, 6))
    await stage.advance(111)
    job = await due(stage)
    assert job.attempts == 0
    ended = await stage.queue.fail(job, "limited", retry_after=stage.now() + timedelta(seconds=200))
    assert (ended.outcome, ended.due_in) == ("retry_after", about(205, 6))
    assert await stage.kinds("A") == ["retry_after", "retry_after"]


@pytest.mark.parametrize("seconds", [0, -5])
async def test_a_time_to_come_back_that_is_past_says_nothing(stage: Stage, seconds: float) -> None:
    ended = await stage.queue.fail(await due(stage), "limited", retry_after=seconds)
    assert (ended.outcome, ended.due_in) == ("scheduled", in_about(BACKOFF[0]))
    await stage.advance(BACKOFF[0])
    assert (await due(stage)).attempts == 1


async def test_no_time_to_come_back_is_longer_than_a_week(stage: Stage) -> None:
    ended = await stage.queue.fail(await due(stage), "limited", retry_after=1e12)
    assert ended.due_in == about(7 * 86400, 11)


async def test_what_spoiled_a_batch_goes_alone_until_it_succeeds(stage: Stage) -> None:
    await stage.queue.fail(await due(stage), "batch", alone=True)
    await stage.advance(BACKOFF[0])
    job = await due(stage)
    assert job.alone
    await stage.queue.finish(job, [{"price": 1}])
    await stage.advance(TTL + 1)
    assert not (await due(stage)).alone


async def test_a_request_during_a_refresh_starts_one_more(stage: Stage) -> None:
    """Also in the same moment, where the clock stands still."""
    job = await due(stage)
    await stage.request("A")
    ended = await stage.queue.finish(job, [{"price": 1}])
    assert ended.due_in == about(0)
    assert len(await stage.claim()) == 1


async def test_a_fence_ends_one_refresh_only(stage: Stage) -> None:
    job = await due(stage)
    await stage.queue.finish(job, [{"price": 1}])
    with pytest.raises(FenceLost):
        await stage.queue.finish(job, [{"price": 2}])
    assert (await stage.queue.fail(job, "late")).outcome == "lost"
    assert await stage.price("A") == 1


async def test_a_key_that_is_fresh_is_not_fetched_because_it_was_released(stage: Stage) -> None:
    await stage.queue.finish(await due(stage), [{"price": 1}])
    await stage.retry("A")
    assert await stage.claim() == []
    await stage.advance(TTL + 1)
    assert [job.symbol for job in await stage.claim()] == ["A"]


async def test_fresh_rows_of_somebody_else_end_the_count_of_failures(stage: Stage) -> None:
    await stage.queue.fail(await due(stage), "no", permanent=True)
    await stage.advance(3601)
    await stage.store("A", 0)
    assert await stage.claim() == []
    await stage.request("A")
    assert (await due(stage)).attempts == 0


async def test_rows_far_in_the_future_count_for_nothing_and_give_way(stage: Stage) -> None:
    await stage.watch("A")
    await stage.store("A", -1000)
    job = await due(stage)
    assert job.stored_at is None
    assert (await stage.queue.finish(job, [{"price": 7}])).outcome == "fresh"
    assert await stage.price("A") == 7


async def test_rows_of_somebody_else_that_are_older_are_due_at_once(stage: Stage) -> None:
    """Although the source has just confirmed the newer ones."""
    await stage.store("A", 10)
    await stage.watch("A")
    await stage.request("A")
    assert (await stage.queue.finish(await due(stage), None)).outcome == "unchanged"
    await stage.store("A", TTL + 30)
    assert (await due(stage)).validators is None
