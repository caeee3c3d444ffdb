"""What the demo reads from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyworker.demo.data_types import DATA_TYPES, PROFILE, QUOTE
from pyworker.demo.history import Event
from pyworker.job import Key

if TYPE_CHECKING:
    import psycopg

    from pyworker.demo.session import Session

# Numbers are given out before their transactions commit: events may appear behind later ones.
OVERLAP = 200

STATES = """
    select
        k.data_type, k.symbol,
        coalesce(s.status, case when r.fetched_at is null then 'missing' else 'stale' end),
        extract(epoch from clock_timestamp() - r.fetched_at)::float8,
        extract(epoch from s.fresh_until - clock_timestamp())::float8,
        s.last_error,
        r.body
    from unnest(%s::text[], %s::text[]) with ordinality as k (data_type, symbol, ordinal)
    left join freshness.key_status as s on s.data_type = k.data_type and s.symbol = k.symbol
    left join lateral (
        select q.fetched_at, to_jsonb(q) as body from public.demo_quotes as q
        where k.data_type = %s and q.symbol = k.symbol
        union all
        select p.fetched_at, to_jsonb(p) from public.demo_profiles as p
        where k.data_type = %s and p.symbol = k.symbol
    ) as r on true
    order by k.ordinal
"""

EVENTS = """
    select
        e.id, extract(epoch from e.happened_at)::float8, e.kind, e.data_type, e.symbol, e.fence,
        case when e.kind <> 'refreshing' then extract(epoch from e.duration)::float8 end, e.message
    from freshness.events as e
    where e.data_type = any (%s) and e.fence is not null and e.symbol is not null and e.id > %s
    order by e.id
"""


@dataclass(frozen=True, slots=True)
class State:
    """A key as people see it; age and `fresh_for` in seconds, None when there is no row."""

    key: Key
    status: str
    age: float | None
    fresh_for: float | None
    error: str | None
    row: dict[str, Any] | None


class Looks:
    """Reads through one session; moments are turned into ours.

    Args:
        session: of the database's owner.
        clock_offset: by how many seconds the database's clock is ahead of ours.
    """

    def __init__(self, session: Session, clock_offset: float) -> None:
        self._session = session
        self._clock_offset = clock_offset

    async def states(self, keys: Sequence[Key]) -> list[State]:
        """Return the states of keys, in the order asked."""
        data_types, symbols = [key.data_type for key in keys], [key.symbol for key in keys]
        rows = await self._rows(STATES, [data_types, symbols, QUOTE.name, PROFILE.name])
        return [State(Key(row[0], row[1]), *row[2:]) for row in rows]

    async def events(self, after: int) -> list[Event]:
        """Return events after the one with this number, and some before it once more."""
        rows = await self._rows(EVENTS, [list(DATA_TYPES), after - OVERLAP])
        return [
            Event(number, at - self._clock_offset, kind, Key(data_type, symbol), *rest)
            for number, at, kind, data_type, symbol, *rest in rows
        ]

    async def running(self) -> int:
        """Return how many refreshes are under way."""
        return await self._count(
            "select count(*) from freshness.jobs as j"
            " where j.data_type = any (%s) and j.state = 'running'"
        )

    async def duplicate_rows(self) -> int:
        """Return how many keys have more than one job: the primary key allows none."""
        return await self._count(
            "select count(*) from (select from freshness.jobs as j where j.data_type = any (%s)"
            " group by j.data_type, j.symbol having count(*) > 1) as d"
        )

    async def _count(self, statement: str) -> int:
        return int((await self._rows(statement, [list(DATA_TYPES)]))[0][0])

    async def _rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        def read(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
            return connection.execute(statement.encode(), parameters).fetchall()

        return await self._session.call(read)
