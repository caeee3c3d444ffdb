"""The answer that goes on: slow clients, silent ones, and those that are gone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from pyworker.event_listener import KeyLine
from pyworker.events.channels import Channels
from pyworker.events.stream import MOST_LINES, Stream
from pyworker.events.texts import event_text
from pyworker.job import Key
from pyworker.stream_state import StreamState
from pyworker.web import event_stream
from pyworker.web.event_stream import EventStream

A, B = Key("quote", "A"), Key("quote", "B")
PATIENCE = 5.0


class Page:
    """A client that takes what it is sent only when it wants to."""

    def __init__(self) -> None:
        self.body = b""
        self.left: list[Stream] = []
        self.wants = asyncio.Event()
        self.wants.set()
        self.got = asyncio.Event()
        self.is_gone = asyncio.Event()
        self.is_over = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take one part."""
        await self.wants.wait()
        self.body += message.get("body", b"")
        if message["type"] == "http.response.body":
            self.is_over = not message.get("more_body", False)
            self.got.set()

    async def receive(self) -> MutableMapping[str, Any]:
        """Leave, some day."""
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def has(self, text: bytes) -> bool:
        """Whether a text comes."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.body:
                self.got.clear()
                await self.got.wait()
        return True

    @contextmanager
    def open_for(self, stream: Stream) -> Iterator[None]:
        """Note who has left."""
        try:
            yield
        finally:
            self.left.append(stream)

    def open(self, stream: Stream, lasts: float | None = None) -> asyncio.Task[None]:
        """Open a stream."""
        answer = EventStream(stream, b"hello\n\n", lasts, self.open_for)
        return asyncio.create_task(answer({"type": "http"}, self.receive, self.send))


def state(key: Key, version: int, status: str = "fresh") -> StreamState:
    """The state of a key."""
    return StreamState(key.data_type, key.symbol, status, None, None, version)


def stream_of(*keys: Key) -> Stream:
    """A stream that was let in."""
    stream = Stream("stream:1:user:1", "user:1")
    stream.keys = set(keys)
    return stream


async def test_a_slow_client_gets_the_newest_state_of_each_key_and_holds_nobody_up() -> None:
    channels = Channels()
    slow, fast = stream_of(A, B), stream_of(A, B)
    channels.answered([state(A, 1), state(B, 1)])
    channels.enter(slow)
    channels.enter(fast)
    slow_page, fast_page = Page(), Page()
    slow_page.wants.clear()
    tasks = [slow_page.open(slow), fast_page.open(fast)]
    for version in range(2, 500):
        for key in (A, B):
            channels.answered([state(key, version, "fresh" if version % 2 else "queued")])
        if version % 100 == 0:
            assert await fast_page.has(b'"version":%d,' % version)
    assert await fast_page.has(b'"symbol":"B","status":"fresh","version":499')
    assert len(slow._pending) == 2
    slow_page.wants.set()
    assert await slow_page.has(b'"symbol":"B","status":"fresh","version":499')
    assert slow_page.body.count(b"\nid: ") <= 4
    for page, task in zip((slow_page, fast_page), tasks, strict=True):
        page.is_gone.set()
        await task


def line(number: int, left_out: int = 0, key: Key = A) -> KeyLine:
    """What a refresher has said."""
    return KeyLine(key.data_type, key.symbol, f"line {number}", datetime.now(UTC), left_out)


def lines_in(text: bytes) -> list[tuple[str, int]]:
    """The lines of an answer, and how many were left out before each."""
    told = [json.loads(part) for part in re.findall(rb"event: log\ndata: (.*)", text)]
    return [(each["line"], each["leftOut"]) for each in told]


async def test_lines_of_refreshers_come_in_their_order_and_of_one_key() -> None:
    channels = Channels()
    stream, other = stream_of(A), stream_of(B)
    channels.answered([state(A, 1), state(B, 1)])
    channels.enter(stream)
    channels.enter(other)
    await other.take(0)
    channels.hear_line(line(1))
    channels.answered([state(A, 2, "queued")])
    channels.hear_line(line(2, left_out=3))
    told = await stream.take(0)
    assert lines_in(told) == [("line 1", 0), ("line 2", 3)]
    names = re.findall(rb"event: (\w+)", told)
    assert names == [b"log", b"queued", b"log"]
    # Whoever opens again goes on from a state.
    assert b"\nid:" not in told.split(b"event: log")[-1]
    assert await other.take(0) == b""
    channels.hear_line(line(3))
    assert lines_in(await stream.take(0)) == [("line 3", 0)]


async def test_a_slow_client_loses_the_oldest_lines_and_is_told_how_many() -> None:
    channels = Channels()
    slow = stream_of(A, B)
    channels.answered([state(A, 1), state(B, 1)])
    channels.enter(slow)
    channels.hear_line(line(0, left_out=7))
    channels.hear_line(line(0, key=B))
    for number in range(1, 1000):
        channels.hear_line(line(number))
    assert len(slow._pending) == 2 + MOST_LINES
    told = await slow.take(0)
    assert lines_in(told)[0] == ("line 900", 907)
    assert lines_in(told)[1:] == [(f"line {number}", 0) for number in range(901, 1000)]
    assert told.count(b"event: snapshot") == 2
    channels.hear_line(line(1, key=B))
    assert lines_in(await slow.take(0)) == [("line 1", 1)]


async def test_no_state_goes_back() -> None:
    channels = Channels()
    stream = stream_of(A)
    channels.answered([state(A, 5)])
    channels.enter(stream)
    assert b"id: 5" in await stream.take(0)
    channels.answered([state(A, 4, "queued")])
    channels.answered([state(A, 6)])
    assert await stream.take(0) == b""
    channels.answered([state(A, 7, "queued")])
    assert b"id: 7" in await stream.take(0)


async def test_a_channel_is_gone_with_its_last_stream() -> None:
    channels = Channels()
    first, second = stream_of(A), stream_of(A, B)
    channels.answered([state(A, 1), state(B, 1)])
    channels.enter(first)
    channels.enter(second)
    channels.leave(second)
    assert channels.close_empty() == [B]
    channels.leave(first)
    assert channels.close_empty() == [A]
    assert channels.keys() == []


async def test_a_silent_stream_has_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_INTERVAL", 0.01)
    page, stream = Page(), stream_of(A)
    task = page.open(stream)
    assert await page.has(b"hello\n\n:\n\n:\n\n")
    page.is_gone.set()
    await task


async def test_a_client_that_leaves_ends_its_stream_at_once() -> None:
    page, stream = Page(), stream_of(A)
    task = page.open(stream)
    assert await page.has(b"hello")
    page.is_gone.set()
    async with asyncio.timeout(PATIENCE):
        await task
    assert page.left == [stream]
    assert b"stopped" not in page.body


async def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STALLED_AFTER", 0.05)
    page, stream = Page(), stream_of(A)
    task = page.open(stream)
    assert await page.has(b"hello")
    page.wants.clear()
    stream.put(A, b"event: fresh\n\n")
    async with asyncio.timeout(PATIENCE):
        await task
    assert page.left == [stream]


async def test_what_is_held_is_sent_before_a_stream_stops() -> None:
    page, stream = Page(), stream_of(A)
    stream.put(A, b"event: fresh\n\n")
    await page.open(stream, lasts=0)
    assert page.body.endswith(
        b'event: fresh\n\nevent: stopped\ndata: {"reason":"token_expired"}\n\n'
    )
    assert page.is_over


def test_no_symbol_breaks_out_of_its_line() -> None:
    text = event_text("fresh", {"symbol": "A\n\nevent: stopped\r\u2028"}, 1)
    assert text.count(b"\n") == 4
    assert b"\r" not in text
