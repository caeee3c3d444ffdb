"""A sweep or a fold ends in seconds whatever the planner takes its tables for.

They may have been nearly empty when it last looked, and may have grown since. Each case is a change
that some statement of the sweep has to make up for, with what the planner then knows nothing of.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import create_data_type
from tests.fixtures.servers import as_superuser

# One statement that compares all with all takes a minute or more; the whole sweep takes a second.
KEYS = 20_000
LIMIT = "8s"
# PL/pgSQL plans for the values of the first five calls; after them it may settle on one plan.
CALLS = 7
STORE = """
    insert into {table}
    select 'S' || n, n, clock_timestamp() - interval '1 second' from generate_series(1, {keys}) as n
"""
SUBSCRIBE = """
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select gen_random_uuid(), '{table}',
        array[row('symbol', 'eq', 'S' || n, false)::realtime.user_defined_filter],
        '{{"role": "authenticated"}}'
    from generate_series(1, {keys}) as n
"""
# As autovacuum leaves it when it analyzes a table in which no row is committed yet.
TAKE_FOR_EMPTY = """
    with taken as (
        select t.oid from pg_class as t where t.oid = any (%(tables)s::regclass[])
        union
        select i.indexrelid from pg_index as i where i.indrelid = any (%(tables)s::regclass[])
    ),
    forgotten as (delete from pg_statistic where starelid = any (%(tables)s::regclass[]))
    update pg_class as c set relpages = 1, reltuples = 0 from taken as t where c.oid = t.oid
"""
JOBS, WATCHES, PULLS = "freshness.jobs", "freshness.watches", "freshness.pulls"
SUBSCRIPTIONS = "realtime.subscription"
CHANGES = {
    "nothing": ("select 1", [SUBSCRIPTIONS, WATCHES]),
    "all name other symbols": (
        "update realtime.subscription"
        " set filters = array[row('symbol', 'eq', 'T' || id, false)::realtime.user_defined_filter]",
        [SUBSCRIPTIONS, WATCHES],
    ),
    "half of them are gone": (
        "delete from realtime.subscription where id % 2 = 0",
        [SUBSCRIPTIONS, WATCHES, JOBS],
    ),
    "the ttl is shorter": (
        "set session_replication_role = origin;"
        "update freshness.data_types set ttl = '1 minute' where name = '{name}'",
        [JOBS],
    ),
    "all rows went back in time": (
        "update {table} set fetched_at = fetched_at - interval '1 day'",
        [JOBS],
    ),
    "nobody was counted": ("update freshness.jobs set viewers = 0", [JOBS]),
    "the inbox is full": (
        "insert into freshness.pulls (data_type, symbol, reason)"
        " select data_type, symbol, 'data changed' from freshness.jobs",
        [SUBSCRIPTIONS, WATCHES, JOBS, PULLS],
    ),
    "all are asked for with priority": (
        "insert into freshness.pulls (data_type, symbol, reason, priority)"
        " select data_type, symbol, 'watched', 3 from freshness.jobs",
        [JOBS, PULLS],
    ),
    "all subscriptions are to be read again": (
        "insert into freshness.pulls (subscription_row, reason)"
        " select id, 'locked' from realtime.subscription",
        [SUBSCRIPTIONS, WATCHES, PULLS],
    ),
    "their worker is dead": (
        "update freshness.jobs set state = 'running', worker = -1, started_at = now(),"
        " fence = nextval('freshness.fences')",
        [JOBS],
    ),
    "the clock was set back": (
        "update freshness.jobs set run_at = now() + interval '1 day',"
        " not_before = now() + interval '2 days'",
        [JOBS],
    ),
    "keep_warm is over": (
        "delete from realtime.subscription; delete from freshness.watches;"
        "update freshness.jobs set run_at = now(), unwatched_at = now() - interval '1 day'",
        [JOBS, WATCHES],
    ),
    "the data type is gone": (
        "update freshness.jobs set data_type = 'gone';"
        "update freshness.watches set data_type = 'gone'",
        [JOBS, WATCHES],
    ),
}


def test_a_first_sweep_compares_nothing_with_all(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """Watches and jobs are taken for empty while it fills them."""
    connection = connect(own_database)
    admin = connect(as_superuser(own_database))
    name, _ = _subscribed(connection, admin)
    _take_for_empty(admin, [WATCHES, JOBS])
    _sweep(connection)
    assert _count(connection, f"jobs where data_type = '{name}' and viewers = 1") == KEYS


@pytest.mark.parametrize("change", CHANGES)
def test_a_sweep_ends_when(
    change: str, own_database: str, connect: Callable[[str], Connection]
) -> None:
    """Whatever it finds, it compares nothing with all; and a second one finds nothing."""
    connection, admin = connect(own_database), connect(as_superuser(own_database))
    name, table = _subscribed(connection, admin)
    _sweep(connection)
    statements, unknown = CHANGES[change]
    admin.execute(statements.format(name=name, table=table).encode())
    _take_for_empty(admin, unknown)
    _sweep(connection)
    assert _count(connection, "events where kind = 'error'") == 0
    assert _sweep(connection) == (0, True)


def test_a_fold_that_was_planned_for_one_key_ends_for_many(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """A worker's session keeps its plans, and autovacuum has not looked again."""
    connection, admin = connect(own_database), connect(as_superuser(own_database))
    worker = connect(own_database)
    name, _ = _subscribed(connection, admin, keys=1)
    _sweep(connection)
    admin.execute("analyze")
    pull = (
        "insert into freshness.pulls (data_type, symbol, priority, reason)"
        " select data_type, symbol, 1, 'data changed' from freshness.jobs"
    )
    for _ in range(CALLS):
        admin.execute(pull.encode())
        worker.execute("select freshness.fold_pulls()")
    admin.execute(
        "insert into freshness.jobs (data_type, symbol, run_at) select %s, 'T' || n, 'infinity'"
        " from generate_series(1, %s) as n",
        (name, KEYS),
    )
    admin.execute(pull.replace("1,", "2,").encode())
    worker.execute(f"set statement_timeout = '{LIMIT}'")
    while worker.execute("select freshness.fold_pulls()").fetchone() != (0,):
        pass
    assert _count(connection, "jobs where priority = 2 and run_at < 'infinity'") == KEYS + 1


def _subscribed(connection: Connection, admin: Connection, keys: int = KEYS) -> tuple[str, str]:
    quotes = create_data_type(connection, ttl="1 hour")
    # Nothing but the sweep is to notice the subscriptions.
    admin.execute("set session_replication_role = replica")
    for statement in (STORE, SUBSCRIBE):
        admin.execute(statement.format(table=quotes.table, keys=keys).encode())
    return quotes.name, quotes.table


def _take_for_empty(admin: Connection, tables: list[str]) -> None:
    admin.execute(TAKE_FOR_EMPTY, {"tables": tables})


def _sweep(connection: Connection) -> tuple[int, bool]:
    connection.execute(f"set statement_timeout = '{LIMIT}'")
    [mended, is_complete] = connection.execute(
        "select s.mended, s.is_complete from freshness.sweep() as s"
    ).fetchone() or (-1, False)
    return mended, is_complete


def _count(connection: Connection, rows: str) -> int:
    [found] = connection.execute(f"select count(*) from freshness.{rows}").fetchone() or (-1,)
    return int(found)
