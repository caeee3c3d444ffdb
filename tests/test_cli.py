"""The command in a process of its own: what it says when something is wrong, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.data_types import create_data_type
from tests.worker.processes import fetch_over_http, running_worker

COMMAND = [sys.executable, "-m", "pyworker.cli"]
ASKING = [["status"], ["monitor", "--once"], ["retry", "quote"]]
SOON = 8.0
"""Seconds; a pool gives up after ten."""


def environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **settings}


def call(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, and wait for its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )


def nowhere() -> str:
    """Return the URL of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://postgres:s3cr3t@127.0.0.1:{probe.getsockname()[1]}/postgres"


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_a_database_that_is_not_there_is_told_at_once_in_one_line(
    tmp_path: Path, arguments: list[str]
) -> None:
    """With Postgres' reason, and without the pool's words for each attempt."""
    answer = call(tmp_path, *arguments, DATABASE_URL=nowhere())
    assert answer.returncode == 1
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
    assert line.startswith("freshness: the database cannot be reached: ")
    assert line.endswith("Connection refused (check DATABASE_URL)")
    assert "s3cr3t" not in line


@pytest.mark.parametrize(
    ("arguments", "status"),
    [*((arguments, 1) for arguments in ASKING), (["retry"], 2), (["status", "--no"], 2)],
)
def test_an_error_is_json_too_when_that_was_asked_for(
    tmp_path: Path, arguments: list[str], status: int
) -> None:
    answer = call(tmp_path, *arguments, "--json", DATABASE_URL=nowhere())
    assert answer.returncode == status
    found = json.loads(answer.stdout)
    assert found.keys() == {"error", "hint"}
    assert found["error"] in answer.stderr


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, own_database: str) -> None:
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [*COMMAND, "status"],
            cwd=tmp_path,
            env=environment(DATABASE_URL=own_database),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SOON,
            check=False,
        )
    assert answer.returncode == 1
    assert answer.stderr == "freshness: No space left on device\n"


def test_a_file_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "supabase").mkdir()
    (tmp_path / "supabase" / "migrations").write_text("")
    answer = call(tmp_path, "init")
    assert answer.returncode == 1
    assert answer.stderr == "freshness: supabase/migrations: File exists\n"


@pytest.mark.parametrize("arguments", [*ASKING, ["monitor"], ["run"], ["serve"]], ids=" ".join)
def test_ctrl_c_ends_the_wait_for_a_database_that_is_silent(
    tmp_path: Path, arguments: list[str]
) -> None:
    """At once, without a traceback; the first look has not begun, so there is nothing to end."""
    (tmp_path / "module.py").write_text(
        'from pyworker import refresher\n@refresher("quote")\nasync def quote(job, context): ...\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SOON)
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(
                DATABASE_URL=f"postgresql://p:p@127.0.0.1:{silent.getsockname()[1]}/p",
                FRESHNESS_REFRESHERS="module",
                SUPABASE_JWT_SECRET="a-secret-of-at-least-32-characters",
            ),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=3)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 130
    assert said.strip() == ""


@pytest.mark.parametrize("arguments", [*ASKING, ["serve"]], ids=" ".join)
def test_a_database_without_our_schema_is_told_what_to_do(
    tmp_path: Path, own_database: str, arguments: list[str]
) -> None:
    answer = call(
        tmp_path,
        *arguments,
        DATABASE_URL=own_database.rpartition("/")[0] + "/template1",
        SUPABASE_JWT_SECRET="a-secret-of-at-least-32-characters",
        FRESHNESS_PORT="0",
    )
    assert answer.returncode == 1
    assert answer.stderr == (
        "freshness: the database does not have schema freshness"
        " (apply the migrations: freshness init and supabase db push, or make up)\n"
    )


def test_a_schema_of_another_version_is_told_as_such(tmp_path: Path, own_database: str) -> None:
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute("drop function freshness.retry(text)")
    answer = call(tmp_path, "retry", "quote", DATABASE_URL=own_database)
    assert answer.returncode == 1
    assert answer.stderr == (
        "freshness: schema freshness in the database is of another version than this command"
        " (replace one of them: docs/install.md, Upgrading)\n"
    )


def test_a_refresher_for_a_data_type_that_nobody_registered_is_named(
    tmp_path: Path, own_database: str
) -> None:
    """Its keys would stay due for ever, and nothing else would say why."""
    with psycopg.connect(own_database, autocommit=True) as connection:
        registered = create_data_type(connection).name
    fetch_over_http(tmp_path, "http://127.0.0.1", registered, "misspelt")
    with running_worker(tmp_path, "w", DATABASE_URL=own_database) as worker:
        [warning] = worker.events("data_type_not_registered")
    assert (warning["data_type"], warning["registered"]) == ("misspelt", [registered])


def test_ctrl_c_during_an_import_is_no_failure_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("raise KeyboardInterrupt")
    answer = call(tmp_path, "run", DATABASE_URL=nowhere(), FRESHNESS_REFRESHERS="module")
    assert (answer.returncode, answer.stderr.strip()) == (130, "")


def test_help_needs_neither_a_driver_nor_a_server() -> None:
    """The command answers before one could get impatient, and interrupt its imports."""
    found = "import pyworker.cli, sys; print({'psycopg', 'httpx', 'uvicorn'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", found], capture_output=True, check=True)
    assert answer.stdout == b"set()\n"


@pytest.mark.parametrize(("setting", "has_colours"), [("", True), ("1", False)])
def test_no_color_is_kept_to_on_a_terminal(
    tmp_path: Path, own_database: str, setting: str, *, has_colours: bool
) -> None:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "status"],
        cwd=tmp_path,
        env=environment(DATABASE_URL=own_database, NO_COLOR=setting),
        stdout=end,
    )
    os.close(end)
    shown = b""
    try:
        while read := os.read(terminal, 4096):
            shown += read
    except OSError:
        pass  # The other end is closed.
    finally:
        os.close(terminal)
    assert process.wait(SOON) == 0
    assert b"ok" in shown
    assert (b"\x1b[" in shown) == has_colours
