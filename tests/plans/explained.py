"""What the statements inside our functions read: their plans as auto_explain reports them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

SETTINGS = {
    "log_min_duration": "0",
    "log_nested_statements": "on",
    "log_analyze": "on",
    "log_timing": "off",
    "log_verbose": "on",
    "log_format": "json",
    "log_level": "notice",
}


class Scan(NamedTuple):
    """A sequential scan of a table: how many rows it read, and the statement."""

    table: str
    rows: float
    statement: str


class Explained:
    """A session of the superuser whose plans are all kept."""

    def __init__(self, url: str) -> None:
        self._notices: list[str] = []
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("load 'auto_explain'")
        for name, value in SETTINGS.items():
            self.connection.execute(f"set auto_explain.{name} = '{value}'".encode())
        self.connection.add_notice_handler(lambda notice: self._keep(notice.message_primary))

    def scans(self, statement: str, parameters: Sequence[Any] = ()) -> list[Scan]:
        """Execute a statement and return the sequential scans of all that it did."""
        self._notices.clear()
        self.connection.execute(statement.encode(), parameters).fetchall()
        plans = [json.loads(notice[notice.index("{") :]) for notice in self._notices]
        return [
            Scan(f"{node['Schema']}.{node['Relation Name']}", _rows(node), plan["Query Text"])
            for plan in plans
            for node in _nodes(plan["Plan"])
            if node["Node Type"] == "Seq Scan"
        ]

    def close(self) -> None:
        """End the session, and with it all plans that it has kept."""
        self.connection.close()

    def _keep(self, message: str | None) -> None:
        if message is not None and message.startswith("duration: "):
            self._notices.append(message)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows(node: dict[str, Any]) -> float:
    loops: float = node["Actual Loops"]
    rows: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return loops * rows
