"""The paths for operators and platforms, for the endpoint and the worker alike."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pyworker.figures import read_figures
from pyworker.queue.status import StatusQueue
from pyworker.web.authentication import Authentication
from pyworker.web.handler import Handler
from pyworker.web.health import Readiness, healthz
from pyworker.web.metrics import Metrics
from pyworker.web.operators import OperatorsOnly
from pyworker.web.process_report import ProcessReport
from pyworker.web.reading import Reading
from pyworker.web.service_status import ServiceStatus

FIGURES_LAST = 3.0
FIGURES_LIMIT = 8.0
"""Prometheus waits ten seconds."""


class Operations:
    """Makes the routes; `registry` takes metrics that are counted where they happen.

    Args:
        report: what the process says of itself.
        authentication: who is an operator; None: nobody can be told to be one.
        metrics_public: whether anybody may read the metrics.
    """

    def __init__(
        self, report: ProcessReport, authentication: Authentication | None, *, metrics_public: bool
    ) -> None:
        queue = StatusQueue(report.calls[0])
        figures = Reading(partial(read_figures, queue), lasts=FIGURES_LAST, limit=FIGURES_LIMIT)
        metrics = Metrics(report, figures.latest)
        self.registry: CollectorRegistry = metrics.registry
        self._open: dict[str, Handler] = {
            "/healthz": healthz,
            "/readyz": Readiness(queue),
        }
        closed: dict[str, Handler] = {"/status": ServiceStatus(report, figures.latest)}
        (self._open if metrics_public else closed)["/metrics"] = metrics
        if authentication is not None:
            for path, handler in closed.items():
                self._open[path] = OperatorsOnly(handler, authentication)

    def routes(self) -> list[Route]:
        """Return the routes; those for operators only if it can be told who is one."""
        return [
            Route(path, partial(_answer, handler), methods=["GET"])
            for path, handler in self._open.items()
        ]


async def _answer(handler: Handler, request: Request) -> Response:
    # Starlette takes objects that are no functions for applications of their own.
    return await handler(request)
