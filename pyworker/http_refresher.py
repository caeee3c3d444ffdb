"""The built-in refresher: JSON over HTTP from a configured URL, fields mapped to columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

from pyworker.context import Context
from pyworker.http_answer import RowMapping, field_of
from pyworker.http_get import get
from pyworker.job import Job
from pyworker.outcomes import Answer, Missing, RefreshFailed, RetryAfter, Rows, Unchanged

_LONGEST_VALIDATOR = 1000
_LONGEST_KIND = 100
_VALIDATORS = {"etag": "if-none-match", "last-modified": "if-modified-since"}


@dataclass(frozen=True)
class HttpFetch:
    """Fetches rows with one GET.

    Args:
        url: with `{symbol}` where the symbol goes, percent-encoded.
        columns: column -> path of the field in each row of the answer, such as `price.last`.
        rows: path of the row or the list of rows in the answer; empty for the whole answer.
        headers: sent with each request; never logged.
        epochs: column -> "seconds" or "milliseconds", for times that are numbers since 1970.
        missing_status: answers that say that the source has nothing for the symbol.
        conditional: whether ETag and Last-Modified are remembered, and asked with.
    """

    url: str
    columns: Mapping[str, str]
    rows: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    epochs: Mapping[str, str] = field(default_factory=dict)
    missing_status: frozenset[int] = frozenset()
    conditional: bool = True

    async def __call__(self, job: Job, context: Context) -> Answer:
        """Fetch and map; raises `RefreshFailed` with a reason that holds no secret."""
        url = self.url.replace("{symbol}", segment(job.symbol))
        headers = {**self.headers, **self._conditions(job)}
        response = await get(context.http, url, headers, self.missing_status)
        if isinstance(response, RetryAfter):
            return response
        if response.status_code in self.missing_status:
            return Missing()
        validators = self._validators(response)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return Unchanged(validators)
        rows = field_of(read_json(response), self.rows, "the answer")
        if rows is None:
            return Rows(validators=validators)
        mapping = RowMapping(self.columns, self.epochs)
        found = rows if isinstance(rows, list) else [rows]
        return Rows((mapping.row(each) for each in found), validators=validators)

    @cached_property
    def _made_by(self) -> str:
        # Rows that were mapped in another way have to be fetched again, changed or not.
        made_by = json.dumps([self.url, self.rows, dict(self.columns), dict(self.epochs)])
        return hashlib.sha256(made_by.encode()).hexdigest()[:16]

    def _conditions(self, job: Job) -> dict[str, str]:
        given = job.validators or {}
        if not self.conditional or given.get("made-by") != self._made_by:
            return {}
        return {header: given[name] for name, header in _VALIDATORS.items() if name in given}

    def _validators(self, response: httpx.Response) -> dict[str, str] | None:
        if not self.conditional:
            return None
        given = {
            name: value
            for name in _VALIDATORS
            if (value := response.headers.get(name, "")) and _can_be_kept(value)
        }
        return {**given, "made-by": self._made_by} if given else None


def segment(symbol: str) -> str:
    """Return a symbol as a part of a URL's path.

    Raises:
        RefreshFailed: it would mean another folder, and so another address.
    """
    if symbol in {".", ".."}:
        # Also percent-encoded.
        raise RefreshFailed(f"symbol {symbol} cannot stand in a URL", permanent=True)
    return quote(symbol, safe="")


def read_json(response: httpx.Response) -> Any:
    """Return the JSON of an answer.

    Raises:
        RefreshFailed: it is none.
    """
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError) as error:
        if not response.content:
            raise RefreshFailed(f"the answer (HTTP {response.status_code}) is empty") from error
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        is_known = kind.isascii() and kind.isprintable() and 0 < len(kind) <= _LONGEST_KIND
        raise RefreshFailed(
            f"the answer is not JSON, but {kind}"
            if is_known and "json" not in kind
            else "the answer is not JSON"
        ) from error


def _can_be_kept(value: str) -> bool:
    return len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
