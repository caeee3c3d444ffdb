"""The least that a queue can do, in the way of pgmq: read a batch, hide it for a time, delete it.

No history, no order but the id, and nobody is woken: the database looks ten times a second for each
reader, which asks again after five seconds.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from bench.peers.peer import Peer, Requester

SCHEMA = """
create table public.messages (
    id bigint generated always as identity primary key,
    reads integer not null default 0,
    added_at timestamptz not null default clock_timestamp(),
    visible_at timestamptz not null default clock_timestamp(),
    message jsonb not null
);
create index messages_visible_at on public.messages (visible_at);
create function public.read_messages(batch integer, hidden_for interval, until timestamptz)
returns setof public.messages
language plpgsql
as $$
begin
    loop
        return query
        update public.messages as m
        set visible_at = clock_timestamp() + hidden_for, reads = m.reads + 1
        where m.id in (
            select o.id from public.messages as o
            where o.visible_at <= clock_timestamp()
            order by o.id
            limit batch
            for update skip locked
        )
        returning m.*;
        exit when found or clock_timestamp() >= until;
        perform pg_sleep(0.1);
    end loop;
end
$$;
"""
FILL = """
insert into public.messages (message)
select jsonb_build_object('name', 'S' || n) from generate_series(1, %s::integer) as n
"""
SEND = """
insert into public.messages (message) values (jsonb_build_object('name', %s::text))
returning pg_current_xact_id()::text
"""


class PgmqStyle(Peer):
    """A read and delete loop on asyncpg."""

    name = "pgmq_style"

    def install(self, url: str) -> None:
        """One table."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA)

    def fill(self, url: str, jobs: int) -> None:
        """In one statement."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FILL, [jobs])

    def command(self, batch: int) -> Sequence[str]:
        """The loop, a batch at a time."""
        return (sys.executable, "-m", "bench.peers.pgmq_style_worker", str(batch))

    @asynccontextmanager
    async def requester(self, url: str) -> AsyncIterator[Requester]:
        """Send a message."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

            async def request(name: str) -> str:
                found = await (await connection.execute(SEND, [name])).fetchone()
                assert found is not None
                return str(found[0])

            yield request

    def ended(self, url: str, starts: Path) -> tuple[int, float]:
        """As its worker notes it, since the messages are gone."""
        del url
        lines = [line.split() for line in starts.read_text().splitlines()]
        last = max((float(at) for at, name in lines if name == "deleted"), default=0.0)
        return sum(name != "deleted" for _, name in lines), last
