"""The demo from its first process to its last figure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from pyworker.demo.audience import Audience
from pyworker.demo.children import Child
from pyworker.demo.errors import DemoError
from pyworker.demo.feed import Feed
from pyworker.demo.looks import Looks
from pyworker.demo.page import Page
from pyworker.demo.page_server import serving
from pyworker.demo.report import Figures, shortcoming
from pyworker.demo.settings import DemoSettings
from pyworker.demo.stage import LEASE, Report, Stage, open_stage
from pyworker.job import Key

RENEWAL = LEASE / 3
SECONDS_TO_SETTLE = 4.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a run, and what was not as it must be (None: all was)."""

    figures: Figures
    shortcoming: str | None


async def demonstrate(
    settings: DemoSettings, database_url: str, stop: asyncio.Event, report: Report
) -> Outcome:
    """Run the demo until its time is over or `stop` is set; everything it started has ended then.

    Raises:
        DemoError: something could not be started, or ended by itself.
        psycopg.Error: the database cannot be reached, or refuses something.
    """
    async with open_stage(settings, database_url, report) as stage:
        feed = Feed(stage.board.snapshot)
        page = Page(stage.board, feed).application()
        async with serving(page, feed, settings.port) as address:
            report(f"The page: {address}")
            watched = await _play(settings, stage, feed, stop, report)
        return await _outcome(stage, watched)


async def _play(
    settings: DemoSettings, stage: Stage, feed: Feed, stop: asyncio.Event, report: Report
) -> list[Key]:
    """Let things happen; returns the keys that are watched at the end."""
    if settings.seconds is None:
        report("Add cards there; Ctrl-C ends the demo")
        scene = asyncio.create_task(_for_ever())
    else:
        report(f"Viewers come and go for {settings.seconds:g} s")
        audience = Audience(stage.viewers, stage.board, settings.seconds)
        scene = asyncio.create_task(audience.attend())
    stopped = asyncio.create_task(stop.wait())
    background = [
        asyncio.create_task(feed.run()),
        asyncio.create_task(stage.viewers.keep_leases(RENEWAL)),
        *(asyncio.create_task(_expect_alive(child)) for child in stage.children),
    ]
    tasks = [scene, stopped, *background]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return [key for key, viewers in stage.viewers.watching.items() if viewers > 0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _expect_alive(child: Child) -> None:
    raise DemoError(await child.ended())


async def _outcome(stage: Stage, watched: list[Key]) -> Outcome:
    # A key that goes stale this very moment is being fetched: each must be seen fresh once.
    fresh = dict.fromkeys(watched, False)
    limit = monotonic() + SECONDS_TO_SETTLE
    while not all(fresh.values()) and monotonic() < limit:
        for state in await stage.looks.states(watched):
            fresh[state.key] = fresh[state.key] or state.status == "fresh"
        await asyncio.sleep(0.02)
    await stage.viewers.leave_all()
    await _wait_until_idle(stage.looks, limit)
    duplicates = await stage.looks.duplicate_rows()
    await stage.recorder.update()
    figures = stage.recorder.figures(duplicates)
    return Outcome(figures, shortcoming(stage.recorder.history, figures, fresh))


async def _wait_until_idle(looks: Looks, limit: float) -> None:
    while monotonic() < limit:
        if not await looks.running():
            return
        await asyncio.sleep(0.02)
