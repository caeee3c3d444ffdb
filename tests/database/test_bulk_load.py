"""A bulk load that stays open while workers refresh the same keys."""

from __future__ import annotations

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import Register
from tests.fixtures.workers import Worker

ROWS = 10_000
COLUMNS = "id bigint generated always as identity primary key, symbol text, fetched_at timestamptz"


def test_an_open_bulk_load_holds_up_no_refresh_and_nothing_is_lost(
    connection: Connection, connect: Connect, register: Register, worker: Worker
) -> None:
    """What it takes away is fetched again after its commit, though the job moved meanwhile."""
    history = register(COLUMNS, write_mode="append")
    connection.execute(f"create index on {history.table} (symbol, fetched_at)".encode())
    connection.execute(
        f"insert into {history.table} (symbol, fetched_at)"
        f" select 'S' || n, now() from generate_series(1, {ROWS}) as n".encode()
    )
    symbols = ["S1", "S2"]
    connection.execute(
        "select freshness.watch(array_fill(%s::text, array[2]), %s, 'user:1')",
        [history.name, symbols],
    )
    connection.execute("set lock_timeout = '1s'")
    loading = connect()
    with loading.transaction():
        loading.execute(
            f"update {history.table} set fetched_at = fetched_at - interval '1 hour'".encode()
        )
        connection.execute("select freshness.request(%s, %s, true)", [history.name, symbols])
        claimed = worker.claim(history.name)
        assert sorted(job.symbol for job in claimed) == symbols
        assert {worker.finish(job) for job in claimed} == {"missing"}
        assert worker.claim(history.name) == []
    assert sorted(job.symbol for job in worker.claim(history.name)) == symbols
