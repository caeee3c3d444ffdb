"""What the database says about keys."""

from __future__ import annotations

from typing import Any

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType

# Each statement of a worker's connections, also an empty one, changes this.
ACTIVITY = """
    select array_agg((a.pid, a.state_change) order by a.pid)::text from pg_stat_activity as a
    where a.datname = current_database() and a.application_name like 'freshness%'
"""


def job(connection: Connection, data_type: DataType, symbol: str, columns: str) -> Any:
    """Columns of a key's job, in SQL; None when it has no job."""
    return connection.execute(
        f"select {columns} from freshness.jobs as j where j.data_type = %s and j.symbol = %s",
        [data_type.name, symbol],
    ).fetchone()


def price(connection: Connection, data_type: DataType, symbol: str) -> float | None:
    """The stored price of a symbol."""
    found = connection.execute(
        f"select price from {data_type.table} where symbol = %s", [symbol]
    ).fetchone()
    return None if found is None else float(found[0])


def events(connection: Connection, data_type: DataType, symbol: str) -> list[str]:
    """The kinds of a key's events, oldest first."""
    rows = connection.execute(
        "select kind from freshness.events where data_type = %s and symbol = %s order by id",
        [data_type.name, symbol],
    )
    return [kind for (kind,) in rows]


def settled(connection: Connection, data_type: DataType, symbol: str) -> bool:
    """Say whether a key was fetched and waits for its deadline."""
    found = job(
        connection, data_type, symbol, "j.state = 'scheduled' and j.fresh_until > clock_timestamp()"
    )
    return bool(found == (True,))


def watch(connection: Connection, data_type: DataType, *symbols: str) -> None:
    """Take a lease on keys, as a card does."""
    connection.execute(
        "select freshness.watch(array_fill(%s::text, array[%s::integer]), %s, 'card')",
        [data_type.name, len(symbols), list(symbols)],
    )
