"""Any order of any steps of several workers and producers: no job is slept through."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.servers import Database
from tests.waking.sleeper import Producer, Sleeper

WORKERS = st.integers(0, 2)
PRODUCERS = st.integers(0, 1)


class Waking(RuleBasedStateMachine):
    """Three workers and two producers on real connections."""

    url: str
    idle: list[Connection]

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Connection] = []
        self.connection = self.connect()
        self.quotes: DataType = create_data_type(self.connection)
        self.sleepers = [Sleeper(self.connect, self.quotes.name, takes_jobs=True) for _ in range(3)]
        self.full = [False, False, False]
        self.told = [False, False, False]
        # Fences of the jobs that workers have begun with, as they were handed over.
        self.begun: list[int] = []
        self.producing = [self.connect(), self.connect()]
        self.open: dict[int, Producer] = {}
        # All asleep, the first one keeping the time: from here on each step matters.
        Producer(self.connection, self.quotes.name, "read committed").write(20)
        for worker in range(3):
            self.fall_asleep(worker)

    def connect(self) -> Connection:
        """Take a connection that an earlier run has left, or open one."""
        left = self.idle.pop() if self.idle else psycopg.connect(self.url, autocommit=True)
        self.opened.append(left)
        return left

    @rule(worker=WORKERS)
    def arm(self, worker: int) -> None:
        """A free slot, or a signal: the worker looks and says until when it will sleep."""
        self.full[worker] = self.told[worker] = False
        self.sleepers[worker].wake_up()
        self.sleepers[worker].arm()

    @rule(worker=WORKERS)
    def fall_asleep(self, worker: int) -> None:
        """It does all that at once, and nobody comes in between."""
        self.arm(worker)
        for _ in range(3):
            self.settle(worker)

    @rule(worker=WORKERS)
    def settle(self, worker: int) -> None:
        """It looks once more, and sleeps if it may."""
        self.sleepers[worker].settle()

    @rule(worker=WORKERS)
    def stay_awake(self, worker: int) -> None:
        """It was told twice for one look: it looks again soon, whatever it is told."""
        if not self.full[worker]:
            self.sleepers[worker].stay_awake()

    @rule(worker=WORKERS)
    def fill(self, worker: int) -> None:
        """It has no free slot any more; what it hears then it hands on."""
        self.sleepers[worker].fill()
        self.full[worker] = True
        self.nobody_sleeps_past_the_next_deadline()

    @rule(producer=PRODUCERS, seconds=st.sampled_from([0, 5, 20]))
    def write(self, producer: int, seconds: float) -> None:
        """A transaction begins and writes a job."""
        if producer not in self.open:
            self.open[producer] = Producer(
                self.producing[producer], self.quotes.name, "read committed"
            )
            self.open[producer].begin()
            self.open[producer].write(seconds)

    @precondition(lambda self: self.open)
    @rule(producer=PRODUCERS, hands_over=st.booleans(), commits=st.booleans())
    def end(self, producer: int, hands_over: bool, commits: bool) -> None:
        """It wakes whoever has to know, or hands the job over, and commits or rolls back."""
        if producer in self.open:
            ending = self.open.pop(producer)
            if hands_over and ending.is_due:
                ending.hand_over()
            else:
                ending.gate()
            if commits:
                ending.commit()
            else:
                ending.roll_back()
            self.nobody_sleeps_past_the_next_deadline()

    def nobody_sleeps_past_the_next_deadline(self) -> None:
        """Some worker that has a slot is awake, was told, or wakes by then."""
        if self.open:
            return
        for worker, sleeper in enumerate(self.sleepers):
            jobs, told = sleeper.handed()
            if self.full[worker]:
                sleeper.hand_back(jobs)
            else:
                self.begun += [job["fence"] for job in jobs]
            if told:
                self.told[worker] = True
                if self.full[worker]:
                    self.connection.execute("select freshness.hand_on(%s)", [[self.quotes.name]])
        # Handing on may have told somebody who was asked before.
        for worker, sleeper in enumerate(self.sleepers):
            self.told[worker] = bool(sleeper.heard()) or self.told[worker]
        runs = "select fence from freshness.jobs where data_type = %s and state = 'running'"
        running = self.connection.execute(runs, [self.quotes.name]).fetchall()
        assert {fence for (fence,) in running} == set(self.begun), "nobody began with a job"
        row = self.connection.execute(
            "select extract(epoch from freshness.next_due(%s))::float8", [[self.quotes.name]]
        ).fetchone()
        assert row is not None
        if row[0] is None or all(self.full):
            return
        assert any(
            not self.full[worker]
            and (
                sleeper.asleep_until is None
                or self.told[worker]
                or sleeper.asleep_until <= row[0] + 0.001
            )
            for worker, sleeper in enumerate(self.sleepers)
        )

    def teardown(self) -> None:
        """End everything and take the data type away."""
        for producer in self.open.values():
            producer.roll_back()
        self.open = {}
        try:
            self.nobody_sleeps_past_the_next_deadline()
        finally:
            for sleeper in self.sleepers:
                sleeper.leave()
            self.quotes.drop(self.connection)
            for opened in self.opened:
                opened.execute("unlisten *")
            self.idle.extend(self.opened)


@pytest.fixture
def machine(database: Database) -> Iterator[type[Waking]]:
    """The model on the database of the tests."""
    idle: list[Connection] = []
    yield type("WakingHere", (Waking,), {"url": database.url, "idle": idle})
    for connection in idle:
        connection.close()


def test_no_job_is_slept_through(machine: type[Waking]) -> None:
    """A bounded number of random runs."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
