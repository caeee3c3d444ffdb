"""The built-in refresher: JSON over HTTP from a configured URL, fields mapped to columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from pyworker.job import Job, Row
from pyworker.refreshers import Context, RefreshFailed

MAX_ANSWER_BYTES = 10_000_000
# The runner's limit ends a fetch; a shorter one here would make a longer `timeout` useless.
WHOLE_FETCH_IS_LIMITED = httpx.Timeout(None, connect=5)


@dataclass(frozen=True, slots=True)
class HttpFetch:
    """Fetches rows with one GET.

    Args:
        url: with `{symbol}` where the symbol goes, percent-encoded.
        columns: column -> path of the field in each row of the answer, such as `price.last`.
        rows: path of the row or the list of rows in the answer; empty for the whole answer.
        headers: sent with each request; never logged.
    """

    url: str
    columns: Mapping[str, str]
    rows: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def __call__(self, job: Job, context: Context) -> Sequence[Row]:
        """Fetch and map; raises `RefreshFailed` with a reason that holds no secret."""
        if job.symbol in {".", ".."}:
            # Also percent-encoded they mean another folder, and so another address.
            raise RefreshFailed(f"symbol {job.symbol} cannot stand in a URL")
        url = self.url.replace("{symbol}", quote(job.symbol, safe=""))
        body = await self._get(context.http, url)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RefreshFailed("the answer is not JSON") from error
        rows = _field(answer, self.rows, "the answer")
        if rows is None:
            return []
        return [self._row(each) for each in (rows if isinstance(rows, list) else [rows])]

    async def _get(self, client: httpx.AsyncClient, url: str) -> bytes:
        host = httpx.URL(url).host
        body = bytearray()
        try:
            async with client.stream(
                "GET", url, headers=dict(self.headers), timeout=WHOLE_FETCH_IS_LIMITED
            ) as response:
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise RefreshFailed(f"{host} knows no such symbol (HTTP 404)")
                if not response.is_success:
                    raise RefreshFailed(f"{host} answered HTTP {response.status_code}")
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise RefreshFailed(
                            f"the answer of {host} is over {MAX_ANSWER_BYTES} bytes"
                        )
        except httpx.TimeoutException as error:
            raise RefreshFailed(f"{host} did not answer in time") from error
        except httpx.HTTPError as error:
            # Their texts can hold the URL, and the URL a key.
            raise RefreshFailed(f"{host} cannot be reached: {type(error).__name__}") from error
        return bytes(body)

    def _row(self, fields: Any) -> Row:
        return {
            column: _field(fields, path, "a row of the answer")
            for column, path in self.columns.items()
        }


def _field(value: Any, path: str, where: str) -> Any:
    for name in filter(None, path.split(".")):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise RefreshFailed(f"{where} has no field {path}")
    return value
