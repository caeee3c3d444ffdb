"""A client's filter text, read into the form in which the Realtime server stores it."""

from __future__ import annotations

import re
from typing import NamedTuple

OPERATORS = (
    *("eq", "neq", "lt", "lte", "gt", "gte", "in"),
    *("like", "ilike", "is", "match", "imatch", "isdistinct"),
)

# column = [not.] operator . value, where the value is quoted, a list in parentheses, or runs to
# the next comma.
SEGMENT = re.compile(
    r"""\s*(?P<column>[^=,]+?)\s*=(?P<negated>not\.)?(?P<operator>\w+)\.
    (?:"(?P<quoted>(?:[^"\\]|\\.)*)"\s*
    |\((?P<listed>(?:"(?:[^"\\]|\\.)*"|[^)"])*)\)\s*
    |(?P<plain>[^,]*))
    (?P<end>,|$)""",
    re.VERBOSE | re.DOTALL,
)


class RealtimeFilter(NamedTuple):
    """One element of `realtime.subscription.filters`."""

    column: str
    operator: str
    value: str
    negate: bool = False


def parse_realtime_filter(text: str) -> list[RealtimeFilter]:
    """Reads `symbol=eq.AAPL`, `symbol=not.in.(AAPL, MSFT)`, `a=eq.1,b=eq."x,y"`; blank is none.

    Several filters, separated by commas, must all hold. Raises ValueError that shows the part
    which is no filter.
    """
    found: list[RealtimeFilter] = []
    position = 0
    while text[position:].strip() or text[:position].endswith(","):
        match = SEGMENT.match(text, position)
        if match is None:
            raise ValueError(f"not a filter like column=eq.value: {text[position:]!r}")
        if match["operator"] not in OPERATORS:
            raise ValueError(f"unknown operator {match['operator']!r} in {match[0]!r}")
        found.append(
            RealtimeFilter(
                match["column"], match["operator"], _stored_value(match), bool(match["negated"])
            )
        )
        position = match.end()
    return found


def _stored_value(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
    if match["listed"] is None:
        return match["plain"]
    # A list is stored as the text of an array; its elements keep their quotes.
    return f"{{{match['listed']}}}" if match["operator"] == "in" else f"({match['listed']})"
