"""Data not as registered, and clocks that jump: each key gets a status, the rest goes on."""

from __future__ import annotations

import pytest

from tests.database.test_deadlines import seconds_left, states, watch
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.workers import Worker


def _claim(worker: Worker, *data_types: DataType) -> set[tuple[str, str]]:
    names = [data_type.name for data_type in data_types]
    return {(job.data_type, job.symbol) for job in worker.claim(*names)}


@pytest.mark.parametrize(
    "change",
    [
        (
            "drop table {table}",
            "create table {table} (symbol text primary key, price numeric, fetched_at timestamptz)",
            "was dropped",
        ),
        (
            "alter table {table} rename column fetched_at to at",
            "alter table {table} rename column at to fetched_at",
            "fetched_at does not exist",
        ),
        (
            "alter table {table} rename column symbol to ticker",
            "alter table {table} rename column ticker to symbol",
            "symbol does not exist",
        ),
        (
            "select freshness.detach_data_triggers('{name}');"
            " alter table {table} alter column fetched_at type text",
            "alter table {table} alter column fetched_at type timestamptz"
            " using fetched_at::timestamptz",
            "isfinite(text) does not exist",
        ),
        (
            "alter table {table} drop column fetched_at cascade",
            "alter table {table} add column fetched_at timestamptz",
            "fetched_at does not exist",
        ),
    ],
)
def test_a_table_that_changed_concerns_its_own_keys_until_it_is_put_right(
    connection: Connection, register: Register, worker: Worker, change: tuple[str, str, str]
) -> None:
    """They are failed with the reason; registered again they go on."""
    damage, repair, reason = change
    quotes, others = register(), register()
    watch(connection, quotes, "A", "B")
    watch(connection, others, "A")
    connection.execute(damage.format(table=quotes.table, name=quotes.name).encode())
    assert _claim(worker, quotes, others) == {(others.name, "A")}
    found = states(connection, quotes)
    assert [state for _, state, _ in found] == ["failed", "failed"]
    assert all(reason in (error or "") for _, _, error in found)
    assert 50 < seconds_left(connection, quotes) <= 60
    connection.execute(repair.format(table=quotes.table).encode())
    connection.execute(
        "select freshness.register_data_type(%s, %s, ttl => '1 minute')",
        [quotes.name, quotes.table],
    )
    jobs = worker.claim(quotes.name)
    assert {job.symbol for job in jobs} == {"A", "B"}
    assert [worker.finish(job, {"price": 1}) for job in jobs] == ["fresh", "fresh"]


def test_a_renamed_table_keeps_working(
    connection: Connection, register: Register, worker: Worker
) -> None:
    """Nothing has to be registered again."""
    quotes = register()
    watch(connection, quotes, "A")
    connection.execute(f"alter table {quotes.table} rename to {quotes.name}_renamed")
    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 1}) == "fresh"
    assert states(connection, quotes) == [("A", "scheduled", None)]
    connection.execute(f"drop table {quotes.table}_renamed")


def test_a_column_that_got_another_type_is_read_by_it_a_minute_later(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """One that holds times too; nobody has to register anything."""
    quotes.store(connection, "A", 10)
    watch(connection, quotes, "A")
    connection.execute(
        f"select freshness.detach_data_triggers('{quotes.name}');"
        f" alter table {quotes.table} alter column fetched_at type timestamp"
        " using fetched_at at time zone 'UTC';"
        f" select freshness.attach_data_triggers('{quotes.name}')".encode()
    )
    connection.execute(
        "update freshness.jobs set run_at = clock_timestamp() where data_type = %s", [quotes.name]
    )
    assert worker.claim(quotes.name) == []
    assert states(connection, quotes)[0][1] == "failed"
    connection.execute(
        "update freshness.jobs set not_before = null where data_type = %s", [quotes.name]
    )
    assert worker.claim(quotes.name) == []
    assert states(connection, quotes) == [("A", "scheduled", None)]
    assert 40 < seconds_left(connection, quotes) <= 50


@pytest.mark.parametrize(
    "change",
    [
        "alter table {table} rename column fetched_at to at",
        "alter table {table} rename column symbol to ticker",
        "alter table {table} replica identity full; alter table {table} drop column symbol cascade",
        "alter table {table} drop column fetched_at cascade",
        "select freshness.detach_data_triggers('{name}');"
        " alter table {table} alter column fetched_at type text;"
        " select freshness.attach_data_triggers('{name}')",
        "select freshness.detach_data_triggers('{name}');"
        " alter table {table} alter column symbol type varchar(3);"
        " select freshness.attach_data_triggers('{name}')",
        "create table {table}_child () inherits ({table})",
        "alter table {table} disable trigger user",
    ],
)
def test_a_table_that_changed_keeps_no_writer_from_writing(
    connection: Connection, quotes: DataType, worker: Worker, change: str
) -> None:
    """Fresher, older and more of it, before and after the claim has found out."""
    quotes.store(connection, "A", 10)
    watch(connection, quotes, "A")
    connection.execute(change.format(table=quotes.table, name=quotes.name).encode())
    columns = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attname in"
        " ('fetched_at', 'at') and not attisdropped",
        [quotes.table],
    ).fetchall()
    changes = ["price = 2", *(f"{c} = {v}" for (c,) in columns for v in ("now()", "'-infinity'"))]
    for _ in range(2):
        for values in changes:
            done = connection.execute(f"update {quotes.table} set {values}".encode())
            assert done.rowcount == 1
        _claim(worker, quotes)


def test_a_truncated_table_is_filled_again_by_the_sweep(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """Its keys are missing, and due."""
    quotes.store(connection, "A", 10)
    watch(connection, quotes, "A")
    assert worker.claim(quotes.name) == []
    connection.execute(f"truncate {quotes.table}")
    connection.execute("select freshness.sweep()")
    assert _claim(worker, quotes) == {(quotes.name, "A")}


def test_a_symbol_that_the_column_cannot_hold_spoils_only_itself(
    connection: Connection, register: Register, worker: Worker
) -> None:
    """A job made before the column became an integer."""
    numbers = register(triggers=False)
    watch(connection, numbers, "1", "2", "x", "3")
    connection.execute(f"alter table {numbers.table} alter column symbol type integer using 0")
    connection.execute(
        "select freshness.register_data_type(%s, %s, ttl => '1 minute')",
        [numbers.name, numbers.table],
    )
    assert {symbol for _, symbol in _claim(worker, numbers)} == {"1", "2", "3"}
    (broken,) = [state for state in states(connection, numbers) if state[0] == "x"]
    assert broken[1] == "failed"
    assert "invalid input syntax" in (broken[2] or "")


@pytest.mark.parametrize("column", ["stored_at", "verified_at"])
def test_a_job_from_the_future_is_due_when_its_row_is_stale(
    connection: Connection, quotes: DataType, worker: Worker, column: str
) -> None:
    """The clock was a day ahead when it was written."""
    quotes.store(connection, "A", 10)
    watch(connection, quotes, "A")
    connection.execute(
        f"update freshness.jobs set {column} = clock_timestamp() + interval '1 day',"
        " run_at = clock_timestamp() where data_type = %s",
        [quotes.name],
    )
    assert worker.claim(quotes.name) == []
    assert 40 < seconds_left(connection, quotes) <= 50


def test_a_clock_that_is_set_back_blocks_nothing(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """All that was written was a day ahead; the worker's next look finds its own heartbeat so."""
    quotes.store(connection, "A", 10)
    watch(connection, quotes, "A", "B")
    connection.execute(
        "update freshness.jobs set run_at = clock_timestamp() + interval '1 day',"
        " verified_at = clock_timestamp() + interval '1 day' where data_type = %s",
        [quotes.name],
    )
    assert worker.claim(quotes.name) == []
    connection.execute(
        "update freshness.workers set seen_at = clock_timestamp() + interval '1 day' where id = %s",
        [worker.number],
    )
    assert _claim(worker, quotes) == {(quotes.name, "B")}
    connection.execute(
        "delete from freshness.jobs where data_type = %s and symbol = 'B'", [quotes.name]
    )
    assert 40 < seconds_left(connection, quotes) <= 50


def test_a_refresh_during_which_the_clock_is_set_back_verifies_no_future(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """Its start is a day ahead of its end."""
    watch(connection, quotes, "A")
    (job,) = worker.claim(quotes.name)
    connection.execute(
        "update freshness.jobs set started_at = started_at + interval '1 day' where data_type = %s",
        [quotes.name],
    )
    assert worker.finish(job, {"price": 1}) == "fresh"
    assert 0 < seconds_left(connection, quotes) <= 60
