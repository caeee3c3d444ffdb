"""Arrays as Postgres reads them."""

from __future__ import annotations

from collections.abc import Sequence


def array_of(values: Sequence[str | int | None]) -> str | None:
    """Return texts or whole numbers as an array literal; None when there is nothing in it.

    psycopg looks at each value of a list anew how it is to be written, which takes ten times as
    long; and even a column of nulls takes the server longer to read than none.
    """
    if not any(value is not None for value in values):
        return None
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | int | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
