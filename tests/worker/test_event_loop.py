"""A worker runs on uvloop where that is installed, and on Python's own event loop elsewhere."""

from __future__ import annotations

import asyncio
import gc
import json
import sys

import pytest
import structlog

from pyworker import event_loop
from pyworker.logs import configure_logging


def loop_that_is_used() -> str:
    """Return the package of the running loop's class."""
    found = []

    async def main() -> None:
        found.append(type(asyncio.get_running_loop()).__module__.split(".")[0])

    event_loop.run(main())
    return found[0]


def test_uvloop_is_used_where_it_is_installed() -> None:
    assert loop_that_is_used() == "uvloop"


def test_pythons_own_loop_is_used_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyworker.event_loop.find_spec", lambda _name: None)
    assert loop_that_is_used() == "asyncio"


@pytest.mark.parametrize("installed", [True, False])
def test_what_others_leave_behind_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, installed: bool
) -> None:
    """A task that calls sys.exit(), and one whose error nobody asks for: a line each."""
    if not installed:
        monkeypatch.setattr("pyworker.event_loop.find_spec", lambda _name: None)
    ended = []

    async def leave() -> None:
        sys.exit(3)

    async def fail() -> None:
        raise ValueError("nobody asks")

    async def main() -> None:
        with pytest.raises(SystemExit):
            await asyncio.create_task(leave())
        failing = asyncio.create_task(fail())
        await asyncio.wait((failing,))
        del failing
        gc.collect()
        ended.append(True)

    configure_logging("json")
    try:
        event_loop.run(main())
    finally:
        structlog.reset_defaults()
    assert ended
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["error"] for line in said] == ["SystemExit(3)", "ValueError('nobody asks')"]


def test_what_the_main_task_raises_is_raised() -> None:
    async def main() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit):
        event_loop.run(main())
