"""The feed: one look for all pages, none without a page."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from pyworker.demo.feed import Feed


class Looks:
    def __init__(self) -> None:
        self.count = 0
        self.looked = asyncio.Event()

    async def look(self) -> dict[str, Any]:
        self.count += 1
        self.looked.set()
        return {"look": self.count}


@pytest.fixture
async def looks() -> Looks:
    return Looks()


async def test_there_are_no_looks_while_no_page_is_open(looks: Looks) -> None:
    feed = Feed(looks.look)
    running = asyncio.create_task(feed.run())
    async with aclosing(feed.stream()) as stream:
        assert json.loads((await anext(stream)).removeprefix("data: ")) == {"look": 1}
    # The look that comes next finds that the page has gone.
    count = looks.count
    feed.look_now()
    for _ in range(5):
        await asyncio.sleep(0)
    assert looks.count == count
    running.cancel()


async def test_pages_share_a_look(looks: Looks) -> None:
    feed = Feed(looks.look)
    async with aclosing(feed.stream()) as one, aclosing(feed.stream()) as other:
        waiting = [asyncio.ensure_future(anext(stream)) for stream in (one, other)]
        running = asyncio.create_task(feed.run())
        assert await waiting[0] == await waiting[1]
        running.cancel()
    assert looks.count == 1


async def test_closing_ends_all_streams_and_says_so(looks: Looks) -> None:
    feed = Feed(looks.look)
    async with aclosing(feed.stream()) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await feed.close()
        assert (await waiting).startswith("event: end")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
