"""All that a run needs: the processes, the demo's tables, and what talks to them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import httpx

from pyworker.demo.board import Board
from pyworker.demo.children import Child, own_environment, running, wait_until_logged
from pyworker.demo.demo_objects import demo_objects, owner_connection
from pyworker.demo.errors import DemoError
from pyworker.demo.history import History
from pyworker.demo.looks import Looks
from pyworker.demo.market import configuration
from pyworker.demo.page_server import HOST
from pyworker.demo.recorder import Recorder
from pyworker.demo.session import Session, measure_clock_offset, realtime_connection
from pyworker.demo.settings import DemoSettings
from pyworker.demo.starts import Starts
from pyworker.demo.viewers import Viewers
from pyworker.local.cluster import free_port

LEASE = 60  # seconds
SECONDS_TO_START = 30.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a run needs, while its processes run."""

    children: list[Child]
    viewers: Viewers
    looks: Looks
    recorder: Recorder
    board: Board


@asynccontextmanager
async def open_stage(
    settings: DemoSettings, database_url: str, report: Report
) -> AsyncIterator[Stage]:
    """Set everything up and yield it; all of it has ended and is removed afterwards.

    Raises:
        DemoError: something cannot be started.
        psycopg.Error: the database cannot be reached, or refuses something.
    """
    jwt_secret, api_key = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    provider_port = settings.provider_port or free_port()
    endpoint_port = settings.endpoint_port or free_port()
    provider = f"http://{HOST}:{provider_port}"
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="freshness-demo-")))
        (folder / "freshness.toml").write_text(configuration(provider), "utf-8")
        owner = stack.enter_context(demo_objects(database_url))
        connect_realtime = partial(realtime_connection, database_url)
        realtime = Session(connect_realtime(), connect_realtime)
        stack.callback(realtime.close)
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
            # The moments at which fetches start.
            FRESHNESS_LOG_LEVEL="debug",
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
        owner_session = Session(owner, partial(owner_connection, database_url))
        stack.callback(owner_session.close)
        history = History()
        looks = Looks(owner_session, offset)
        viewers = Viewers(
            endpoint=endpoint_client,
            jwt_secret=jwt_secret,
            realtime=realtime,
            owner=owner_session,
            clock_offset=offset,
            history=history,
        )
        recorder = Recorder(history, looks, provider_client, Starts(children[1].log))
        stack.push_async_callback(viewers.leave_all)
        yield Stage(children, viewers, looks, recorder, Board(viewers, looks, recorder))


async def _client(stack: AsyncExitStack, address: str) -> httpx.AsyncClient:
    # A proxy in the environment is not for the processes of this machine.
    client = httpx.AsyncClient(base_url=address, timeout=10, trust_env=False)
    return await stack.enter_async_context(client)


async def _wait_until_healthy(client: httpx.AsyncClient, child: Child) -> None:
    limit = monotonic() + SECONDS_TO_START
    while monotonic() < limit:
        if child.process.returncode is not None:
            raise DemoError(await child.ended())
        try:
            if (await client.get("/healthz")).is_success:
                return
        except httpx.HTTPError:
            await asyncio.sleep(0.05)
    raise DemoError(f"{child.title} does not answer: {child.last_words()}")
