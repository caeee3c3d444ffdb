"""What `freshness monitor` shows: the state of the service, again and again."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from pyworker.errors import DatabaseUnavailable
from pyworker.figures import Figures, read_figures
from pyworker.queue.status import StatusQueue

_RULE = "-" * 60


class Monitor:
    """Prints what it sees: on a terminal each look in the place of the last, with colours."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._is_live = sys.stdout.isatty() and not as_json

    async def run(self, queue: StatusQueue, interval: float | None) -> None:
        """Look each `interval` seconds, for ever; None: once.

        Raises:
            DatabaseUnavailable: when it looks once; otherwise that is shown, and it goes on.
        """
        while True:
            began = asyncio.get_running_loop().time()
            moment = datetime.now(UTC)
            try:
                figures = await read_figures(queue)
            except DatabaseUnavailable as error:
                if interval is None:
                    raise
                self._show(moment, None, str(error), clears=True)
            else:
                self._show(moment, figures, None, clears=interval is not None)
            if interval is None:
                return
            await asyncio.sleep(interval - (asyncio.get_running_loop().time() - began))

    def _show(
        self, moment: datetime, figures: Figures | None, error: str | None, *, clears: bool
    ) -> None:
        if self._as_json:
            click.echo(json.dumps(as_record(moment, figures, error), default=str))
            return
        if self._is_live and clears:
            click.clear()
        click.echo(as_text(moment, figures, error))
        if not self._is_live and clears:
            click.echo()


def as_record(moment: datetime, figures: Figures | None, error: str | None) -> dict[str, Any]:
    """Return one look for programs."""
    record: dict[str, Any] = {
        "available": figures is not None,
        "timestamp": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    if figures is None:
        return {**record, "error": error}
    return {
        **record,
        "listener": asdict(figures.listener_report()),
        "workers": figures.processes.workers,
        "listeners": figures.processes.listeners,
        "streams": figures.processes.streams,
        "streamed_keys": figures.processes.streamed_keys,
        "freshness": asdict(figures.status),
        "sources": figures.sources,
    }


def as_text(moment: datetime, figures: Figures | None, error: str | None) -> str:
    """Return one look for people, with colours."""
    head = f"Freshness at {moment:%Y-%m-%d %H:%M:%S} UTC\n{_RULE}"
    if figures is None:
        return f"{head}\n{_mark(is_good=False)} {error}"
    report = figures.listener_report()
    processes = figures.processes
    connection = "HEALTHY" if report.connection_healthy else f"NONE, {report.reason}"
    lines = [
        head,
        f"{_mark(is_good=report.running)} Workers: {processes.workers or 'NONE'}",
        f"{_mark(is_good=report.connection_healthy)} Listening connections: {connection}",
        f"  Notification queue of the server: {processes.pg_queue_usage_percent:.2f}% full",
        f"  Streams: {processes.streams}, of {processes.streamed_keys} keys",
        *(_source(record) for record in figures.sources),
        "",
        figures.status.text(),
    ]
    return "\n".join(lines)


def _source(record: dict[str, Any]) -> str:
    is_open = record["status"] == "open"
    calls = f"{record['calls_last_minute']} calls in the last minute"
    if record["calls_per_minute"] is not None:
        calls += f" of {record['calls_per_minute']}"
    return f"{_mark(is_good=is_open)} Source {record['source']}: {record['status']}, {calls}"


def _mark(*, is_good: bool) -> str:
    return click.style("\u2713", fg="green") if is_good else click.style("\u2717", fg="red")
