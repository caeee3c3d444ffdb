"""The promises as figures, and what needs a look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.workers import announce_worker

Figures = dict[str, tuple[Any, ...]]


@pytest.fixture
def own(own_database: str) -> Iterator[Connection]:
    """A connection to a database in which nobody else is."""
    with psycopg.connect(own_database, autocommit=True) as connection:
        yield connection


def figures(connection: Connection) -> Figures:
    """Return value and verdict by name."""
    rows = connection.execute("select name, value, ok from freshness.slo").fetchall()
    return {name: (value, ok) for name, value, ok in rows}


def findings(connection: Connection) -> dict[str, str]:
    """Return what needs a look, by kind."""
    return dict(connection.execute("select kind, message from freshness.findings").fetchall())


def watch(connection: Connection, quotes: DataType, *symbols: str) -> None:
    """Take a lease on these keys."""
    connection.execute(
        "select * from freshness.watch(array_fill(%s::text, array[%s]), %s, 'user:1')",
        [quotes.name, len(symbols), list(symbols)],
    )


def test_a_database_with_nothing_in_it_keeps_every_promise(own: Connection) -> None:
    """No division by zero, and no figure that is missed."""
    found = figures(own)
    assert [name for name, (_, ok) in found.items() if not ok] == []
    assert found["fresh_now"] == (None, True)
    assert findings(own) == {}


def test_the_figures_follow_what_happens(own: Connection) -> None:
    """Half of the keys fresh, then all; each refresh counted once."""
    quotes = create_data_type(own)
    worker = announce_worker(own)
    quotes.store(own, "FRESH", 10)
    quotes.store(own, "OLD", 3600)
    watch(own, quotes, "FRESH", "OLD")
    before = figures(own)
    assert before["wanted_keys"] == (2, True)
    assert before["fresh_now"] == (50, True)
    assert before["queue_depth"] == (1, True)
    # Nobody watched it while it went stale: nobody waited for it.
    assert 0 < (before["lateness_worst"][0] or 0) < 60

    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 1}) == "fresh"

    after = figures(own)
    assert after["fresh_now"] == (100, True)
    assert after["queue_depth"] == (0, True)
    assert after["queue_success_rate"] == (100, True)
    assert after["duplicates"] == (0, True)
    assert after["lateness_worst"] == (None, True)
    assert 0 < (after["start_delay_p99"][0] or 0) < 60


def test_failures_and_a_long_queue_miss_their_targets(own: Connection) -> None:
    """More than a hundred due, and one refresh in one failed."""
    quotes = create_data_type(own)
    worker = announce_worker(own)
    watch(own, quotes, *(f"S{number}" for number in range(102)))
    (job,) = worker.claim(quotes.name, limit=1)
    worker.fail(job, "HTTP 500")

    found = figures(own)

    assert found["queue_depth"] == (101, False)
    assert found["queue_success_rate"] == (0, False)


def test_each_sweep_leaves_a_sample_for_the_shares_over_time(own: Connection) -> None:
    """The share of an hour is that of its sweeps."""
    quotes = create_data_type(own)
    quotes.store(own, "FRESH", 10)
    quotes.store(own, "OLD", 3600)
    watch(own, quotes, "FRESH", "OLD")
    assert figures(own)["fresh_last_hour"] == (None, True)

    own.execute("select freshness.sweep()")

    assert figures(own)["fresh_last_hour"] == (50, True)
    assert figures(own)["fresh_last_day"] == (50, True)


def test_a_sweep_that_mended_something_is_a_finding(own: Connection) -> None:
    """One that had nothing to mend is none."""
    quotes = create_data_type(own)
    announce_worker(own)
    quotes.store(own, "AAPL", 10)
    watch(own, quotes, "AAPL")
    own.execute("select freshness.sweep()")
    assert findings(own) == {}

    own.execute("delete from freshness.jobs")
    own.execute("select freshness.sweep()")

    found = findings(own)
    assert list(found) == ["sweep_mended"]
    assert "0 watches and 1 jobs" in found["sweep_mended"]


def test_keys_that_are_set_aside_are_findings_with_their_reason(own: Connection) -> None:
    """Those of one reason together."""
    quotes = create_data_type(own, max_attempts=1)
    worker = announce_worker(own)
    watch(own, quotes, "A", "B", "C")
    for job in worker.claim(quotes.name):
        worker.fail(job, "HTTP 404" if job.symbol == "C" else "HTTP 500")
    own.execute("select freshness.sweep()")

    messages = own.execute(
        "select message from freshness.findings where kind = 'failed_keys' order by message"
    ).fetchall()

    assert messages == [
        (f"1 key of {quotes.name} set aside, such as C: HTTP 404",),
        (f"2 keys of {quotes.name} set aside, such as A: HTTP 500",),
    ]
