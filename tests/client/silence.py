"""A pooler that takes LISTEN and says nothing ever after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

NOTIFICATION = b"A"


@asynccontextmanager
async def without_notifications(url: str) -> AsyncIterator[str]:
    """Pass everything on to a server but its notifications; yields the URL to connect to."""
    given = conninfo_to_dict(url)

    connections: set[asyncio.Task[None] | None] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        behind, ahead = await asyncio.open_connection(str(given["host"]), int(given["port"] or 0))
        tasks = [
            asyncio.create_task(_pass_all(reader, ahead)),
            asyncio.create_task(_pass_messages(behind, writer)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for each in (ahead, writer):
                each.close()
            await asyncio.gather(*tasks, return_exceptions=True)

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield make_conninfo(
            url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable"
        )
    finally:
        server.close()
        passing = [task for task in connections if task is not None]
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)


async def _pass_messages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            if head[:1] != NOTIFICATION:
                writer.write(head + body)
