"""What a worker asks while nothing is due: 10,000 watched keys, all fresh for an hour.

Counted in the server's log over a minute (BENCH_SECONDS for another time, at least 30). Statements
that follow each other within a second are one look.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure
from bench.worker_process import worker_process

KEYS = 10_000
HALF_A_MINUTE = 30.0
SETTLING = 5.0

STORE = """
insert into public.bench_quotes
select 'S' || n, 1, clock_timestamp() from generate_series(1, %s) as n
"""
WATCH = """
select count(*) from freshness.watch(
    array(select 'bench_quote' from public.bench_quotes),
    array(select symbol from public.bench_quotes), 'bench', '1 hour'
)
"""
LOG_ALL = (
    "alter system set log_statement = 'all'",
    "alter system set log_line_prefix = '%n|%a|'",
    "select pg_reload_conf()",
)


def measure() -> Iterator[Figure]:
    """Count what a worker and its listener send while they wait."""
    seconds = max(float(os.environ.get("BENCH_SECONDS", "60")), HALF_A_MINUTE)
    with prepared_cluster() as cluster, worker_process(cluster.connection_string()):
        with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
            connection.execute(STORE, [KEYS])
            connection.execute(WATCH)
        with psycopg.connect(
            cluster.connection_string("supabase_admin"), autocommit=True
        ) as administrator:
            for statement in LOG_ALL:
                administrator.execute(statement.encode())
        time.sleep(SETTLING)
        before = len(_statements(cluster.log))
        time.sleep(seconds)
        statements = _statements(cluster.log)[before:]
    halves = seconds / HALF_A_MINUTE
    moments = [-math.inf, *statements]
    looks = sum(later - earlier > 1 for earlier, later in pairwise(moments))
    yield Figure("idle_looks", looks / halves, "per 30 s", target=1.0)
    yield Figure("idle_statements", len(statements) / halves, "per 30 s")


def _statements(log: Path) -> list[float]:
    """Return when the worker and its listener sent a statement."""
    lines = [line.split("|", 2) for line in log.read_text(errors="replace").splitlines()]
    return [
        float(line[0])
        for line in lines
        if len(line) == 3
        and line[1] in ("freshness", "freshness listener")
        and line[2].startswith(("LOG:  statement:", "LOG:  execute "))
    ]
