"""What refreshers say, on its way to those who stream their keys."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.types.json import Jsonb

from pyworker.lines import Said
from pyworker.queue.calls import Calls
from pyworker.queue.columns import storable


class LineQueue:
    """What tells lines."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def tell_lines(self, said: Sequence[Said]) -> int:
        """Tell lines to those who stream their keys; returns how many were told."""
        told = [
            {
                "data_type": each.data_type,
                "symbols": [storable(symbol) for symbol in each.symbols],
                "lines": [storable(line) for line in each.lines],
                "left_out": each.left_out,
            }
            for each in said
        ]
        return int(await self._calls.value("select freshness.tell_lines(%s)", (Jsonb(told),)))
