"""`freshness monitor`: the state of the service, again and again."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import closing

import psycopg
from click.testing import CliRunner, Result

from pyworker.cli import freshness
from pyworker.errors import DatabaseUnavailable
from tests.fixtures.data_types import create_data_type
from tests.fixtures.workers import announce_worker

COMMAND = [sys.executable, "-m", "pyworker.cli", "monitor"]


def call(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(freshness, ["monitor", *arguments], env={"DATABASE_URL": url})


def test_once_it_shows_workers_listeners_and_figures(own_database: str) -> None:
    """Without colours, since this is no terminal."""
    before = call(own_database, "--once")
    with psycopg.connect(own_database, autocommit=True) as connection:
        quotes = create_data_type(connection)
        announce_worker(connection)
        connection.execute(
            "select freshness.watch_streams('{stream:1:user:1,stream:2:user:1}', %s, '{A,A}',"
            " '1 hour')",
            [[quotes.name] * 2],
        )
    with psycopg.connect(own_database, application_name="freshness listener"):
        answer = call(own_database, "--once")

    assert (before.exit_code, answer.exit_code) == (0, 0)
    assert "\u2717 Workers: NONE" in before.output
    assert "\u2717 Listening connections: NONE, no worker runs" in before.output
    assert "\u2713 Workers: 1" in answer.output
    assert "\u2713 Listening connections: HEALTHY" in answer.output
    assert "Notification queue of the server: 0.00% full" in answer.output
    assert "  Streams: 0, of 0 keys" in before.output
    assert "  Streams: 2, of 1 keys" in answer.output
    assert quotes.name in answer.output
    assert "queue_depth" in answer.output
    assert "\x1b" not in answer.output


def test_programs_get_one_object_a_line(own_database: str) -> None:
    answer = call(own_database, "--once", "--json")
    assert answer.output.count("\n") == 1
    found = json.loads(answer.output)
    assert found["available"] is True
    assert found["listener"]["connection_healthy"] is False
    assert (found["streams"], found["streamed_keys"]) == (0, 0)
    assert {"data_types", "figures", "findings"} == set(found["freshness"])


def test_each_interval_has_its_line_until_it_is_told_to_end(own_database: str) -> None:
    """Also while the database has no schema of ours; Ctrl-C is no failure."""
    with subprocess.Popen(
        [*COMMAND, "--json", "--interval", "0.1"],
        env={"PATH": os.environ["PATH"], "DATABASE_URL": own_database, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert [json.loads(process.stdout.readline())["available"] for _ in range(2)] == [
                True
            ] * 2
            with psycopg.connect(own_database, autocommit=True) as connection:
                connection.execute("drop schema freshness cascade")
            lines = (json.loads(line) for line in process.stdout)
            assert (
                "schema freshness" in next(line for line in lines if not line["available"])["error"]
            )
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")


def test_on_a_terminal_each_look_takes_the_place_of_the_last(own_database: str) -> None:
    """And has colours."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--interval", "0.1"],
        env={"PATH": os.environ["PATH"], "DATABASE_URL": own_database, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
            seen = b""
            while seen.count(b"Freshness at") < 2:
                seen += terminal.read(4096)
    finally:
        process.kill()
        process.wait()
    assert seen.count(b"\x1b[2J") >= 2
    assert b"\x1b[31m" in seen


def test_once_without_a_database_is_an_error(own_database: str) -> None:
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute("drop schema freshness cascade")
    assert isinstance(call(own_database, "--once").exception, DatabaseUnavailable)


def test_an_interval_of_nothing_is_refused(own_database: str) -> None:
    answer = call(own_database, "--interval", "0")
    assert answer.exit_code == 2
    assert "0.1" in answer.output
