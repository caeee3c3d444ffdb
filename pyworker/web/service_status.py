"""The state of the service for operators, as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pyworker.errors import DatabaseUnavailable
from pyworker.figures import Figures
from pyworker.listener_report import ListenerReport
from pyworker.web.health import NEVER_STORED
from pyworker.web.process_report import ProcessReport


class ServiceStatus:
    """Answers with the listener, the queues of notifications and the freshness figures.

    While the database cannot be reached: `available` is false and `freshness` null.
    """

    def __init__(self, report: ProcessReport, figures: Callable[[], Awaitable[Figures]]) -> None:
        self._report = report
        self._figures = figures

    async def __call__(self, _request: Request) -> Response:
        """Answer one request."""
        try:
            figures = await self._figures()
        except DatabaseUnavailable as error:
            structlog.get_logger().warning("status_without_database", reason=str(error))
            figures = None
        sizes = dict(self._report.queue_sizes())
        status = {
            "available": figures is not None,
            "listener": self._listener(figures),
            "notification_queues": {
                "total_queues": len(sizes),
                "total_notifications": sum(sizes.values()),
                "queue_sizes": sizes,
            },
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "freshness": None if figures is None else _freshness(figures),
        }
        return JSONResponse(status, headers=NEVER_STORED)

    def _listener(self, figures: Figures | None) -> dict[str, Any] | None:
        if self._report.listener is None:
            return None if figures is None else asdict(figures.listener_report())
        report: ListenerReport = self._report.listener()
        found = asdict(report)
        if report.pg_queue_usage_percent is None and figures is not None:
            found["pg_queue_usage_percent"] = figures.processes.pg_queue_usage_percent
        return found


def _freshness(figures: Figures) -> dict[str, Any]:
    return {
        **asdict(figures.status),
        "sources": [_json(source) for source in figures.sources],
        "workers": figures.processes.workers,
        "listeners": figures.processes.listeners,
        "streams": figures.processes.streams,
        "streamed_keys": figures.processes.streamed_keys,
    }


def _json(record: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in record.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value if value is None or isinstance(value, str) else float(value)
