"""From any damage one sweep makes what the watches and the stored rows call for."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber

STALE, FRESH = ("A", "B"), ("C", "D")
DAMAGES = (
    "delete from freshness.jobs where {some}",
    "truncate freshness.jobs",
    "truncate freshness.watches, freshness.pulls",
    "delete from freshness.watches where {some}",
    "delete from freshness.watches where symbol = 'D' and data_type = '{name}'",
    "update freshness.watches set symbol = symbol || 'X' where {some}",
    "update freshness.watches set subscription_id = gen_random_uuid()"
    " where {some} and subscription_row is not null",
    "insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)"
    " values ('{name}', 'GHOST', 'realtime:-1', -1, gen_random_uuid()) on conflict do nothing",
    "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
    " values ('{name}', 'OVER', 'user:9', now() - interval '1 s') on conflict do nothing",
    "insert into freshness.jobs (data_type, symbol, run_at)"
    " values ('nobody', 'A', now()) on conflict do nothing",
    "insert into freshness.jobs (data_type, symbol, run_at)"
    " values ('{name}', 'LEFT', now()) on conflict do nothing",
    "update freshness.jobs set run_at = now() + interval '1 day' where {some}",
    "update freshness.jobs set run_at = now() - interval '1 day' where {some}",
    "update freshness.jobs set run_at = 'infinity', unwatched_at = now() + interval '1 day'"
    " where {some}",
    "update freshness.jobs set viewers = viewers + 7 where {some}",
    "update freshness.jobs set state = 'running', worker = -1, fence = 1, started_at = now(),"
    " run_at = 'infinity' where {some}",
    "insert into freshness.pulls (data_type, symbol, reason)"
    " values ('{name}', 'A', 'watched'), ('nobody', 'B', 'watched')",
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(DAMAGES), st.integers(0, 99)), min_size=1, max_size=4))
def test_one_sweep_mends_any_damage_and_the_next_finds_nothing(
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    damages: list[tuple[str, int]],
) -> None:
    """Whatever was deleted or altered, in whatever order."""
    if not subscribe.bindings:
        for symbol in STALE:
            subscribe(quotes.table, f"symbol=eq.{symbol}")
        subscribe(quotes.table, "symbol=in.(C,D)")
        subscribe(quotes.table, "symbol=eq.A")
        for symbol in FRESH:
            quotes.store(connection, symbol, 0)
    # Earlier examples' dead workers count as attempts.
    connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
    connection.execute("select freshness.sweep()")
    for statement, seed in damages:
        chosen = random.Random(seed).sample("ABCD", 2)  # noqa: S311
        some = f"data_type = '{quotes.name}' and symbol in ('{chosen[0]}', '{chosen[1]}')"
        connection.execute(statement.format(some=some, name=quotes.name).encode())
    connection.execute("select freshness.sweep()")
    assert connection.execute(
        "select symbol, count(*) from freshness.watches where data_type = %s"
        " group by symbol order by symbol",
        [quotes.name],
    ).fetchall() == [("A", 2), ("B", 1), ("C", 1), ("D", 1)]
    jobs = connection.execute(
        "select symbol, viewers, state, unwatched_at is null, run_at <= clock_timestamp(),"
        " run_at <= clock_timestamp() + interval '1 minute'"
        " from freshness.jobs where data_type = %s and symbol in ('A', 'B', 'C', 'D')"
        " order by symbol",
        [quotes.name],
    ).fetchall()
    assert [job[:2] for job in jobs] == [("A", 2), ("B", 1), ("C", 1), ("D", 1)]
    for symbol, _, state, is_wanted, is_due, is_in_time in jobs:
        assert (state, is_wanted, is_in_time) == ("scheduled", True, True)
        # Too early is put right by the claim, which looks before it fetches.
        assert is_due or symbol in FRESH
    assert connection.execute(
        "select count(*) from freshness.jobs where data_type = 'nobody'"
        " or symbol in ('LEFT', 'GHOST') and data_type = %s and unwatched_at is null",
        [quotes.name],
    ).fetchone() == (0,)
    connection.execute("select freshness.sweep()")
    assert connection.execute(
        "select mended, watches_ended, keys_released, viewers_counted, is_complete"
        " from freshness.sweeps order by id desc limit 1"
    ).fetchone() == (0, 0, 0, 0, True)
