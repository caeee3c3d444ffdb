"""Finding and installing the pooler that the tests use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyworker.local import pooler
from pyworker.local.pooler import ensure_pooler, find_pooler
from tests.local.test_packages import RecordingApt


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder where programs are looked for, and nowhere else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pooler, "_FOLDERS", ())
    return tmp_path


def test_a_pooler_that_is_there_is_used(bare_machine: Path) -> None:
    program = bare_machine / "pgbouncer"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    apt = RecordingApt(set())
    assert ensure_pooler(print, apt) == str(program) == find_pooler()
    assert apt.installed == []


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_pooler_is_installed() -> None:
    apt = RecordingApt({"pgbouncer"})
    ensure_pooler(print, apt)
    assert apt.installed == ["pgbouncer"]


@pytest.mark.usefixtures("bare_machine")
def test_a_pooler_that_cannot_be_installed_is_only_reported() -> None:
    """Nobody is asked for a password for it."""
    lines: list[str] = []
    assert ensure_pooler(lines.append, RecordingApt(set(), allowed=False)) is None
    assert "may ask: False" in lines[0]
    assert lines[-1] == "PgBouncer is not installed: the tests poll over direct connections"
