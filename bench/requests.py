"""What waking costs those who commit requests: 32 clients, each request for another due key.

The baseline is the same without any NOTIFY: freshness.wake and freshness.hand_over are replaced by
functions that do nothing. The worker is the same on both sides: one that sleeps at first and then
works off what it can, or one whose slots are all taken. Besides, how many of the requests notified
somebody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure
from bench.pgbench import latency, medians_of_pairs
from bench.worker_process import CONCURRENCY, worker_process
from pyworker.local.cluster import Cluster

CLIENTS = 32
SECONDS = 3
UNTIL_IT_IS_WOKEN = 0.2
REQUEST = """
select count(*) from freshness.request('bench_quote', array[gen_random_uuid()::text]);
"""
TAKE_ALL_SLOTS = f"""
select count(*) from freshness.request(
    'bench_quote', array(select 'HELD' || n from generate_series(1, {CONCURRENCY}) as n)
)
"""
# Each by itself: a worker that ends a refresh holds the events, and may wait for the job.
CLEAR = ("delete from freshness.jobs where state <> 'running'", "truncate freshness.events")

WAKE = """
select string_agg(pg_get_functiondef(f), '; ') from unnest(array[
    'freshness.wake(text, timestamptz)', 'freshness.hand_over(text, text, integer)'
]::regprocedure[]) as f
"""
NO_WAKE = """
create or replace function freshness.wake(p_data_type text, p_run_at timestamptz) returns void
language plpgsql set search_path = '' as 'begin end';
create or replace function freshness.hand_over(
    p_data_type text, p_symbol text, p_viewers integer default 0
) returns void language plpgsql set search_path = '' as 'begin end'
"""
NOTIFYING = "perform pg_notify(v_"
COUNTING = "perform nextval('public.bench_signals');"


def measure() -> Iterator[Figure]:
    """Measure both, each on a cluster of its own."""
    for state in ("woken", "full"):
        with (
            prepared_cluster() as cluster,
            worker_process(cluster.connection_string()) as fetches,
            psycopg.connect(cluster.connection_string(), autocommit=True) as connection,
        ):
            [wake] = connection.execute(WAKE).fetchone() or ("",)
            if state == "full":
                connection.execute(TAKE_ALL_SLOTS)
                _wait_for(fetches, CONCURRENCY)
            run = partial(_requests, cluster, connection)
            # Both find the caches filled.
            run(wake)
            value, baseline = medians_of_pairs(partial(run, wake), partial(run, NO_WAKE))
            yield Figure(
                f"requests_{state}", value, "per s", baseline, 0.85, of="ratio", better="higher"
            )
            connection.execute("create sequence public.bench_signals")
            assert NOTIFYING in wake
            requests = run(wake.replace(NOTIFYING, f"{COUNTING} {NOTIFYING}")) * SECONDS
            [signals] = connection.execute("select nextval('public.bench_signals')").fetchone() or (
                0,
            )
            yield Figure(f"requests_{state}_that_notify", 100 * (signals - 1) / requests, "%")


def _requests(cluster: Cluster, connection: psycopg.Connection[Any], wake: str) -> float:
    for statement in CLEAR:
        connection.execute(statement)
    with _defined(connection, wake):
        # Without wake the worker would sleep on: somebody else wakes it, on both sides.
        waking = threading.Timer(UNTIL_IT_IS_WOKEN, connection.execute, ["notify freshness_work"])
        waking.start()
        milliseconds = latency(cluster, REQUEST, clients=CLIENTS, seconds=SECONDS)
        waking.join()
    return 1000 * CLIENTS / milliseconds


@contextmanager
def _defined(connection: psycopg.Connection[Any], wake: str) -> Iterator[None]:
    [before] = connection.execute(WAKE).fetchone() or ("",)
    connection.execute(wake.encode())
    try:
        yield
    finally:
        connection.execute(before.encode())


def _wait_for(fetches: Path, count: int) -> None:
    while len(fetches.read_text().splitlines()) < count:
        time.sleep(0.05)
