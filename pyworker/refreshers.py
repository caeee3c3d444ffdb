"""Refreshers: the callables that fetch a key's rows from outside."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from pyworker.context import Context, SyncContext
from pyworker.errors import ConfigurationError
from pyworker.job import Job
from pyworker.outcomes import Answer, Missing, RefreshFailed, RetryAfter, Unchanged

__all__ = [
    "Context",
    "RefreshFailed",
    "Refresher",
    "SyncContext",
    "by_data_type",
    "load_refreshers",
    "refresher",
]

BatchAnswer = Mapping[str, Answer | Exception] | Missing | RetryAfter | Unchanged

Fetch = Callable[[Job, Context], Awaitable[Answer]] | Callable[[Job, SyncContext], Answer]
FetchBatch = (
    Callable[[Sequence[Job], Context], Awaitable[BatchAnswer]]
    | Callable[[Sequence[Job], SyncContext], BatchAnswer]
)


@dataclass(frozen=True, slots=True)
class Refresher:
    """A callable for one data type, with its own timeout in seconds (None: the setting).

    With `max_batch` it takes a list of up to so many jobs; `in_thread` says that it is not async.
    """

    data_type: str
    fetch: Callable[..., Any]
    timeout: float | None = None
    max_batch: int | None = None
    in_thread: bool = False

    async def __call__(self, job: Job, context: Context) -> Answer:
        """Fetch the rows of one key."""
        if self.max_batch is None:
            answer: Answer = await self.call(job, context)
            return answer
        found = self.of_batch(await self.call([job], context), job.symbol)
        if isinstance(found, Exception):
            raise found
        return found

    def call(self, asked: Job | Sequence[Job], context: Context) -> Awaitable[Any]:
        """Call the function for a job, or for a batch of jobs; to await what it returns."""
        if self.in_thread:
            return context.threads.run(lambda: self.fetch(asked, context.for_threads()))
        called: Awaitable[Any] = self.fetch(asked, context)
        return called

    def of_batch(self, answers: object, symbol: str) -> Answer | Exception:
        """Return what the answer to a batch says of one key.

        Raises:
            RefreshFailed: it is no mapping, nor an outcome for all of them.
        """
        if isinstance(answers, Missing | RetryAfter | Unchanged):
            return answers
        if not isinstance(answers, Mapping):
            raise RefreshFailed(
                "a batch refresher returns a mapping of symbols to rows, not"
                f" {type(answers).__name__}"
            )
        found: Answer | Exception = answers.get(symbol, Missing())
        return found


@overload
def refresher(
    data_type: str, *, timeout: float | None = None, max_batch: None = None
) -> Callable[[Fetch], Refresher]: ...


@overload
def refresher(
    data_type: str, *, timeout: float | None = None, max_batch: int
) -> Callable[[FetchBatch], Refresher]: ...


def refresher(
    data_type: str, *, timeout: float | None = None, max_batch: int | None = None
) -> Callable[[Any], Refresher]:
    """Make a function the refresher of a data type; docs/refreshers.md has examples.

    An async function gets the job and the context, a plain one the job and the sync context, in a
    thread of its own. It returns a list of rows (mappings of columns to values), `Unchanged()`,
    `Missing()` or `RetryAfter(...)`. The symbol column may be left out; so may the timestamp
    column, and then the start of the fetch is stored. What it raises becomes the job's
    `last_error`, and the job is tried again later.

    With `max_batch` it gets a list of up to so many jobs, and returns a mapping of their symbols
    to any of these, or to an error. A symbol that is left out is missing.

    Raises:
        ConfigurationError: there is no name, `max_batch` is below 1, `timeout` is not above 0, or
            the function yields.
    """
    # Without parentheses the function stands in the name's place.
    if not data_type or callable(data_type):
        raise ConfigurationError("@refresher needs a data type", 'write @refresher("quote")')
    if timeout is not None and timeout <= 0:
        raise ConfigurationError(f"timeout of {data_type} is {timeout}", "pass seconds above 0")
    if max_batch is not None and max_batch < 1:
        raise ConfigurationError(f"max_batch of {data_type} is {max_batch}", "pass 1 or more")

    def decorate(fetch: Callable[..., Any]) -> Refresher:
        if inspect.isgeneratorfunction(fetch) or inspect.isasyncgenfunction(fetch):
            raise ConfigurationError(f"the refresher of {data_type} yields", "return a list")
        is_async = inspect.iscoroutinefunction(fetch)
        return Refresher(data_type, fetch, timeout, max_batch, in_thread=not is_async)

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
