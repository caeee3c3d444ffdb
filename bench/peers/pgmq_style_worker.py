"""The read and delete loop: `python -m bench.peers.pgmq_style_worker batch`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import asyncpg
import uvloop

HIDDEN_FOR, PAUSE = 30, 0.1
READ = """
update public.messages as m
set visible_at = clock_timestamp() + make_interval(secs => $2), reads = m.reads + 1
where m.id in (
    select o.id from public.messages as o
    where o.visible_at <= clock_timestamp()
    order by o.id
    limit $1
    for update skip locked
)
returning m.id, m.message
"""
DELETE = "delete from public.messages where id = any ($1::bigint[])"


async def work(batch: int) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    while True:
        messages = await connection.fetch(READ, batch, HIDDEN_FOR)
        if not messages:
            await asyncio.sleep(PAUSE)
            continue
        for _, message in messages:
            os.write(3, f"{time.time()} {json.loads(message)['name']}\n".encode())
        await connection.execute(DELETE, [identity for identity, _ in messages])
        os.write(3, f"{time.time()} deleted\n".encode())


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
