"""What operators do to keys by hand."""

from __future__ import annotations

from pyworker.queue.calls import Calls


class OperatorQueue:
    """What releases keys, and explains them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def retry(self, data_type: str, symbol: str | None) -> int:
        """Release a key that is set aside or held back, or all of a data type; returns how many.

        Raises:
            InvalidRequest: there is no such data type.
        """
        if symbol is None:
            return int(await self._calls.value("select freshness.retry(%s)", (data_type,)))
        return int(await self._calls.value("select freshness.retry(%s, %s)", (data_type, symbol)))

    async def explain(self, data_type: str, symbol: str) -> str:
        """Return in words what happens to a key, such as "is fresh until ..."."""
        return str(
            await self._calls.value(
                "select explanation from freshness.explain(%s, %s)", (data_type, symbol)
            )
        )
