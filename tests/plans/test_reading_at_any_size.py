"""What the hot functions read by sequential scan is as little with a million keys as with ten.

As auto_explain reports the statements inside the functions, in one session that keeps its plans.
The many are a million; PLAN_ROWS=200000 makes them fewer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from pyworker.local.cluster import Cluster
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.workers import Worker, announce_worker
from tests.plans.explained import Explained, Scan

FEW_KEYS = 10
MANY_KEYS = int(os.environ.get("PLAN_ROWS") or 1_000_000)
# PL/pgSQL plans for the values of the first five calls; after them it may settle on one plan.
CALLS = 7
# A table of ten keys is read at once, for each of ten priorities.
FEW_ROWS = 300
BIG = ("freshness.jobs", "freshness.watches", "freshness.events")
# A sweep compares all with all: each table is read whole, and no more than a few times.
READINGS_OF_A_SWEEP = 5


class Keys:
    """Watched keys of one data type with a budget, all fresh, in a database of their own."""

    def __init__(self, url: str) -> None:
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.explained = Explained(url)
        self._execute("select freshness.register_source('plenty', calls_per_minute => 1000000)")
        self.quotes: DataType = create_data_type(self.connection, source="plenty", ttl="1 hour")
        # A worker's functions read and write it with their owner's rights.
        self._execute(f"grant usage on schema {self.quotes.table.partition('.')[0]} to postgres")
        self._execute(f"grant all on {self.quotes.table} to postgres")
        self.worker: Worker = announce_worker(self.connection)
        self._stored = 0

    def grow(self, keys: int) -> None:
        """Store keys, watches, jobs and events past all triggers, and let the planner know."""
        name, new = self.quotes.name, f"generate_series({self._stored + 1}, {keys}) as n"
        self._execute("set session_replication_role = replica")
        self._execute(f"insert into {self.quotes.table} select 'S' || n, n, now() from {new}")
        self._execute(
            "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
            f" select '{name}', 'S' || n, 'user:1', now() + interval '1 day' from {new}"
        )
        self._execute(
            "insert into freshness.jobs"
            " (data_type, symbol, run_at, fresh_until, viewers, stored_at, verified_at)"
            " select r.data_type, r.symbol, q.fetched_at + interval '1 hour',"
            " q.fetched_at + interval '1 hour', 1, q.fetched_at, q.fetched_at"
            f" from (select '{name}' as data_type, 'S' || n as symbol from {new}) as r"
            f" join {self.quotes.table} as q on q.symbol = r.symbol"
        )
        self._execute(
            "insert into freshness.events (kind, data_type, symbol)"
            f" select 'fresh', '{name}', 'S' || n from {new}"
        )
        self._execute("set session_replication_role = origin")
        self._execute("analyze")
        self._stored = keys

    def make_due(self) -> None:
        """Let the first five keys go stale."""
        self._execute("set session_replication_role = replica")
        due = "symbol = any (array(select 'S' || n from generate_series(1, 5) as n))"
        self._execute(
            f"update {self.quotes.table} set fetched_at = now() - interval '2 hours' where {due}"
        )
        self._execute(
            "update freshness.jobs set state = 'scheduled', run_at = now() - interval '1 minute',"
            f" not_before = null, verified_at = null, attempts = 0 where {due}"
        )
        self._execute("set session_replication_role = origin")

    def claimed(self) -> list[tuple[str, int]]:
        """The symbols and fences of what runs."""
        return self.connection.execute(
            "select symbol, fence from freshness.jobs where state = 'running' order by symbol"
        ).fetchall()

    def close(self) -> None:
        """End both sessions."""
        self.explained.close()
        self.connection.close()

    def _execute(self, statement: str) -> None:
        self.connection.execute(statement.encode())


@pytest.fixture(scope="module")
def all_keys(cluster: Cluster | None, template_database: str) -> Iterator[Keys]:
    """A database that the tests of this module fill."""
    assert cluster is not None
    name = f"plans_{uuid4().hex[:12]}"
    with psycopg.connect(cluster.connection_string("supabase_admin"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {template_database}".encode())
        keys = Keys(cluster.connection_string("supabase_admin", name))
        yield keys
        keys.close()
        admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(scope="module", params=[FEW_KEYS, MANY_KEYS])
def keys(all_keys: Keys, request: pytest.FixtureRequest) -> Keys:
    """Ten keys, and then many: the session and its plans stay."""
    all_keys.grow(request.param)
    return all_keys


def _too_much(scans: list[Scan], quotes: DataType) -> list[Scan]:
    return [scan for scan in scans if scan.table in (*BIG, quotes.table) and scan.rows > FEW_ROWS]


def test_a_claim_and_the_ends_of_its_refreshes_read_by_index(keys: Keys) -> None:
    """Rows stored, the stored ones confirmed, and a failure."""
    explained, name = keys.explained, keys.quotes.name
    scans: list[Scan] = []
    for _ in range(CALLS):
        keys.make_due()
        scans += explained.scans(
            "select * from freshness.claim(%s, %s, 10)", [keys.worker.number, [name]]
        )
        one, other, *rest = keys.claimed()
        scans += explained.scans(
            "select * from freshness.finish(%s, %s, %s, '[{\"price\": 1}]')", [name, *one]
        )
        scans += explained.scans("select * from freshness.finish(%s, %s, %s, null)", [name, *other])
        for job in rest:
            scans += explained.scans(
                "select * from freshness.fail(%s, %s, %s, 'gone', p_retry_at => now())",
                [name, *job],
            )
    assert _too_much(scans, keys.quotes) == []


def test_ends_that_are_told_together_read_by_index(keys: Keys) -> None:
    """Rows stored, and the stored ones confirmed, by the statement of their data type."""
    explained, name = keys.explained, keys.quotes.name
    scans: list[Scan] = []
    for _ in range(CALLS):
        keys.make_due()
        explained.scans("select * from freshness.claim(%s, %s, 10)", [keys.worker.number, [name]])
        claimed = keys.claimed()
        rows = ['[{"price": 1}]', None, '[{"price": 2}]', None, None]
        scans += explained.scans(
            "select freshness.finish_many(%s, %s, %s, %s::text[], null, null, null)",
            [[name] * 5, [symbol for symbol, _ in claimed], [fence for _, fence in claimed], rows],
        )
        assert keys.claimed() == []
    assert _too_much(scans, keys.quotes) == []


def test_a_claim_of_nothing_reads_by_index(keys: Keys) -> None:
    """No job is due, and the source has a budget."""
    scans = [
        scan
        for _ in range(CALLS)
        for scan in keys.explained.scans(
            "select * from freshness.claim(%s, %s, 10)", [keys.worker.number, [keys.quotes.name]]
        )
    ]
    assert _too_much(scans, keys.quotes) == []


@pytest.mark.parametrize(
    "statement",
    [
        "select * from freshness.request('{name}', array['S1', 'NEW'], true)",
        "select * from freshness.request('{name}', array['S2'])",
        "select * from freshness.watch(array['{name}'], array['S3'], 'user:2')",
        "select * from freshness.get_or_queue('{name}', 'S4')",
        "with pulled as (insert into freshness.pulls (data_type, symbol, reason)"
        " select '{name}', 'S5', 'changed' returning 1) select count(*) from pulled",
        "select freshness.fold_pulls()",
        "select freshness.take_over()",
        "select freshness.arm('freshness_work_1', {worker}, array['{name}'], 1)",
        "select * from freshness.settle('freshness_work_1', {worker}, array['{name}'], 1)",
    ],
)
def test_requests_and_waking_read_by_index(keys: Keys, statement: str) -> None:
    """Whoever asks for a key reads that key; whoever falls asleep, the next deadline."""
    filled = statement.format(name=keys.quotes.name, worker=keys.worker.number)
    scans = [scan for _ in range(CALLS) for scan in keys.explained.scans(filled)]
    assert _too_much(scans, keys.quotes) == []


def test_a_sweep_reads_each_table_a_few_times(keys: Keys) -> None:
    """It never reads one for each row of another."""
    keys.explained.scans("select freshness.sweep()")
    scans = keys.explained.scans("select freshness.sweep()")
    rows: Counter[str] = Counter()
    for scan in scans:
        rows[scan.table] += int(scan.rows)
    [jobs] = keys.connection.execute("select count(*) from freshness.jobs").fetchone() or (0,)
    most = READINGS_OF_A_SWEEP * (jobs + FEW_ROWS)
    assert {table: read for table, read in rows.items() if read > most} == {}
