"""What `freshness status` says: the state of the keys, the figures, and what needs a look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from pyworker.queue.status import StatusQueue

Record = dict[str, Any]

_COUNTS = ("keys", "wanted", "fresh", "refreshing", "stale", "missing", "failed", "late")
_BAD = frozenset({"stale", "missing", "failed", "late"})


@dataclass(frozen=True, slots=True)
class Status:
    """Rows of the views data_type_status, slo and findings in schema freshness."""

    data_types: list[Record]
    figures: list[Record]
    findings: list[Record]

    def line(self) -> str:
        """Return everything as one JSON object. Times are in seconds."""
        return json.dumps(asdict(self))

    def text(self) -> str:
        """Return everything for people, with colours."""
        parts = [_table(self.data_types), _figures(self.figures), _findings(self.findings)]
        return "\n\n".join(part for part in parts if part)


async def read_status(queue: StatusQueue) -> Status:
    """Read the status through a queue; each part as of its own moment."""
    return Status(await queue.data_type_status(), await queue.slo(), await queue.findings())


def _table(data_types: Sequence[Record]) -> str:
    if not data_types:
        return "No data type is registered: freshness.register_data_type adds one."
    head = ["data type", *_COUNTS, "worst"]
    rows = [
        [record["data_type"], *(str(record[name]) for name in _COUNTS), _worst(record)]
        for record in data_types
    ]
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths)]
    for record, row in zip(data_types, rows, strict=True):
        bad = [name in _BAD and record[name] > 0 for name in _COUNTS]
        lines.append(_line(row, widths, red=[False, *bad, False]))
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], red: Sequence[bool] = ()) -> str:
    padded = [
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    marked = red or [False] * len(padded)
    return "  ".join(
        click.style(cell, fg="red") if bad else cell
        for cell, bad in zip(padded, marked, strict=True)
    )


def _worst(record: Record) -> str:
    lateness = record["worst_lateness"]
    return "-" if lateness is None else f"{_number(lateness)} s"


def _figures(figures: Sequence[Record]) -> str:
    width = max((len(figure["name"]) for figure in figures), default=0)
    values = [_value(figure) for figure in figures]
    value_width = max((len(value) for value in values), default=0)
    return "\n".join(
        f"{figure['name'].ljust(width)}  {value.rjust(value_width)}  {_remark(figure)}"
        for figure, value in zip(figures, values, strict=True)
    )


def _value(figure: Record) -> str:
    if figure["value"] is None:
        return "-"
    return f"{_number(figure['value'])} {figure['unit']}"


def _remark(figure: Record) -> str:
    if figure["target"] is None:
        return str(figure["about"])
    verdict = click.style("ok", fg="green") if figure["ok"] else click.style("MISSED", fg="red")
    target = f"{figure['comparison']} {_number(figure['target'])} {figure['unit']}"
    return f"{verdict} ({target}), {figure['about']}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{float(f'{value:.3g}'):g}"


def _findings(findings: Sequence[Record]) -> str:
    return "\n".join(_finding(finding) for finding in findings) or "Nothing needs a look."


def _finding(finding: Record) -> str:
    # What a provider or a driver said may have several lines.
    return f"{click.style('!', fg='yellow')} {' '.join(finding['message'].split())}"
