"""A worker runs on uvloop where that is installed, and on Python's own event loop elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from pyworker import event_loop


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
