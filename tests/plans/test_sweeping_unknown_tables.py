"""A sweep may fill tables that the planner takes for empty: they were, when it last looked."""

from __future__ import annotations

from collections.abc import Callable

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import create_data_type
from tests.fixtures.servers import as_superuser

KEYS = 60_000
# As autovacuum leaves it when it analyzes a table in which no row is committed yet.
TAKE_FOR_EMPTY = """
    update pg_class set relpages = 1, reltuples = 0
    where oid = any (array['freshness.watches', 'freshness.jobs']::regclass[])
"""
SUBSCRIBE = """
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select gen_random_uuid(), %s::text::regclass,
        array[row('symbol', 'eq', 'S' || n, false)::realtime.user_defined_filter],
        '{"role": "authenticated"}'
    from generate_series(1, %s::integer) as n
"""


def test_a_first_sweep_compares_nothing_with_all(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """It takes two seconds; with a join that reads all for each key it would take minutes."""
    connection = connect(own_database)
    quotes = create_data_type(connection)
    admin = connect(as_superuser(own_database))
    # Nothing but the sweep is to notice the subscriptions.
    admin.execute("set session_replication_role = replica")
    admin.execute(SUBSCRIBE, (quotes.table, KEYS))
    admin.execute(TAKE_FOR_EMPTY)
    connection.execute("set statement_timeout = '30s'")
    connection.execute("select freshness.sweep()")
    assert connection.execute(
        "select count(*) from freshness.jobs where data_type = %s and viewers = 1", (quotes.name,)
    ).fetchone() == (KEYS,)
