"""The programs `initdb` and `pg_ctl`, with their failures told in one line."""

from __future__ import annotations

import locale
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from pyworker.local.errors import LocalError
from pyworker.local.installation import Installation
from pyworker.local.server_account import ServerAccount


class ClusterError(LocalError):
    """The server cannot be created, started or stopped; the message says why."""


def initialise(
    account: ServerAccount,
    installation: Installation,
    data: Path,
    *,
    superuser: str,
    password: str,
    durable: bool,
) -> None:
    """Create the files of a cluster with one role, the superuser.

    Raises:
        ClusterError: initdb failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".password", dir=data.parent) as file:
        file.write(password)
        file.flush()
        account.own(Path(file.name))
        done = account.run(
            installation.program("initdb"),
            *("--pgdata", str(data), "--username", superuser, "--pwfile", file.name),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", _locale()),
            *(() if durable else ("--no-sync",)),
        )
    if done.returncode != 0:
        raise ClusterError(f"initdb failed: {_last_line(done.stdout)}")


def start_server(
    account: ServerAccount, installation: Installation, data: Path, *, log: Path
) -> None:
    """Start the server in the background, its output in a file, and wait until it answers.

    Raises:
        ClusterError: it does not start; the message has the server's own reason.
    """
    before = log.stat().st_size if log.exists() else 0
    try:
        _pg_ctl(account, installation, "start", "-D", str(data), "-l", str(log))
    except ClusterError as error:
        reason = _reason(log, before)
        raise ClusterError(f"{reason or error} (see {log})") from None


def stop_server(
    account: ServerAccount, installation: Installation, data: Path, *, mode: str
) -> None:
    """Stop the server and wait for its end.

    Raises:
        ClusterError: it does not stop within a minute.
    """
    _pg_ctl(account, installation, "stop", "-D", str(data), "-m", mode)


def _pg_ctl(account: ServerAccount, installation: Installation, action: str, *options: str) -> None:
    pg_ctl = installation.program("pg_ctl")
    try:
        done = account.run(pg_ctl, action, *options, "-w", "-t", "60")
    except subprocess.TimeoutExpired:
        raise ClusterError(f"PostgreSQL did not {action} within two minutes") from None
    if done.returncode != 0:
        raise ClusterError(f"PostgreSQL did not {action}: {_last_line(done.stdout)}")


def _reason(log: Path, start: int) -> str | None:
    """Return the server's own last words among what it wrote after a position in its log."""
    with suppress(OSError), log.open(errors="replace") as file:
        file.seek(start)
        lines = [line.strip() for line in file if line.strip()]
        fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
        if said := fatal or lines:
            return f"PostgreSQL did not start: {said[0]}"
    return None


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"


def _locale() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"
