"""What is due, and who sleeps until when: the questions of a worker's looks."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import class_row, tuple_row

from pyworker.job import Ended, Ending, Job, Look, Sleeper, Turned
from pyworker.queue.calls import Calls
from pyworker.queue.columns import ending_columns

_TURN = (
    "select * from freshness.turn(%s, %s, %s, %s, %s, make_interval(secs => %s), %s,"
    " %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::integer[])"
)


class LookQueue:
    """What a worker asks in its turns, and before it sleeps."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def turn(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
        lead: float = 0.0,
        *,
        endings: Sequence[Ending] = (),
        is_settled: bool = False,
    ) -> Turned:
        """End refreshes, and claim up to `limit` jobs of these data types, in one transaction.

        Those that are due, or will be within `lead` seconds: wait for their `due_at`. The sleeper
        is armed if slots are left, unless the worker `is_settled`, as it has armed before; one
        without a listener stays awake: it claims again within a second, without being told. An
        ending that is refused harms no other; a lost fence is no error here.
        """
        sleeper = sleeper or Sleeper(None, None)
        rows = await self.calls.rows(
            _TURN,
            (
                worker,
                list(data_types),
                limit,
                sleeper.channel,
                sleeper.listener,
                lead,
                is_settled,
                *ending_columns(endings),
            ),
            tuple_row,
        )
        ended: dict[int, Ended | None] = {each.job.fence: Ended("lost", None) for each in endings}
        jobs = []
        asleep, due_in = False, None
        for row in rows:
            kind, fence, outcome, seconds = row[0], row[3], row[10], row[11]
            if kind == "claimed":
                jobs.append(Job(*row[1:10]))
            elif kind == "ended":
                ended[fence] = None if outcome is None else Ended(outcome, seconds)
            else:
                asleep, due_in = True, seconds
        return Turned(ended, jobs, asleep, due_in)

    async def next_moment(self, worker: int, data_types: Sequence[str]) -> float | None:
        """Return in how many seconds something is due for a worker; None when nothing is.

        Also a key in the inbox: a claim has to look at it.
        """
        moment = await self.calls.value(
            "select least(freshness.seconds_until(freshness.next_moment(%s, %s)),"
            " (select freshness.seconds_until(min(p.due_at)) from freshness.pulls as p))",
            (worker, list(data_types)),
        )
        return None if moment is None else float(moment)

    async def settle(
        self,
        worker: int,
        data_types: Sequence[str],
        sleeper: Sleeper,
        last: Look | None = None,
        *,
        reads_queue_usage: bool = False,
    ) -> Look:
        """Look whether an armed worker may sleep; `last` is what the look before returned.

        When it reads, on the way, how full the server's notification queue is, that is in `Look`.
        """
        [look] = await self.calls.rows(
            "select seconds, settled, since::text::bigint as since, suspects,"
            " clock_timestamp() as looked_at,"
            " case when %s then 100 * pg_notification_queue_usage() end as queue_usage"
            " from freshness.settle(%s, %s, %s, %s, %s::text::xid8, %s)",
            (
                reads_queue_usage,
                sleeper.channel,
                worker,
                list(data_types),
                sleeper.listener,
                last and last.since,
                last and last.suspects,
            ),
            class_row(Look),
        )
        return look

    async def hand_on(self, data_types: Sequence[str]) -> None:
        """Wake others who sleep past what is due next, for a worker without a free slot."""
        await self.calls.value("select freshness.hand_on(%s)", (list(data_types),))

    async def disarm(self, channel: str) -> None:
        """Take a worker from the sleepers: it cannot be woken any more."""
        await self.calls.value("select freshness.disarm(%s)", (channel,))
