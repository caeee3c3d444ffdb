"""Whatever happens in whatever order: the invariants hold after each step."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fixtures.connections import Connection
from tests.fixtures.servers import as_superuser
from tests.model.machine import Freshness
from tests.model.observer import TABLES

SHARE_OF_A_SOAK = 0.25
STEPS, RUNS = 50, 30


@pytest.fixture
def machine(own_database: str) -> Iterator[type[Freshness]]:
    """The model on a database of its own."""
    opened: list[Connection] = []
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    here = {
        "url": own_database,
        "superuser_url": as_superuser(own_database),
        "opened": opened,
        "handed": Counter[str](),
    }
    yield type("FreshnessHere", (Freshness,), here)
    for each in opened:
        each.close()


def _run(machine: type[Freshness], runs: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_invariants_hold_after_each_step(machine: type[Freshness]) -> None:
    """A bounded number of random runs; in a soak as many as there is time for."""
    soak_seconds = float(os.environ.get("SOAK_SECONDS") or 0)
    end = time.monotonic() + SHARE_OF_A_SOAK * soak_seconds
    _run(machine, RUNS)
    while time.monotonic() < end:
        _run(machine, RUNS)
    assert machine.handed["begun"] > RUNS / 2, machine.handed
