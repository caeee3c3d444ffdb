"""The published price series that the demo replays: `stocks` of the package vega_datasets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pyworker.demo.errors import DemoError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Series = dict[str, list["Month"]]


@dataclass(frozen=True, slots=True)
class Month:
    """The price of one symbol on the first day of a month, in US dollars."""

    day: date
    price: float


def read_series() -> Series:
    """Return each symbol's months in order, cut to those that all symbols have.

    Raises:
        DemoError: the package is not installed.
    """
    # The package itself imports pandas, which takes a second; only its file is needed.
    try:
        found = distribution("vega-datasets").locate_file("vega_datasets/_data/stocks.csv")
    except PackageNotFoundError:
        raise DemoError(
            "vega_datasets is not installed: pip install 'supabase-freshness[demo]'"
        ) from None
    series: Series = {}
    with Path(str(found)).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            month = Month(_day(row["date"]), float(row["price"]))
            series.setdefault(row["symbol"], []).append(month)
    return _common_months(series)


def _day(text: str) -> date:
    # "Jan 1 2000"; strptime would read the month's name in the language of the machine.
    month, day, year = text.split()
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _common_months(series: Series) -> Series:
    first = max(months[0].day for months in series.values())
    last = min(months[-1].day for months in series.values())
    return {
        symbol: sorted((m for m in months if first <= m.day <= last), key=lambda m: m.day)
        for symbol, months in series.items()
    }
