"""The two data types of the demo: quotes that go stale in seconds, and slower profiles."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = {
    "AAPL": "Apple",
    "AMZN": "Amazon",
    "GOOG": "Google",
    "IBM": "IBM",
    "MSFT": "Microsoft",
}
SYMBOLS = tuple(NAMES)


@dataclass(frozen=True, slots=True)
class DataType:
    """A data type, its table, its time-to-live in seconds, and what the provider answers for it.

    `columns` are those that come from the provider, with their types; `symbol` and `fetched_at`
    are filled in when the rows are stored.
    """

    name: str
    title: str
    table: str
    ttl: int
    path: str
    columns: dict[str, str]


QUOTE = DataType(
    name="demo_quote",
    title="Quote",
    table="demo_quotes",
    ttl=5,
    path="quotes",
    columns={
        "price": "numeric not null",
        "change": "numeric not null",
        "traded_on": "date not null",
        "history": "numeric[] not null",
    },
)
PROFILE = DataType(
    name="demo_profile",
    title="Profile",
    table="demo_profiles",
    ttl=30,
    path="profiles",
    columns={
        "name": "text not null",
        "price": "numeric not null",
        "year_low": "numeric not null",
        "year_high": "numeric not null",
        "year_change": "numeric not null",
        "traded_on": "date not null",
    },
)
DATA_TYPES = {data_type.name: data_type for data_type in (QUOTE, PROFILE)}
