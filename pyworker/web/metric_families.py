"""The figures as families of metrics; names by Prometheus' conventions, in base units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from pyworker.figures import Figures
from pyworker.listener_report import ListenerReport
from pyworker.web.process_report import ProcessReport

STATUSES = ("fresh", "refreshing", "stale", "missing", "failed")
SOURCE_STATUSES = ("open", "short", "paused", "trying")

# Name in freshness.slo: name of the metric, labels, and how many of its unit make a base unit.
FIGURES = {
    "fresh_now": ("freshness_fresh_keys_ratio", {"window": "now"}, 100),
    "fresh_last_hour": ("freshness_fresh_keys_ratio", {"window": "hour"}, 100),
    "fresh_last_day": ("freshness_fresh_keys_ratio", {"window": "day"}, 100),
    "lateness_p50": ("freshness_lateness_seconds", {"quantile": "0.5"}, 1),
    "lateness_p99": ("freshness_lateness_seconds", {"quantile": "0.99"}, 1),
    "lateness_worst": ("freshness_lateness_seconds", {"quantile": "1"}, 1),
    "start_delay_p50": ("freshness_start_delay_seconds", {"quantile": "0.5"}, 1),
    "start_delay_p99": ("freshness_start_delay_seconds", {"quantile": "0.99"}, 1),
    "queue_success_rate": ("freshness_refresh_success_ratio", {}, 100),
    "queue_depth": ("freshness_due_jobs", {}, 1),
    "job_creation_latency": ("freshness_job_creation_latency_seconds", {}, 1),
    "duplicates": ("freshness_duplicate_refreshes", {}, 1),
}
ABOUT = {
    "freshness_fresh_keys_ratio": "Share of the wanted keys that are fresh, by window.",
    "freshness_lateness_seconds": "How late the wanted keys are now, by quantile.",
    "freshness_start_delay_seconds": "From due to the begin of its fetch, last hour, by quantile.",
    "freshness_refresh_success_ratio": "Share of the last hour's refreshes that succeeded.",
    "freshness_due_jobs": "Jobs that are due and not yet begun.",
    "freshness_job_creation_latency_seconds": "Age of the oldest interest without a job.",
    "freshness_duplicate_refreshes": "Refreshes of the last hour begun while the key had one.",
}


def of_process(report: ProcessReport) -> Iterator[Metric]:
    """Yield what a process knows of itself."""
    yield CounterMetricFamily(
        "freshness_database_queries", "Queries that this process has made.", value=report.queries
    )
    yield CounterMetricFamily(
        "freshness_polling_queries",
        "Queries that polling once a second would have made here: one for a worker, one for each"
        " open stream.",
        value=report.consumers.polls,
    )
    sizes = report.queue_sizes().values()
    yield _gauge("freshness_notification_queues", "Keys with open streams here.", len(sizes))
    yield _gauge(
        "freshness_queued_notifications", "Notifications that wait for streams.", sum(sizes)
    )


def of_listener(report: ListenerReport) -> Iterator[Metric]:
    """Yield how a listener is."""
    yield _gauge(
        "freshness_listener_connected", "1 while a connection listens.", report.connection_healthy
    )
    yield _gauge(
        "freshness_listener_reconnect_attempts",
        "Attempts to connect since it was last healthy.",
        report.reconnect_attempts,
    )
    if report.pg_queue_usage_percent is not None:
        yield _gauge(
            "freshness_notification_queue_usage_ratio",
            "How full the server's notification queue is.",
            report.pg_queue_usage_percent / 100,
        )


def of_database(figures: Figures) -> Iterator[Metric]:
    """Yield what was read from the database."""
    yield from _of_data_types(figures.status.data_types)
    yield from _of_figures(figures.status.figures)
    yield from _of_sources(figures.sources)
    findings = GaugeMetricFamily("freshness_findings", "What needs a look.", labels=["kind"])
    kinds = [str(finding["kind"]) for finding in figures.status.findings]
    for kind in sorted(set(kinds)):
        findings.add_metric([kind], kinds.count(kind))
    yield findings
    yield _gauge("freshness_workers", "Workers that are alive.", figures.processes.workers)
    yield _gauge("freshness_listeners", "Connections that listen.", figures.processes.listeners)
    yield _gauge("freshness_streams", "Open streams, of all processes.", figures.processes.streams)
    yield _gauge(
        "freshness_streamed_keys", "Keys that are streamed.", figures.processes.streamed_keys
    )


def _of_data_types(records: list[dict[str, Any]]) -> Iterator[Metric]:
    label = ["data_type"]
    keys = GaugeMetricFamily("freshness_keys", "Keys by status.", labels=[*label, "status"])
    wanted = GaugeMetricFamily("freshness_wanted_keys", "Keys that are wanted.", labels=label)
    viewers = GaugeMetricFamily("freshness_viewers", "Viewers of the keys.", labels=label)
    late = GaugeMetricFamily("freshness_late_keys", "Keys that are late.", labels=label)
    worst = GaugeMetricFamily(
        "freshness_worst_lateness_seconds", "How late the latest key is.", labels=label
    )
    for record in records:
        name = record["data_type"]
        for status in STATUSES:
            keys.add_metric([name, status], record[status])
        wanted.add_metric([name], record["wanted"])
        viewers.add_metric([name], record["viewers"])
        late.add_metric([name], record["late"])
        worst.add_metric([name], record["worst_lateness"] or 0)
    yield from (keys, wanted, viewers, late, worst)


def _of_figures(records: list[dict[str, Any]]) -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for record in records:
        # Without a value there was nothing to measure. What is added later has no name here yet.
        if record["value"] is None or record["name"] not in FIGURES:
            continue
        name, labels, divisor = FIGURES[record["name"]]
        family = families.setdefault(
            name, GaugeMetricFamily(name, ABOUT[name], labels=list(labels))
        )
        family.add_metric(list(labels.values()), record["value"] / divisor)
    yield from families.values()


def _of_sources(records: list[dict[str, Any]]) -> Iterator[Metric]:
    label = ["source"]
    status = GaugeMetricFamily(
        "freshness_source_status", "1 for the status it has.", labels=[*label, "status"]
    )
    running = GaugeMetricFamily(
        "freshness_source_calls_in_flight", "Calls under way.", labels=label
    )
    minute = GaugeMetricFamily(
        "freshness_source_recent_calls", "Calls that ended in the last 60 seconds.", labels=label
    )
    received = GaugeMetricFamily(
        "freshness_source_recent_bytes", "Bytes of the last 30 days.", labels=label
    )
    for record in records:
        name = record["source"]
        for one in SOURCE_STATUSES:
            status.add_metric([name, one], record["status"] == one)
        running.add_metric([name], record["calls_in_flight"])
        minute.add_metric([name], record["calls_last_minute"])
        received.add_metric([name], float(record["bytes_last_30_days"]))
    yield from (status, running, minute, received)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)
