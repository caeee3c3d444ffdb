"""Log lines reach their file in order, and none waits for long."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
import structlog

from pyworker.log_lines import LogLines
from pyworker.logs import configure_logging


class File(io.StringIO):
    """A file that counts its writes."""

    writes = 0

    def write(self, text: str) -> int:
        """Count."""
        self.writes += 1
        return super().write(text)


async def test_the_lines_of_one_round_are_written_together() -> None:
    """A round later they are in the file, in order, with one write."""
    file = File()
    lines = LogLines(file)
    lines.info("first")
    lines.info("second")
    assert file.getvalue() == ""
    await asyncio.sleep(0)
    assert (file.getvalue(), file.writes) == ("first\nsecond\n", 1)
    lines.info("third")
    await asyncio.sleep(0)
    assert file.getvalue() == "first\nsecond\nthird\n"


async def test_a_warning_is_written_at_once_after_what_waits() -> None:
    """Whatever becomes of the process after it."""
    file = File()
    lines = LogLines(file)
    lines.info("first")
    lines.warning("second")
    assert file.getvalue() == "first\nsecond\n"
    lines.info("third")
    await asyncio.sleep(0)
    assert file.getvalue() == "first\nsecond\nthird\n"


async def test_a_line_of_a_thread_is_written_at_once() -> None:
    """There is no loop that it could wait for."""
    file = File()
    lines = LogLines(file)
    lines.info("first")
    await asyncio.to_thread(lines.info, "second")
    assert file.getvalue() == "first\nsecond\n"


def test_lines_of_a_loop_that_was_stopped_come_with_the_next_loops() -> None:
    """A loop that ends before its round does takes no line with it."""
    file = File()
    lines = LogLines(file)

    async def say(word: str) -> None:
        lines.info(word)

    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: loop.create_task(say("first")))
    loop.run_forever()
    loop.run_until_complete(say("second"))
    loop.close()
    asyncio.run(say("third"))
    assert file.getvalue() == "first\nsecond\nthird\n"


def test_an_entry_is_one_line_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its level, its time, what is bound to the context, and an error's traceback."""
    file = File()
    monkeypatch.setattr("sys.stderr", file)
    configure_logging("json")
    try:
        with structlog.contextvars.bound_contextvars(request="r1"):
            structlog.get_logger("test").bind(symbol="AAPL").info("said", n=1)
        try:
            int("why")
        except ValueError:
            structlog.get_logger("test").exception("failed")
    finally:
        structlog.reset_defaults()
    said, failed = (json.loads(line) for line in file.getvalue().splitlines())
    assert said.pop("timestamp").endswith("Z")
    assert said == {"symbol": "AAPL", "n": 1, "event": "said", "request": "r1", "level": "info"}
    assert failed["level"] == "error"
    assert "ValueError: invalid literal" in failed["exception"]
