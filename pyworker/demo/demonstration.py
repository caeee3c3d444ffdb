"""The demo from its first process to its last figure."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import httpx

from pyworker.demo.audience import Audience
from pyworker.demo.board import Board
from pyworker.demo.children import Child, own_environment, running, wait_until_logged
from pyworker.demo.demo_objects import demo_objects
from pyworker.demo.errors import DemoError
from pyworker.demo.feed import Feed
from pyworker.demo.history import History
from pyworker.demo.looks import Looks
from pyworker.demo.market import configuration
from pyworker.demo.page import Page
from pyworker.demo.page_server import HOST, serving
from pyworker.demo.recorder import Recorder
from pyworker.demo.report import Figures, shortcoming
from pyworker.demo.session import Session, measure_clock_offset, realtime_connection
from pyworker.demo.settings import DemoSettings
from pyworker.demo.viewers import Viewers
from pyworker.job import Key
from pyworker.local.cluster import free_port

LEASE = 60
RENEWAL = 20.0
SECONDS_TO_SETTLE = 4.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a run, and what was not as it must be (None: all was)."""

    figures: Figures
    shortcoming: str | None


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a run needs, while its processes run."""

    children: list[Child]
    viewers: Viewers
    looks: Looks
    recorder: Recorder
    board: Board


async def demonstrate(
    settings: DemoSettings, database_url: str, project: Path, stop: asyncio.Event, report: Report
) -> Outcome:
    """Run the demo until its time is over or `stop` is set; everything it started has ended then.

    Raises:
        DemoError: something could not be started, or ended by itself.
        psycopg.Error: the database cannot be reached, or refuses something.
    """
    folder = project / ".local" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    async with _stage(settings, database_url, folder, report) as stage:
        feed = Feed(stage.board.snapshot)
        page = Page(stage.board, feed).application()
        async with serving(page, feed, settings.port) as address:
            report(f"The page: {address}")
            watched = await _play(settings, stage, feed, stop, report)
        return await _outcome(stage, watched)


@asynccontextmanager
async def _stage(
    settings: DemoSettings, database_url: str, folder: Path, report: Report
) -> AsyncIterator[Stage]:
    jwt_secret, api_key = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    provider_port = settings.provider_port or free_port()
    endpoint_port = settings.endpoint_port or free_port()
    provider = f"http://{HOST}:{provider_port}"
    (folder / "freshness.toml").write_text(configuration(provider), "utf-8")
    async with AsyncExitStack() as stack:
        owner = stack.enter_context(demo_objects(database_url))
        realtime = Session(stack.enter_context(realtime_connection(database_url)))
        report("Starting the provider, the worker and the endpoint")
        environment = own_environment(
            DATABASE_URL=database_url,
            SUPABASE_JWT_SECRET=jwt_secret,
            DEMO_API_KEY=api_key,
            DEMO_PROVIDER_PORT=str(provider_port),
            FRESHNESS_CONFIGURATION=str(folder / "freshness.toml"),
            FRESHNESS_WORKER_NAME="demo",
            FRESHNESS_PORT=str(endpoint_port),
            FRESHNESS_LEASE=str(LEASE),
            FRESHNESS_LOG_FORMAT="json",
        )
        children = [
            await stack.enter_async_context(running(title, module, environment, folder))
            for title, module in {
                "the provider": ["pyworker.demo.provider"],
                "the worker": ["pyworker.cli", "run"],
                "the endpoint": ["pyworker.cli", "serve"],
            }.items()
        ]
        provider_client = await _client(stack, provider)
        endpoint_client = await _client(stack, f"http://{HOST}:{endpoint_port}")
        await wait_until_logged(children[1], "listening")
        await wait_until_logged(children[2], "serving")
        await _wait_until_healthy(provider_client, children[0])

        offset = measure_clock_offset(owner)
        owner_session, history = Session(owner), History()
        looks = Looks(owner_session, offset)
        viewers = Viewers(endpoint_client, jwt_secret, realtime, owner_session, offset, history)
        recorder = Recorder(history, looks, provider_client)
        stack.push_async_callback(viewers.leave_all)
        yield Stage(children, viewers, looks, recorder, Board(viewers, looks, recorder))


async def _client(stack: AsyncExitStack, address: str) -> httpx.AsyncClient:
    # A proxy in the environment is not for the processes of this machine.
    client = httpx.AsyncClient(base_url=address, timeout=10, trust_env=False)
    return await stack.enter_async_context(client)


async def _wait_until_healthy(client: httpx.AsyncClient, child: Child) -> None:
    limit = monotonic() + 30
    while monotonic() < limit:
        if child.process.returncode is not None:
            raise DemoError(await child.ended())
        try:
            if (await client.get("/healthz")).is_success:
                return
        except httpx.HTTPError:
            await asyncio.sleep(0.05)
    raise DemoError(f"{child.title} does not answer: {child.last_words()}")


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
    while await stage.looks.running() and monotonic() < limit:
        await asyncio.sleep(0.02)
    duplicates = await stage.looks.duplicate_rows()
    await stage.recorder.update()
    figures = stage.recorder.figures(duplicates)
    return Outcome(figures, shortcoming(stage.recorder.history, figures, fresh))
