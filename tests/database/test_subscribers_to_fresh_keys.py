"""Who subscribes to a fresh key waits for a line in the inbox, and nothing is lost by that."""

from __future__ import annotations

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.subscriptions import Subscriber
from tests.fixtures.workers import Worker


@pytest.fixture
def hourly(register: Register) -> DataType:
    """A data type whose rows are fresh for an hour."""
    return register(ttl="1 hour")


def _job(connection: Connection, key: DataType, symbol: str) -> tuple[object, ...] | None:
    """Viewers of a key, and the minutes until it is due; None without a job."""
    return connection.execute(
        "select viewers, round(extract(epoch from due_at - clock_timestamp()) / 60)::integer"
        " from freshness.jobs where data_type = %s and symbol = %s",
        [key.name, symbol],
    ).fetchone()


def _inbox(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("select reason from freshness.pulls").fetchall()]


def _wait(connection: Connection) -> None:
    """Let the few seconds go by for which the inbox waits for more."""
    connection.execute("update freshness.pulls set due_at = clock_timestamp()")


def _sweep(connection: Connection) -> tuple[object, ...] | None:
    return connection.execute(
        "select watches_mended, jobs_mended from freshness.sweeps order by id desc limit 1"
    ).fetchone()


def test_a_claim_some_seconds_later_gives_the_key_its_job_at_its_deadline(
    connection: Connection, hourly: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Two subscribers, and neither leads to a fetch."""
    hourly.store(connection, "AAPL", 0)
    subscribe(hourly.table, "symbol=eq.AAPL")
    subscribe(hourly.table, "symbol=eq.AAPL")
    assert _inbox(connection) == ["fresh", "fresh"]
    _wait(connection)
    assert worker.claim(hourly.name) == []
    assert _inbox(connection) == []
    assert _job(connection, hourly, "AAPL") == (2, 60)


def test_a_claim_in_between_goes_the_short_way_and_leaves_them_to_one_fold(
    connection: Connection, hourly: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Whoever has come when the first has waited long enough is folded with it."""
    for symbol in ("AAPL", "IBM"):
        hourly.store(connection, symbol, 0)
        subscribe(hourly.table, f"symbol=eq.{symbol}")
    connection.execute("select freshness.request(%s, array['MSFT'])", [hourly.name])
    (claimed,) = connection.execute(
        "select symbol from freshness.claim_one(%s, array[%s], '0')", [worker.number, hourly.name]
    ).fetchall()
    assert claimed == ("MSFT",)
    connection.execute("select freshness.request(%s, array['TSLA'])", [hourly.name])
    assert [job.symbol for job in worker.claim(hourly.name)] == ["TSLA"]
    assert _inbox(connection) == ["fresh", "fresh"]
    connection.execute(
        "update freshness.pulls set due_at = clock_timestamp()"
        " where id = (select min(id) from freshness.pulls)"
    )
    assert worker.claim(hourly.name) == []
    assert _inbox(connection) == []
    assert _job(connection, hourly, "IBM") == (1, 60)


def test_a_row_that_was_made_stale_in_between_is_due_at_the_next_claim(
    connection: Connection, hourly: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """It is looked at again when the inbox is emptied."""
    hourly.store(connection, "AAPL", 0)
    subscribe(hourly.table, "symbol=eq.AAPL")
    connection.execute(f"delete from {hourly.table}".encode())
    _wait(connection)
    assert [job.symbol for job in worker.claim(hourly.name)] == ["AAPL"]


def test_a_subscriber_who_has_left_meanwhile_watches_nothing(
    connection: Connection, hourly: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Nobody wants the key, and it gets no job."""
    hourly.store(connection, "AAPL", 0)
    subscribe(hourly.table, "symbol=eq.AAPL")
    subscribe.leave()
    _wait(connection)
    assert worker.claim(hourly.name) == []
    assert _job(connection, hourly, "AAPL") is None


def test_a_key_that_is_kept_warm_stays_for_a_subscriber_in_the_inbox(
    connection: Connection, hourly: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Its job was about to go away."""
    hourly.store(connection, "AAPL", 0)
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, unwatched_at)"
        " values (%s, 'AAPL', now() - interval '1 second', now() - interval '1 hour')",
        [hourly.name],
    )
    subscribe(hourly.table, "symbol=eq.AAPL")
    assert worker.claim(hourly.name) == []
    assert _job(connection, hourly, "AAPL") == (1, 60)


def test_a_claim_that_has_not_seen_the_subscriber_may_forget_the_key(
    connection: Connection, hourly: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """The next one knows it again, long before its deadline."""
    hourly.store(connection, "AAPL", 0)
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, unwatched_at)"
        " values (%s, 'AAPL', now() - interval '1 second', now() - interval '1 hour')",
        [hourly.name],
    )
    with subscribe.connection.transaction():
        subscribe(hourly.table, "symbol=eq.AAPL")
        assert worker.claim(hourly.name) == []
        assert _job(connection, hourly, "AAPL") is None
    _wait(connection)
    assert worker.claim(hourly.name) == []
    assert _job(connection, hourly, "AAPL") == (1, 60)


def test_a_sweep_watches_the_key_and_calls_nothing_mended(
    connection: Connection, hourly: DataType, subscribe: Subscriber
) -> None:
    """Also where no worker is there to look."""
    connection.execute("select freshness.sweep()")
    hourly.store(connection, "AAPL", 0)
    subscribe(hourly.table, "symbol=eq.AAPL")
    connection.execute("select freshness.sweep()")
    assert _sweep(connection) == (0, 0)
    assert _job(connection, hourly, "AAPL") == (1, 60)


def test_all_data_types_of_a_table_are_watched_at_once_where_there_are_several(
    connection: Connection, hourly: DataType, subscribe: Subscriber
) -> None:
    """One may be fresh, and the other due."""
    connection.execute(
        "select freshness.register_data_type(%s, %s, ttl => '2 minutes')",
        [f"{hourly.name}_s", hourly.table],
    )
    hourly.store(connection, "AAPL", 90)
    subscribe(hourly.table, "symbol=eq.AAPL")
    try:
        assert _inbox(connection) == []
        assert connection.execute(
            "select count(*) from freshness.jobs where symbol = 'AAPL' and data_type like %s",
            [f"{hourly.name}%"],
        ).fetchone() == (2,)
    finally:
        connection.execute("select freshness.unregister_data_type(%s)", [f"{hourly.name}_s"])
