"""Array literals of ours are read by Postgres as the values that they were made of."""

from __future__ import annotations

import pytest

from pyworker.arrays import array_of
from tests.fixtures.connections import Connection

TEXTS = ["AAPL", "", "null", "NULL", None, 'a "quoted" one', "back\\slash", "{a,b}", " x\n\t", "é€"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [("text[]", TEXTS), ("bigint[]", [1, -(2**63), None, 2**63 - 1]), ("text[]", ["one"])],
)
def test_every_value_comes_back(
    connection: Connection, kind: str, values: list[str | int | None]
) -> None:
    [read] = connection.execute(f"select %s::{kind}", [array_of(values)]).fetchone() or (None,)
    assert read == values


@pytest.mark.parametrize("values", [[], [None, None]])
def test_what_holds_nothing_is_no_array(values: list[str | int | None]) -> None:
    """The server need not read it."""
    assert array_of(values) is None
