"""How long after a watched key's deadline its refresh starts, on an otherwise idle system.

From the deadline in the database to the first line of the refresher, by the same machine's clock.
1,000 keys with deadlines spread over a minute (BENCH_SECONDS for a shorter or longer one). The
baseline is computed for the same deadlines: a loop that looks at each full minute, as the cron job
does that deadlines replace.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure, percentile
from bench.worker_process import worker_process

KEYS = 1000
FIRST = 5.0
"""Seconds until the first deadline: time to store and watch the keys, and to settle."""

PERIOD_OF_THE_LOOP = 60.0

STORE = """
insert into public.bench_quotes
select
    'S' || n, 1,
    clock_timestamp() - interval '1 hour' + make_interval(secs => %s + n * %s::float8 / %s)
from generate_series(1, %s) as n
"""
WATCH = """
select count(*) from freshness.watch(
    array(select 'bench_quote' from public.bench_quotes),
    array(select symbol from public.bench_quotes), 'bench', '1 hour'
)
"""


def measure() -> Iterator[Figure]:
    """Let all deadlines pass, one after the other."""
    seconds = float(os.environ.get("BENCH_SECONDS", "60"))
    with (
        prepared_cluster() as cluster,
        worker_process(cluster.connection_string()) as fetches,
        psycopg.connect(cluster.connection_string(), autocommit=True) as connection,
    ):
        connection.execute(STORE, [FIRST, seconds, KEYS, KEYS])
        connection.execute(WATCH)
        deadlines: dict[str, float] = dict(
            connection.execute(
                "select symbol, extract(epoch from due_at)::float8 from freshness.jobs"
            ).fetchall()
        )
        begun = _all_fetches(fetches, deadlines)
        row = connection.execute(
            "select 100 * avg((waited = 0)::integer)::float8 from freshness.events"
            " where waited is not null"
        ).fetchone()
        ahead = row[0] if row else 0.0
    late = [(begun[symbol] - due) * 1000 for symbol, due in deadlines.items()]
    loop = [(-due % PERIOD_OF_THE_LOOP) * 1000 for due in deadlines.values()]
    for name, share, target in (("p50", 0.5, 3.0), ("p99", 0.99, 15.0), ("max", 1.0, None)):
        yield Figure(
            f"lateness_{name}",
            percentile(late, share),
            "ms",
            baseline=percentile(loop, share),
            target=target,
        )
    # The others had passed their deadline when the claim read the clock.
    yield Figure("claimed_ahead", ahead, "%", better="higher")
    # A refresh that starts before its deadline would flatter the others.
    yield Figure("lateness_min", min(late), "ms", target=0, better="higher")


def _all_fetches(fetches: Path, deadlines: dict[str, float]) -> dict[str, float]:
    give_up = max(deadlines.values()) + 10
    while time.time() < give_up:
        time.sleep(1)
        # The first fetch counts.
        lines = [line.split() for line in reversed(fetches.read_text().splitlines())]
        begun = {symbol: float(at) for at, symbol in lines}
        if deadlines.keys() <= begun.keys():
            return begun
    raise RuntimeError(f"{len(deadlines.keys() - begun.keys())} keys were never fetched")
