"""What a worker of procrastinate runs."""

from __future__ import annotations

import os
import time

from procrastinate import App, PsycopgConnector


async def quote(name: str) -> None:
    os.write(3, f"{time.time()} {name}\n".encode())


app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
app.task(name="quote")(quote)
