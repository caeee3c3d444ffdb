"""A source's budget holds, whoever claims and whatever becomes of the calls."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.workers import Announce, Claimed, Worker

WORKERS = 8
SYMBOLS = [f"S{number}" for number in range(300)]
QUOTES = "symbol text primary key, price numeric, fetched_at timestamptz"

Source = Callable[..., str]


@pytest.fixture
def source(connection: Connection) -> Iterator[Source]:
    """`source(calls_per_minute=5)` registers one, gone after the test."""
    names: list[str] = []

    def create(**limits: int) -> str:
        names.append(f"api-{uuid4().hex[:12]}")
        named = "".join(f", {limit} => %s" for limit in limits)
        connection.execute(
            f"select freshness.register_source(%s{named})".encode(), [names[-1], *limits.values()]
        )
        return names[-1]

    yield create
    for name in names:
        connection.execute("select freshness.unregister_source(%s)", [name])


def _queue_all(connection: Connection, quotes: DataType) -> None:
    connection.execute("select freshness.request(%s, %s)", [quotes.name, SYMBOLS])


def _let_a_minute_pass(connection: Connection, name: str) -> None:
    """Move all that was spent, and the even pace, a minute into the past."""
    connection.execute(
        "update freshness.spent_calls set spent_at = spent_at - interval '1 minute'"
        " where source = %s",
        [name],
    )
    connection.execute(
        "update freshness.sources set tokens_at = tokens_at - interval '1 minute' where name = %s",
        [name],
    )


def _end_somehow(worker: Worker, job: Claimed) -> bool:
    """Finish, fail, or die; returns whether the worker lives."""
    match random.randrange(5):  # noqa: S311 - no secret
        case 0:
            worker.fail(job, "no answer")
        case 1:
            worker.miss_heartbeats()
            return False
        case _:
            worker.finish(job, {"price": 1})
    return True


def test_eight_workers_stay_within_a_minutes_calls(
    connection: Connection,
    connect: Connect,
    announce: Announce,
    register: Register,
    source: Source,
) -> None:
    """Forty calls a minute, of which five at a time, for three hundred due keys."""
    name = source(calls_per_minute=40, calls_in_flight=5)
    quotes = register(QUOTES, ttl="1 hour", source=name)
    _queue_all(connection, quotes)
    in_flight, most_in_flight, calls = 0, 0, 0
    counting = threading.Lock()
    stop = threading.Event()

    def work(worker: Worker) -> None:
        nonlocal in_flight, most_in_flight, calls
        while not stop.is_set():
            jobs = worker.claim(quotes.name, limit=3)
            with counting:
                calls += len(jobs)
                in_flight += len(jobs)
                most_in_flight = max(most_in_flight, in_flight)
            for number, job in enumerate(jobs):
                # Before its end is on record, as the source sees it.
                with counting:
                    in_flight -= 1
                if not _end_somehow(worker, job):
                    with counting:
                        in_flight -= len(jobs) - number - 1
                    worker = announce(worker.connection)
                    break

    workers = [announce(connect()) for _ in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as executor:
        running = [executor.submit(work, worker) for worker in workers]
        seen = []
        for minute in range(1, 4):
            give_up = time.monotonic() + 20
            while calls < 40 * minute and time.monotonic() < give_up:
                time.sleep(0.01)
            # Time enough for one more, if the budget let it pass.
            time.sleep(0.5)
            seen.append(calls)
            _let_a_minute_pass(connection, name)
        stop.set()
        for task in running:
            task.result()
    assert seen == [40, 80, 120]
    assert most_in_flight <= 5


def test_a_crash_between_claim_and_end_gives_no_call_back(
    connection: Connection, announce: Announce, register: Register, source: Source
) -> None:
    """The calls of a worker that died count from when they were taken over."""
    name = source(calls_per_minute=10)
    quotes = register(QUOTES, ttl="1 hour", source=name)
    _queue_all(connection, quotes)
    dead, alive = announce(), announce()
    assert len(dead.claim(quotes.name)) == 10
    dead.miss_heartbeats()
    assert alive.claim(quotes.name) == []
    _let_a_minute_pass(connection, name)
    assert len(alive.claim(quotes.name)) == 10


def test_calls_start_at_an_even_pace_after_a_burst(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """Six hundred a minute, two at once: the third 100 ms later."""
    quotes = register(QUOTES, ttl="1 hour", source=source(calls_per_minute=600, burst=2))
    _queue_all(connection, quotes)
    assert len(worker.claim(quotes.name)) == 2
    began = time.monotonic()
    claimed = 0
    while claimed < 5:
        claimed += len(worker.claim(quotes.name))
        time.sleep(0.01)
    assert time.monotonic() - began >= 0.35


def test_a_worker_sleeps_until_its_source_opens(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """Not until the deadline, which has passed."""
    quotes = register(QUOTES, ttl="1 hour", source=source(calls_per_minute=6, burst=1))
    _queue_all(connection, quotes)
    worker.claim(quotes.name)
    [seconds] = connection.execute(
        "select freshness.seconds_until(freshness.next_moment(%s, %s))",
        [worker.number, [quotes.name]],
    ).fetchone() or (None,)
    assert seconds is not None
    assert 8 < seconds <= 10


def test_a_source_without_limits_holds_nothing_up(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """Neither does one that is not registered at all."""
    for name in (source(), "nobody-registered-this"):
        quotes = register(QUOTES, ttl="1 hour", source=name)
        _queue_all(connection, quotes)
        assert len(worker.claim(quotes.name, limit=1000)) == len(SYMBOLS)


def test_two_data_types_share_the_budget_of_their_source(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """A refresh of the second makes five calls."""
    name = source(calls_per_minute=20)
    first = register(QUOTES, ttl="1 hour", source=name)
    second = register(QUOTES, ttl="1 hour", source=name, calls_per_refresh=5, priority=1)
    _queue_all(connection, first)
    connection.execute("select freshness.request(%s, %s)", [second.name, SYMBOLS[:3]])
    claimed = [job.data_type for job in worker.claim(first.name, second.name)]
    assert (claimed.count(second.name), claimed.count(first.name)) == (3, 5)


def test_a_call_that_took_fewer_than_reserved_gives_the_rest_back(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """As the keys of a batch do, which were fetched in one call."""
    quotes = register(QUOTES, ttl="1 hour", source=source(calls_per_minute=10))
    _queue_all(connection, quotes)
    for job in worker.claim(quotes.name)[1:]:
        connection.execute(
            "select freshness.finish(%s, %s, %s, '[{\"price\": 1}]', p_calls => 0)", list(job)
        )
    assert len(worker.claim(quotes.name)) == 9


def test_a_worker_that_ends_a_call_is_told_to_claim_again_when_others_wait(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """Else at its key's next deadline."""
    quotes = register(QUOTES, ttl="1 hour", source=source(calls_in_flight=1))
    connection.execute("select freshness.request(%s, %s)", [quotes.name, SYMBOLS[:2]])
    due_in = []
    for _ in range(2):
        [job] = worker.claim(quotes.name)
        row = connection.execute(
            "select due_in from freshness.finish(%s, %s, %s, '[{\"price\": 1}]')", list(job)
        ).fetchone()
        assert row is not None
        due_in.append(row[0])
    assert due_in[0] <= 0
    assert due_in[1] is None or due_in[1] > 1


def test_a_source_that_asks_for_a_pause_gets_it_for_all_its_keys(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """Also those of another data type."""
    name = source(calls_per_minute=100)
    first = register(QUOTES, ttl="1 hour", source=name)
    second = register(QUOTES, ttl="1 hour", source=name)
    for quotes in (first, second):
        connection.execute("select freshness.request(%s, %s)", [quotes.name, SYMBOLS[:2]])
    [job] = worker.claim(first.name, limit=1)
    connection.execute(
        "select freshness.fail(%s, %s, %s, 'HTTP 429',"
        " p_retry_at => clock_timestamp() + interval '30 seconds')",
        list(job),
    )
    assert worker.claim(first.name, second.name) == []
    connection.execute("update freshness.sources set paused_until = now() where name = %s", [name])
    assert len(worker.claim(first.name, second.name)) == 3


def test_a_source_that_is_down_is_tried_with_one_key_after_a_pause(
    connection: Connection, worker: Worker, register: Register, source: Source
) -> None:
    """Five failures pause it; one success opens it again."""
    name = source(calls_per_minute=100)
    quotes = register(QUOTES, ttl="1 hour", source=name)
    _queue_all(connection, quotes)
    for job in worker.claim(quotes.name, limit=5):
        connection.execute(
            "select freshness.fail(%s, %s, %s, 'HTTP 500', p_of_source => true)", list(job)
        )
    assert worker.claim(quotes.name) == []
    connection.execute("update freshness.sources set paused_until = now() where name = %s", [name])
    [trial] = worker.claim(quotes.name)
    assert worker.claim(quotes.name) == []
    worker.finish(trial, {"price": 1})
    assert len(worker.claim(quotes.name, limit=20)) == 20
