"""However many ask for a key at the same moment, it gets one job and one refresh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber
from tests.fixtures.workers import Worker

CONNECTIONS = 32
SYMBOLS = ["AAPL", "IBM", "MSFT"]
Ask = tuple[str, Sequence[Any]]


@pytest.fixture
def crowd(connect: Connect) -> list[Connection]:
    """Many open connections."""
    return [connect() for _ in range(CONNECTIONS)]


def _at_once(crowd: list[Connection], ask: Callable[[int], Ask]) -> None:
    """Each connection executes its statement, all at the same moment."""
    barrier = Barrier(len(crowd))

    def run(number: int) -> None:
        statement, parameters = ask(number)
        barrier.wait(timeout=30)
        crowd[number].execute(statement.encode(), parameters)

    with ThreadPoolExecutor(len(crowd)) as executor:
        list(executor.map(run, range(len(crowd))))


def _jobs(connection: Connection, quotes: DataType) -> list[str]:
    rows = connection.execute(
        "select symbol from freshness.jobs where data_type = %s order by symbol", [quotes.name]
    )
    return [row[0] for row in rows.fetchall()]


WAYS: dict[str, Callable[[str, int], Ask]] = {
    "request": lambda name, _: ("select freshness.request(%s, %s)", [name, SYMBOLS]),
    "refresh now": lambda name, _: ("select freshness.request(%s, %s, true)", [name, SYMBOLS]),
    "watch": lambda name, number: (
        "select freshness.watch(%s, %s, %s)",
        [[name] * 3, SYMBOLS if number % 2 else SYMBOLS[::-1], f"user:{number}"],
    ),
    "queue_refresh_if_not_exists_v2": lambda name, _: (
        "select public.queue_refresh_if_not_exists_v2(s, %s) from unnest(%s::text[]) as s",
        [name, SYMBOLS],
    ),
    "check_and_queue_stale_batch_v2": lambda name, _: (
        "select public.check_and_queue_stale_batch_v2(s, array[%s]) from unnest(%s::text[]) as s",
        [name, SYMBOLS],
    ),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_32_connections_that_ask_for_three_keys_make_three_jobs(
    crowd: list[Connection], connection: Connection, quotes: DataType, worker: Worker, way: str
) -> None:
    """Nobody fails, and each key is handed out once."""
    _at_once(crowd, lambda number: WAYS[way](quotes.name, number))
    assert _jobs(connection, quotes) == SYMBOLS
    assert sorted(job.symbol for job in worker.claim(quotes.name)) == SYMBOLS
    assert worker.claim(quotes.name) == []


def test_32_workers_that_claim_at_once_share_the_jobs(
    crowd: list[Connection], connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """No job goes to two of them, and none is left."""
    connection.execute(
        "select freshness.request(%s, array(select 'S' || n from generate_series(1, 100) as n))",
        [quotes.name],
    )
    _at_once(
        crowd,
        lambda _: ("select * from freshness.claim(%s, array[%s], 4)", [worker.number, quotes.name]),
    )
    assert connection.execute(
        "select count(*), count(distinct fence), count(distinct symbol) from freshness.jobs"
        " where data_type = %s and state = 'running'",
        [quotes.name],
    ).fetchone() == (100, 100, 100)


def test_a_thousand_subscriptions_to_a_key_make_one_job_and_one_refresh(
    connection: Connection, quotes: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Each of them is a viewer."""
    with subscribe.connection.transaction():
        for _ in range(1000):
            subscribe(quotes.table, "symbol=eq.AAPL")
    assert _jobs(connection, quotes) == ["AAPL"]
    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 2}) == "fresh"
    assert worker.claim(quotes.name) == []
    assert connection.execute(
        "select viewers from freshness.jobs where data_type = %s", [quotes.name]
    ).fetchone() == (1000,)
    assert connection.execute(
        "select count(*) from freshness.events where data_type = %s and kind = 'fresh'",
        [quotes.name],
    ).fetchone() == (1,)
