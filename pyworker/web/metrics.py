"""Metrics for Prometheus, in its text format or OpenMetrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from pyworker.errors import DatabaseUnavailable
from pyworker.figures import Figures
from pyworker.web.metric_families import of_database, of_listener, of_process
from pyworker.web.process_report import ProcessReport


class Metrics:
    """Answers a scrape: what the process counts, and what was last read from the database.

    While the database cannot be reached, `freshness_database_up` is 0 and its figures are absent.
    `registry` is for metrics that are counted where they happen.
    """

    def __init__(self, report: ProcessReport, figures: Callable[[], Awaitable[Figures]]) -> None:
        self._report = report
        self._figures = figures
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)

    async def __call__(self, request: Request) -> Response:
        """Answer one scrape."""
        try:
            figures = await self._figures()
        except DatabaseUnavailable as error:
            structlog.get_logger().warning("metrics_without_database", reason=str(error))
            figures = None
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        scrape = CollectorRegistry(auto_describe=False)
        scrape.register(self.registry)
        scrape.register(_Once(self._families(figures)))
        return Response(encode(scrape), headers={"Content-Type": content_type})

    def _families(self, figures: Figures | None) -> Iterator[Metric]:
        up = figures is not None
        yield GaugeMetricFamily(
            "freshness_database_up", "1 while the database answers.", value=float(up)
        )
        yield from of_process(self._report)
        if self._report.listener is not None:
            yield from of_listener(self._report.listener())
        elif figures is not None:
            yield from of_listener(figures.listener_report())
        if figures is not None:
            yield from of_database(figures)


class _Once(Collector):
    """Families that have been made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
