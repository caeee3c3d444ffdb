"""Refreshers: the callables that fetch a key's rows from outside."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import httpx

from pyworker.errors import ConfigurationError
from pyworker.job import Job, Row


@dataclass(frozen=True, slots=True)
class Context:
    """What every refresher is given beside its job: an HTTP client with sane timeouts."""

    http: httpx.AsyncClient


Fetch = Callable[[Job, Context], Awaitable[Sequence[Row]]]


class RefreshFailed(Exception):
    """Raised by a refresher to say in plain words why it got no rows; kept with the job."""


@dataclass(frozen=True, slots=True)
class Refresher:
    """An async callable for one data type, with its own timeout in seconds (None: the setting)."""

    data_type: str
    fetch: Fetch
    timeout: float | None = None

    async def __call__(self, job: Job, context: Context) -> Sequence[Row]:
        """Fetch the rows of the job's key."""
        return await self.fetch(job, context)


def refresher(data_type: str, *, timeout: float | None = None) -> Callable[[Fetch], Refresher]:
    """Make an async function the refresher of a data type.

    The function gets the job and the context, and returns a list of rows: mappings of columns
    to values. The symbol column may be left out; so may the timestamp column, and then the start
    of the fetch is stored. An empty list says that the source has nothing for the symbol. What it
    raises becomes the job's `last_error`, and the job is tried again later.

    Raises:
        ConfigurationError: the function is not async.
    """

    def decorate(fetch: Fetch) -> Refresher:
        if not inspect.iscoroutinefunction(fetch):
            raise ConfigurationError(f"the refresher of {data_type} is not an async function")
        return Refresher(data_type, fetch, timeout)

    return decorate


def load_refreshers(modules: str) -> list[Refresher]:
    """Import modules (names separated by commas) and return the refreshers they define.

    Raises:
        ConfigurationError: a module cannot be imported, or defines none.
    """
    found: list[Refresher] = []
    # As `python -m` does: modules of the project in the current folder can be named.
    if "" not in sys.path:
        sys.path.insert(0, "")
    for name in filter(None, (part.strip() for part in modules.split(","))):
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"module {name} cannot be imported: {type(error).__name__}: {error}",
                "check FRESHNESS_REFRESHERS",
            ) from error
        own = [value for value in vars(module).values() if isinstance(value, Refresher)]
        if not own:
            raise ConfigurationError(
                f"module {name} defines no refresher", 'decorate a function with @refresher("...")'
            )
        found.extend(own)
    return found


def by_data_type(refreshers: Iterable[Refresher]) -> dict[str, Refresher]:
    """Index refreshers by data type.

    Raises:
        ConfigurationError: two refreshers are for the same data type.
    """
    indexed: dict[str, Refresher] = {}
    for each in refreshers:
        if each.data_type in indexed and indexed[each.data_type] is not each:
            raise ConfigurationError(
                f"data type {each.data_type} has two refreshers", "keep one of them"
            )
        indexed[each.data_type] = each
    return indexed
