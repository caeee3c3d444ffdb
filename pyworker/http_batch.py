"""The built-in refresher for sources that take several symbols in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyworker.context import Context
from pyworker.http_answer import RowMapping, field_of
from pyworker.http_get import get
from pyworker.http_refresher import HttpFetch, read_json, segment
from pyworker.job import Job, Row
from pyworker.outcomes import Missing, RefreshFailed, RetryAfter


@dataclass(frozen=True)
class HttpBatchFetch:
    """Fetches the rows of several symbols with one GET.

    Args:
        source: whose URL has `{symbols}`, where the symbols go, separated by commas.
        symbol: path of the field that says which symbol a row of the answer is for.

    Validators would be those of one list of symbols, which does not come again: none are kept.
    """

    source: HttpFetch
    symbol: str

    async def __call__(
        self, jobs: Sequence[Job], context: Context
    ) -> Mapping[str, Sequence[Row]] | RetryAfter | Missing:
        """Fetch and map; symbols that the answer has no row for are left out."""
        symbols = ",".join(segment(job.symbol) for job in jobs)
        source = self.source
        url = source.url.replace("{symbols}", symbols)
        response = await get(context.http, url, source.headers, source.missing_status)
        if isinstance(response, RetryAfter):
            return response
        if response.status_code in source.missing_status:
            return Missing()
        rows = field_of(read_json(response), source.rows, "the answer")
        if rows is None:
            return {}
        return self._by_symbol(rows if isinstance(rows, list) else [rows], jobs)

    def _by_symbol(self, rows: Sequence[object], jobs: Sequence[Job]) -> dict[str, list[Row]]:
        mapping = RowMapping(self.source.columns, self.source.epochs)
        found: dict[str, list[Row]] = {job.symbol: [] for job in jobs}
        for row in rows:
            symbol = str(field_of(row, self.symbol, "a row of the answer"))
            if symbol not in found:
                raise RefreshFailed(
                    f"the answer has rows of symbols that were not asked for: {symbol[:100]}"
                )
            found[symbol].append(mapping.row(row))
        return found
