"""The figures that operators and platforms read."""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg.rows import class_row, dict_row, scalar_row

from pyworker.processes import Processes
from pyworker.queue.calls import Calls


class StatusQueue:
    """What reads figures, and changes nothing."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def data_types(self) -> list[str]:
        """Return the names of the registered data types."""
        statement: LiteralString = "select t.name from freshness.data_types as t order by t.name"
        return await self._calls.rows(statement, (), scalar_row)

    async def data_type_status(self) -> list[dict[str, Any]]:
        """Return a row for each data type: its keys by status; see freshness.data_type_status."""
        return await self._records("select * from freshness.data_type_status order by data_type")

    async def slo(self) -> list[dict[str, Any]]:
        """Return the figures of freshness.slo, in its order."""
        return await self._records("select * from freshness.slo")

    async def findings(self) -> list[dict[str, Any]]:
        """Return what needs a look, in words; see freshness.findings."""
        return await self._records("select * from freshness.findings")

    async def source_status(self) -> list[dict[str, Any]]:
        """Return a row for each source: its budget and status; see freshness.source_status."""
        return await self._records("select * from freshness.source_status order by source")

    async def processes(self) -> Processes:
        """Return what the database sees of workers and of those that listen."""
        [found] = await self._calls.rows(
            "select"
            " (select count(*) from freshness.workers as w"
            " where w.seen_at > clock_timestamp() - interval '90 seconds'"
            " or exists (select from freshness.sleepers as s where s.worker = w.id"
            " and s.looked_at > clock_timestamp() - interval '90 seconds')) as workers,"
            " (select count(*) from pg_stat_activity as a"
            " where a.datname = current_database() and a.application_name in"
            " ('freshness listener', 'freshness event listener')) as listeners,"
            " 100 * pg_notification_queue_usage() as pg_queue_usage_percent,"
            " f.streams, f.streamed_keys from freshness.stream_figures() as f",
            (),
            class_row(Processes),
        )
        return found

    async def ask_for_nothing(self) -> None:
        """Make a round trip that shows that the database is there, with our schema."""
        await self._calls.value("select exists (select from freshness.data_types)")

    async def _records(self, statement: LiteralString) -> list[dict[str, Any]]:
        return await self._calls.rows(statement, (), dict_row)
