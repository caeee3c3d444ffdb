"""The read and delete loop: `python -m bench.peers.pgmq_style_worker batch`."""

from __future__ import annotations

import json
import os
import sys
import time

import asyncpg
import uvloop

READ = """
select id, message
from public.read_messages($1, interval '30 seconds', clock_timestamp() + interval '5 seconds')
"""
DELETE = "delete from public.messages where id = any ($1::bigint[])"


async def work(batch: int) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    while True:
        messages = await connection.fetch(READ, batch)
        if not messages:
            continue
        for _, message in messages:
            os.write(3, f"{time.time()} {json.loads(message)['name']}\n".encode())
        await connection.execute(DELETE, [identity for identity, _ in messages])
        os.write(3, f"{time.time()} deleted\n".encode())


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
