"""The whole demo, as a person or a build runs it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import psycopg
import pytest

from pyworker.demo.demo_objects import demo_objects
from pyworker.demo.errors import DemoError
from tests.demo.running import run_demo, running_demo
from tests.fixtures.servers import Database

LEFT = """
    select
        (select count(*) from freshness.data_types where name like 'demo%')
        + (select count(*) from freshness.jobs where data_type like 'demo%')
        + (select count(*) from freshness.events where data_type like 'demo%')
        + (select count(*) from freshness.watches where data_type like 'demo%')
        + (select count(*) from freshness.workers where name = 'demo')
        + (select count(*) from pg_tables where tablename like 'demo%')
"""


def left_behind(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(LEFT).fetchone()
    return int(row[0]) if row else -1


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def test_a_run_without_a_person_ends_with_its_figures(database: Database) -> None:
    done = run_demo(database.url, DEMO_SECONDS="6")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    figures = json.loads(line)
    assert figures["keys"] == 10
    assert figures["cards"] + figures["subscriptions"] >= 10
    assert figures["refreshes"] >= 10
    assert figures["provider_calls"] >= figures["refreshes"]
    assert figures["duplicate_jobs"] == figures["failed"] == figures["unanswered"] == 0
    assert 0 < figures["pickup_ms_p50"] <= figures["pickup_ms_p99"]
    assert figures["refresh_ms_p50"] >= 40
    assert 0.5 < figures["fresh_share"] <= 1
    assert left_behind(database.url) == 0


def test_a_signal_ends_everything_in_order(own_database: str) -> None:
    with running_demo(own_database) as (process, address):
        started = children(process.pid)
        card = {"symbol": "AAPL", "dataType": "demo_quote", "way": "card"}
        assert httpx.post(f"{address}/cards", json=card).status_code == 201
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(output)["cards"] == 1
    assert len(started) == 3
    assert not any(Path(f"/proc/{child}").exists() for child in started)
    assert left_behind(own_database) == 0


def test_a_demo_that_was_killed_leaves_nothing_that_hinders_the_next(
    own_database: str, tmp_path: Path
) -> None:
    with running_demo(own_database, TMPDIR=str(tmp_path)) as (process, address):
        card = {"symbol": "IBM", "dataType": "demo_quote", "way": "subscription"}
        assert httpx.post(f"{address}/cards", json=card).status_code == 201
        process.kill()
        process.wait()
    assert left_behind(own_database) > 0
    done = run_demo(own_database, DEMO_SECONDS="3")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("word", "title"), [(b"run", "the worker"), (b"serve", "the endpoint")])
def test_the_end_of_a_process_is_told_in_one_line(
    own_database: str, word: bytes, title: str
) -> None:
    with running_demo(own_database, DEMO_SECONDS="60") as (process, _):
        lines = {
            child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children(process.pid)
        }
        os.kill(next(c for c, line in lines.items() if b"\0%s\0" % word in line), signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith(f"Error: {title} ")
    assert left_behind(own_database) <= 1  # the worker could not say goodbye


def test_only_one_demo_at_a_time_uses_a_database(own_database: str) -> None:
    with demo_objects(own_database):
        done = run_demo(own_database, DEMO_SECONDS="3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("Error: another demo uses this database")


def test_a_table_of_somebody_else_is_left_alone(own_database: str) -> None:
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute("create table public.demo_quotes (mine text)")
        with pytest.raises(DemoError, match=r"demo_quotes .* is not the demo's"):
            demo_objects(own_database).__enter__()
        connection.execute("select mine from public.demo_quotes")


@pytest.mark.parametrize("name", ["DEMO_SECONDS", "DEMO_PORT"])
def test_a_setting_that_makes_no_sense_is_named(own_database: str, name: str) -> None:
    done = run_demo(own_database, **{name: "soon"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {name} in the environment or .env: ")
