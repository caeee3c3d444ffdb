"""Streams: what they watch, how that is, and who is told what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg.rows import class_row

from pyworker.job import Key
from pyworker.queue.calls import Calls
from pyworker.queue.columns import key_columns, watch_columns
from pyworker.stream_state import OpenedKey, StreamState


class StreamQueue:
    """What a process asks that has streams; its `backend` is the connection that listens."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def open_streams(
        self,
        watches: Sequence[tuple[str, Key]],
        roles: Sequence[str],
        lease: float,
        backend: int | None = None,
    ) -> list[OpenedKey]:
        """Have streams watch keys for `lease` seconds: pairs of a stream's name and a key.

        `roles[i]` is that of the i-th pair's caller, who was verified. What becomes of the keys is
        told to the `backend` that listens; None: to nobody.
        """
        return await self._calls.rows(
            "select *, clock_timestamp() as looked_at"
            " from freshness.open_streams(%s, %s, %s, %s, make_interval(secs => %s), %s)",
            (*watch_columns(watches), list(roles), lease, backend),
            class_row(OpenedKey),
        )

    async def follow_keys(
        self, keys: Iterable[Key], backend: int | None = None
    ) -> list[StreamState]:
        """Return the states of keys (canonical), and have what follows told to the `backend`."""
        return await self._calls.rows(
            "select *, clock_timestamp() as looked_at from freshness.follow_keys(%s, %s, %s)",
            (*key_columns(keys), backend),
            class_row(StreamState),
        )

    async def look_at_streams(
        self, keys: Iterable[Key], backend: int | None = None
    ) -> list[StreamState]:
        """Return the states of keys (canonical), to compare: their version is always 0.

        Says too that the `backend` still listens.
        """
        return await self._calls.rows(
            "select *, 0 as version, clock_timestamp() as looked_at"
            " from freshness.look_at_streams(%s, %s, %s)",
            (*key_columns(keys), backend),
            class_row(StreamState),
        )

    async def renew_streams(self, watches: Sequence[tuple[str, Key]], lease: float) -> None:
        """Go on watching: pairs of a stream's name and a key (canonical)."""
        await self._calls.value(
            "select freshness.renew_streams(%s, %s, %s, make_interval(secs => %s))",
            (*watch_columns(watches), lease),
        )

    async def close_streams(
        self, streams: Sequence[str], keys: Iterable[Key], backend: int | None = None
    ) -> None:
        """End streams; nothing more is told to the `backend` of `keys`, which none has any more."""
        await self._calls.value(
            "select freshness.close_streams(%s, %s, %s, %s)",
            (list(streams), *key_columns(keys), backend),
        )

    async def stop_listening(self, backend: int) -> None:
        """Have nothing more told to a backend's streams."""
        await self._calls.value(
            "select freshness.stop_listening(%s, p_tell_starts => true)", (backend,)
        )

    async def forget_lost_listeners(self) -> int:
        """Forget those who listened and are gone; returns how many keys they listened for."""
        return int(await self._calls.value("select freshness.forget_lost_listeners()"))
