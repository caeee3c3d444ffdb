"""The hot functions read by index: what they read does not grow with the tables."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.servers import Database
from tests.fixtures.workers import Worker, announce_worker

ROWS = 20_000
# PL/pgSQL plans for the values of the first five calls; after them it may settle on one plan.
CALLS = 7
# Of the same order as what is asked for. Indexes still hold what earlier tests rolled back.
FEW = CALLS * 200
SCANS = "select pg_stat_get_xact_numscans(%s::regclass)"
READ = "select pg_stat_get_xact_tuples_returned(%s::regclass)"


class Tables:
    """Tables full of keys, inside a transaction that is rolled back, and what is read of them."""

    def __init__(self, connection: Connection, quotes: DataType, worker: Worker) -> None:
        self.connection = connection
        self.quotes = quotes
        self.worker = worker
        self._before: dict[str, tuple[int, int]] = {}

    def fill(self) -> None:
        """All keys fresh, watched and scheduled; no job is due, none runs."""
        name = self.quotes.name
        self._execute(
            f"insert into {self.quotes.table}"
            f" select 'S' || n, n, now() from generate_series(1, {ROWS}) as n"
        )
        self._execute(
            "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
            f" select '{name}', 'S' || n, 'user:1', now() + interval '1 day'"
            f" from generate_series(1, {ROWS}) as n"
        )
        self._execute(
            "insert into freshness.jobs (data_type, symbol, run_at)"
            f" select '{name}', 'S' || n, now() + interval '1 hour' + n * interval '1 second'"
            f" from generate_series(1, {ROWS}) as n"
        )
        self._execute(
            "insert into freshness.pulls (data_type, symbol, reason)"
            f" select '{name}', 'S' || n, 'watched' from generate_series(1, {ROWS}) as n"
        )

    def analyze(self) -> None:
        """Let the planner know."""
        self._execute(
            f"analyze {self.quotes.table}, freshness.jobs, freshness.watches, freshness.pulls"
        )

    def empty_inbox(self) -> None:
        """Leave nothing to fold."""
        self._execute("truncate freshness.pulls")

    def _execute(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def call(self, statement: str, *relations: str) -> None:
        """Execute a statement several times, and remember what it read of these relations."""
        before = {relation: self._counts(relation) for relation in relations}
        for _ in range(CALLS):
            self.connection.execute(statement.encode()).fetchall()
        self._before = before

    def scans(self, index: str) -> int:
        """How often the last call scanned an index."""
        return self._counts(index)[0] - self._before[index][0]

    def rows_read(self, relation: str) -> int:
        """Rows that the last call read of an index, or of a table without one."""
        return self._counts(relation)[1] - self._before[relation][1]

    def _counts(self, relation: str) -> tuple[int, int]:
        scans = self.connection.execute(SCANS, [relation]).fetchone()
        read = self.connection.execute(READ, [relation]).fetchone()
        assert scans is not None
        assert read is not None
        return scans[0], read[0]


@pytest.fixture
def tables(database: Database, schema_of_the_tests: str) -> Iterator[Tables]:
    """Full tables; nothing of it is committed."""
    assert schema_of_the_tests
    with psycopg.connect(database.url) as connection:
        quotes = create_data_type(connection)
        filled = Tables(connection, quotes, announce_worker(connection))
        filled.fill()
        yield filled
        connection.rollback()


JOBS, JOBS_KEY = "freshness.jobs", "freshness.jobs_pkey"
JOBS_DUE, JOBS_RUNNING = "freshness.jobs_due", "freshness.jobs_running"
WATCHES, WATCHES_KEY = "freshness.watches", "freshness.watches_pkey"
WATCHES_LEASE = "freshness.watches_lease_until"
PULLS, PULLS_KEY = "freshness.pulls", "freshness.pulls_pkey"


def test_a_claim_finds_the_due_jobs_by_their_index(tables: Tables) -> None:
    """It reads the jobs that it hands out, their watches and their rows, and little else."""
    tables.empty_inbox()
    name, data_key = tables.quotes.name, f"{tables.quotes.table}_pkey"
    tables.connection.execute(
        "update freshness.jobs set run_at = now() - interval '1 minute', requested_at = now(),"
        " required_as_of = now() where data_type = %s and symbol <= 'S1010'",
        [name],
    )
    tables.analyze()
    tables.call(
        f"select * from freshness.claim({tables.worker.number}, array['{name}'], 10)",
        *(JOBS, JOBS_DUE, JOBS_RUNNING, WATCHES, WATCHES_KEY, tables.quotes.table, data_key),
    )
    assert tables.scans(JOBS_DUE) > 0
    assert tables.scans(data_key) > 0
    assert tables.rows_read(JOBS) == 0
    assert tables.rows_read(WATCHES) == 0
    assert tables.rows_read(tables.quotes.table) == 0
    assert tables.rows_read(JOBS_DUE) < FEW
    assert tables.rows_read(WATCHES_KEY) < FEW


def test_an_idle_claim_reads_next_to_nothing(tables: Tables) -> None:
    """No job is due."""
    tables.empty_inbox()
    tables.analyze()
    tables.call(
        f"select * from freshness.claim({tables.worker.number}, array['{tables.quotes.name}'], 10)",
        *(JOBS, JOBS_DUE, JOBS_RUNNING, JOBS_KEY),
    )
    assert tables.rows_read(JOBS) == 0
    assert tables.rows_read(JOBS_DUE) + tables.rows_read(JOBS_RUNNING) < FEW
    assert tables.rows_read(JOBS_KEY) == 0


def test_a_take_over_finds_the_running_jobs_by_their_index(tables: Tables) -> None:
    """However many others there are."""
    tables.connection.execute(
        "update freshness.jobs set state = 'running', worker = %s, started_at = now(),"
        " fence = nextval('freshness.fences') where data_type = %s and symbol <= 'S1005'",
        [tables.worker.number, tables.quotes.name],
    )
    tables.analyze()
    tables.call("select freshness.take_over()", JOBS, JOBS_RUNNING)
    assert tables.scans(JOBS_RUNNING) > 0
    assert tables.rows_read(JOBS) == 0


def test_the_next_moment_is_read_from_the_end_of_the_index(tables: Tables) -> None:
    """One entry for each priority."""
    tables.analyze()
    tables.call(
        f"select freshness.next_moment({tables.worker.number}, array['{tables.quotes.name}'])",
        *(JOBS, JOBS_DUE),
    )
    assert tables.scans(JOBS_DUE) > 0
    assert tables.rows_read(JOBS) == 0
    assert tables.rows_read(JOBS_DUE) < FEW


def test_a_look_reads_the_rows_of_its_keys(tables: Tables) -> None:
    """By the data table's index."""
    tables.analyze()
    data, data_key = tables.quotes.table, f"{tables.quotes.table}_pkey"
    tables.call(
        f"select * from freshness.look('{tables.quotes.name}', array['S7', 'S8', 'NONE'])",
        *(data, data_key, JOBS, JOBS_KEY),
    )
    assert tables.scans(data_key) > 0
    assert tables.rows_read(data) == tables.rows_read(JOBS) == 0
    assert tables.rows_read(data_key) < FEW


@pytest.mark.parametrize("symbol_type", ["uuid", "integer", "varchar(20)"])
def test_a_look_uses_the_index_whatever_the_type_of_the_symbol(
    tables: Tables, symbol_type: str
) -> None:
    """And finds the newest of many rows for a symbol at its end."""
    quotes = create_data_type(
        tables.connection,
        f"symbol {symbol_type}, fetched_at timestamptz, primary key (symbol, fetched_at)",
    )
    symbol = "md5(s::text)::uuid" if symbol_type == "uuid" else f"s::{symbol_type}"
    tables.connection.execute(
        f"insert into {quotes.table} select {symbol}, now() - n * interval '1 second'"
        " from generate_series(1, 10) as s, generate_series(1, 2000) as n"
    )
    tables.connection.execute(f"analyze {quotes.table}")
    given = tables.connection.execute(
        f"select format('array[%L]', symbol::text) from {quotes.table} limit 1"
    ).fetchone()
    assert given is not None
    data_key = f"{quotes.table}_pkey"
    tables.call(
        f"select * from freshness.look('{quotes.name}', {given[0]})", quotes.table, data_key
    )
    assert tables.rows_read(quotes.table) == 0
    assert tables.rows_read(data_key) < FEW


def test_a_fold_takes_pulls_and_finds_their_keys_by_index(tables: Tables) -> None:
    """A hundred of twenty thousand."""
    tables.analyze()
    data = tables.quotes.table
    tables.call(
        "select freshness.fold_pulls(100)",
        *(PULLS, PULLS_KEY, JOBS, JOBS_KEY, WATCHES, WATCHES_KEY, data),
    )
    assert tables.scans(PULLS_KEY) > 0
    assert tables.rows_read(PULLS) == 0
    assert tables.rows_read(JOBS) == tables.rows_read(WATCHES) == tables.rows_read(data) == 0


@pytest.mark.parametrize("is_analyzed", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        "freshness.claim_one({worker}, array['{name}'], '0')",
        "freshness.claim({worker}, array['{name}'], 10)",
        "freshness.seconds_until_fold()",
    ],
)
def test_pulls_that_have_time_cost_a_claim_a_look_at_the_first(
    tables: Tables, call: str, *, is_analyzed: bool
) -> None:
    """Thousands have subscribed to fresh keys since the last fold."""
    tables.empty_inbox()
    tables.connection.execute(
        "insert into freshness.pulls (due_at, subscription_row, reason)"
        " select now() + interval '1 hour', n, 'fresh' from generate_series(1, %s) as n",
        [ROWS],
    )
    if is_analyzed:
        tables.analyze()
    called = call.format(worker=tables.worker.number, name=tables.quotes.name)
    tables.call(f"select * from {called}", PULLS, PULLS_KEY)
    assert tables.rows_read(PULLS) == 0
    assert 0 < tables.rows_read(PULLS_KEY) < FEW


def test_watches_are_found_by_symbol(tables: Tables) -> None:
    """Who watches fifty keys."""
    tables.analyze()
    tables.call(
        f"select * from freshness.live_watches('{tables.quotes.name}',"
        " array(select 'S' || n from generate_series(1, 50) as n))",
        *(WATCHES, WATCHES_KEY),
    )
    assert tables.scans(WATCHES_KEY) > 0
    assert tables.rows_read(WATCHES) == 0


def test_a_card_reads_its_own_keys(tables: Tables) -> None:
    """A lease, its jobs and its rows."""
    tables.analyze()
    name, data = tables.quotes.name, tables.quotes.table
    tables.call(
        f"select * from freshness.watch(array['{name}', '{name}'], array['S7', 'NEW'], 'user:2')",
        *(JOBS, JOBS_KEY, WATCHES, WATCHES_KEY, data),
    )
    assert tables.rows_read(JOBS) == tables.rows_read(WATCHES) == tables.rows_read(data) == 0
    assert tables.scans(JOBS_KEY) > 0


def test_a_data_trigger_reads_the_jobs_of_the_changed_rows(tables: Tables) -> None:
    """A statement of a hundred rows."""
    tables.analyze()
    tables.call(
        f"update {tables.quotes.table} set fetched_at = fetched_at - interval '1 second'"
        " where symbol between 'S100' and 'S1009' returning 1",
        *(JOBS, JOBS_KEY),
    )
    assert tables.scans(JOBS_KEY) > 0
    assert tables.rows_read(JOBS) == 0


def test_leases_that_have_ended_are_found_by_their_index(tables: Tables) -> None:
    """Ten of twenty thousand."""
    tables.connection.execute(
        "update freshness.watches set lease_until = now() where data_type = %s"
        " and symbol <= 'S1008'",
        [tables.quotes.name],
    )
    tables.analyze()
    tables.call("select freshness.end_watches()", WATCHES, WATCHES_LEASE)
    assert tables.scans(WATCHES_LEASE) > 0
    assert tables.rows_read(WATCHES) == 0
