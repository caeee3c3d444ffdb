"""What a statement saw before another transaction committed is never written over it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import SCHEMA, DataType, Register
from tests.fixtures.workers import Announce
from tests.worker.waiting import wait_until

HELD = 20_261_122
DEADLINE = f"""
    create or replace function {SCHEMA}.slow_deadline(p_from timestamptz, p_ttl interval)
    returns timestamptz language plpgsql as $$
    begin
        if current_setting('freshness_tests.waits', true) = 'on' then
            while not pg_try_advisory_xact_lock_shared({HELD}) loop
                perform pg_sleep(0.002);
            end loop;
        end if;
        return p_from + p_ttl;
    end
    $$
"""


@dataclass
class Slow:
    """A session whose statements wait, when they have begun, until they are let go."""

    session: Connection
    control: Connection
    threads: ThreadPoolExecutor

    def begin(self, statement: str, *parameters: Any) -> Future[list[Any]]:
        """Start a statement; returns when it waits, with the look that it began with."""
        self.control.execute("select pg_advisory_lock(%s)", [HELD])
        self.session.execute("set freshness_tests.waits = 'on'")
        going = self.threads.submit(
            lambda: self.session.execute(statement.encode(), parameters).fetchall()
        )
        wait_until(lambda: self._waits() or going.done())
        assert not going.done(), going.result()
        return going

    def go_on(self, going: Future[list[Any]]) -> list[Any]:
        """Let it go on, and return its rows."""
        self.control.execute("select pg_advisory_unlock(%s)", [HELD])
        return going.result(20)

    def _waits(self) -> bool:
        found = self.control.execute(
            "select from pg_stat_activity where pid = %s and wait_event = 'PgSleep'",
            [self.session.info.backend_pid],
        )
        return found.fetchone() is not None


@pytest.fixture
def slow(connect: Connect) -> Iterator[Slow]:
    """A session that waits inside its statements."""
    control = connect()
    with ThreadPoolExecutor(1) as threads:
        yield Slow(connect(), control, threads)
        control.execute("select pg_advisory_unlock_all()")


@pytest.fixture
def slow_quotes(connection: Connection, register: Register) -> DataType:
    """Quotes that the slow session looks at slowly."""
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(DEADLINE)
    return register(deadline_function=f"{SCHEMA}.slow_deadline")


def job(connection: Connection, data_type: DataType, columns: str) -> tuple[Any, ...]:
    """Read columns of the only job."""
    row = connection.execute(
        f"select {columns} from freshness.jobs where data_type = %s", [data_type.name]
    ).fetchone()
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize(
    "look",
    [
        "select freshness.fold_pulls()::text",
        "select outcome from freshness.reconsider(%s, array['AAPL'])",
        "select freshness.sweep_keys(%s, array['AAPL'], false)::text",
    ],
    ids=["fold", "reconsider", "sweep"],
)
def test_a_look_from_before_a_finish_leaves_what_the_finish_wrote(
    connection: Connection,
    slow_quotes: DataType,
    announce: Announce,
    slow: Slow,
    look: str,
) -> None:
    """A second viewer came while the key was fetched: all that is new is that there are two."""
    slow_quotes.store(connection, "AAPL", 3600)
    watch = "select freshness.watch(array[%s], array['AAPL'], %s)"
    connection.execute(watch, [slow_quotes.name, "user:1"])
    worker = announce()
    (claimed,) = worker.claim(slow_quotes.name)
    connection.execute(watch, [slow_quotes.name, "user:2"])

    going = slow.begin(look, *[slow_quotes.name] * look.count("%s"))
    assert worker.finish(claimed, {"price": 2}) == "fresh"
    written = "run_at, stored_at, verified_at, fresh_until"
    finished = job(connection, slow_quotes, written)
    slow.go_on(going)

    assert job(connection, slow_quotes, written) == finished
    assert job(connection, slow_quotes, "viewers") == (2,)


def test_a_look_from_before_a_finish_sees_rows_that_are_deleted_after_it(
    connection: Connection, slow_quotes: DataType, announce: Announce, slow: Slow
) -> None:
    """The second look is one of its own, and not what the finish says."""
    slow_quotes.store(connection, "AAPL", 3600)
    connection.execute(
        "select freshness.watch(array[%s], array['AAPL'], 'user:1')", [slow_quotes.name]
    )
    worker = announce()
    (claimed,) = worker.claim(slow_quotes.name)
    going = slow.begin(
        "select outcome from freshness.reconsider(%s, array['AAPL'], true)", slow_quotes.name
    )
    worker.finish(claimed, {"price": 2})
    connection.execute(f"delete from {slow_quotes.table}")
    assert slow.go_on(going) == [("moved",)]
    assert job(connection, slow_quotes, "stored_at, due_at <= clock_timestamp()") == (None, True)
