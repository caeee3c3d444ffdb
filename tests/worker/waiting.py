"""Waiting for what another process or task brings about: polled, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")

DEADLINE = 20.0
PAUSE = 0.02


def wait_until(question: Callable[[], Found], deadline: float = DEADLINE) -> Found:
    """Ask until the answer is true; returns it. Fails with the last answer after `deadline` s."""
    end = time.monotonic() + deadline
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {deadline:g} s; the last answer was {answer!r}"
        time.sleep(PAUSE)
    return answer


async def until(question: Callable[[], Found], deadline: float = DEADLINE) -> Found:
    """Do as `wait_until` does, and let the event loop go on meanwhile."""
    end = time.monotonic() + deadline
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {deadline:g} s; the last answer was {answer!r}"
        await asyncio.sleep(PAUSE)
    return answer


async def until_quiet(
    question: Callable[[], Any], seconds: float, deadline: float = DEADLINE
) -> None:
    """Wait until the answer has stayed the same for so many seconds."""
    end = time.monotonic() + deadline
    last, since = question(), time.monotonic()
    while time.monotonic() < since + seconds:
        assert time.monotonic() < end, f"changed within each {seconds:g} s for {deadline:g} s"
        await asyncio.sleep(0.1)
        if (now := question()) != last:
            last, since = now, time.monotonic()
