"""What refreshers are given beside their jobs, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from pyworker.lines import Lines
from pyworker.meter import Meter
from pyworker.threads import Threads

_IS_SHARED = "all refreshers share context.http: it is closed when the process ends"


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What a refresher that is a plain function is given: an HTTP client for threads."""

    http: httpx.Client
    lines: Lines = field(default_factory=Lines, repr=False)

    def log(self, line: object, symbol: str | None = None) -> None:
        """As `Context.log`."""
        self.lines.say(line, symbol)


@dataclass(frozen=True, slots=True)
class Context:
    """What every async refresher is given beside its job: an HTTP client with sane timeouts.

    The rest is for those that run refreshers: `for_threads` opens the other client, once.
    """

    http: httpx.AsyncClient
    for_threads: Callable[[], SyncContext] = field(
        default=lambda: SyncContext(httpx.Client()), repr=False
    )
    threads: Threads = field(default_factory=lambda: Threads(10), repr=False)
    meter: Meter = field(default_factory=Meter, repr=False)
    lines: Lines = field(default_factory=Lines, repr=False)

    def log(self, line: object, symbol: str | None = None) -> None:
        """Say what is going on: to the worker's log, and to those who stream the key.

        The line is cut at 1,000 characters. In a batch it is of all its keys, or of one `symbol`.
        Costs next to nothing, waits for nothing and raises nothing; of too many the oldest go.
        """
        self.lines.say(line, symbol)


@asynccontextmanager
async def open_context(
    concurrency: int, transport: httpx.MockTransport | None = None
) -> AsyncIterator[Context]:
    """Open the HTTP clients that all refreshers share; `transport` stands in for the network."""
    meter, lines = Meter(), Lines()
    options: dict[str, Any] = {
        "timeout": httpx.Timeout(10, connect=5),
        "limits": httpx.Limits(
            max_connections=2 * concurrency, max_keepalive_connections=concurrency
        ),
        "headers": {"user-agent": "supabase-freshness"},
        "follow_redirects": False,
        "transport": transport,
    }
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [meter.watch]}
    with _client_for_threads(meter, lines, options) as for_threads:
        async with _Shared(event_hooks=hooks, **options) as client:
            yield Context(client, for_threads, Threads(concurrency), meter, lines)


@contextmanager
def _client_for_threads(
    meter: Meter, lines: Lines, options: dict[str, Any]
) -> Iterator[Callable[[], SyncContext]]:
    with ExitStack() as opened:
        # Loading the certificates takes as long as some fetches: not for those who need no thread.
        @cache
        def context() -> SyncContext:
            client = _SharedByThreads(event_hooks={"response": [meter.watch_sync]}, **options)
            return SyncContext(opened.enter_context(client), lines)

        yield context


# Whoever has entered a client closes it, and nobody can enter it twice.
class _Shared(httpx.AsyncClient):
    async def aclose(self) -> None:
        raise RuntimeError(_IS_SHARED)


class _SharedByThreads(httpx.Client):
    def close(self) -> None:
        raise RuntimeError(_IS_SHARED)
