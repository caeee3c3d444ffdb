"""The list of workers, as one of them keeps its place in it."""

from __future__ import annotations

from collections.abc import Sequence

from pyworker.queue.calls import Calls


class MemberQueue:
    """What a worker says of itself."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def announce_worker(
        self, name: str, heartbeat_limit: float, *, takes_jobs: bool = False
    ) -> int:
        """Make a worker known; returns its id. Does it take what is handed to it in its sleep?"""
        return int(
            await self._calls.value(
                "select freshness.announce_worker(%s, make_interval(secs => %s), %s)",
                (name, heartbeat_limit, takes_jobs),
            )
        )

    async def unregistered(self, data_types: Sequence[str]) -> list[str]:
        """Return those of these data types that are in no registry."""
        names = await self._calls.value(
            "select array(select unnest(%s::text[]) except select name from freshness.data_types)",
            (list(data_types),),
        )
        return sorted(names)

    async def heartbeat(self, worker: int) -> bool:
        """Say that a worker is alive; False when it was taken for dead."""
        return bool(await self._calls.value("select freshness.heartbeat(%s)", (worker,)))

    async def renew_worker(self, worker: int, fences: Sequence[int]) -> int:
        """Go on under a new id, which is returned; what runs besides these fences is handed back.

        Raises:
            WorkerUnknown: it was taken for dead.
        """
        return int(
            await self._calls.value("select freshness.renew_worker(%s, %s)", (worker, list(fences)))
        )

    async def dismiss_worker(self, worker: int) -> int:
        """Take a worker off the list and hand back what it runs; returns how many jobs."""
        return int(await self._calls.value("select freshness.dismiss_worker(%s)", (worker,)))
