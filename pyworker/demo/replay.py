"""Replays the series by the wall clock: each call finds it further on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyworker.demo.data_types import NAMES, PROFILE, QUOTE
from pyworker.demo.series import Month, Series

SECONDS_PER_MONTH = 2.0
YEAR = 12
HISTORY = 24

Row = dict[str, Any]


class Replay:
    """Answers what is known of a symbol at a moment (seconds); after its end it starts again.

    The first `HISTORY` months are there from the start, so that there is something to draw.
    """

    def __init__(self, series: Series, started: float) -> None:
        self._series = series
        self._started = started
        self.answers: dict[str, Callable[[str, float], Row]] = {
            QUOTE.path: self.quote,
            PROFILE.path: self.profile,
        }

    def knows(self, symbol: str) -> bool:
        """Say whether there is a series for the symbol."""
        return symbol in self._series

    def quote(self, symbol: str, now: float) -> Row:
        """Return the latest price, its change on the month before (percent), and what led to it."""
        months = self._known(symbol, now)
        prices = [month.price for month in months]
        return {
            "price": prices[-1],
            "change": _percent(prices[-2], prices[-1]),
            "traded_on": months[-1].day.isoformat(),
            "history": prices[-HISTORY:],
        }

    def profile(self, symbol: str, now: float) -> Row:
        """Return the name, the price, and its range and change in the past year."""
        months = self._known(symbol, now)
        prices = [month.price for month in months[-YEAR - 1 :]]
        return {
            "name": NAMES.get(symbol, symbol),
            "price": prices[-1],
            "year_low": min(prices),
            "year_high": max(prices),
            "year_change": _percent(prices[0], prices[-1]),
            "traded_on": months[-1].day.isoformat(),
        }

    def _known(self, symbol: str, now: float) -> list[Month]:
        months = self._series[symbol]
        passed = int((now - self._started) / SECONDS_PER_MONTH)
        return months[: HISTORY + passed % (len(months) - HISTORY + 1)]


def _percent(before: float, after: float) -> float:
    return round((after / before - 1) * 100, 2)
