"""The endpoint as a process of its own, and a signed-in client of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from tempfile import TemporaryFile
from typing import IO
from uuid import uuid4

import httpx

from tests.worker.waiting import wait_until

PATH = "/functions/v1/on-card-add"
PROGRAM = """
import asyncio
from pyworker.settings import read_settings
from pyworker.web.server import serve
asyncio.run(serve(read_settings(needs_database=False)))
"""

MakeToken = Callable[..., str]


class Endpoint:
    """A running endpoint and a client that is signed in as `user`."""

    def __init__(
        self, process: subprocess.Popen[bytes], url: str, token: str, user: str, log: IO[bytes]
    ) -> None:
        self.process = process
        self._log = log
        self.url = url
        self.user = user
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def output(self) -> str:
        """Return all that was written to stdout and stderr so far."""
        return _text(self._log)

    def add(self, symbol: str | None, *data_types: str) -> httpx.Response:
        """Add a card."""
        return self.client.post(PATH, json={"symbol": symbol, "dataTypes": data_types})

    def states(self, symbol: str | None, *data_types: str) -> list[tuple[str, str]]:
        """Add a card; returns each key's symbol and status."""
        answer = self.add(symbol, *data_types)
        assert answer.status_code == 200, answer.text
        return [(key["symbol"], key["status"]) for key in answer.json()["keys"]]


@contextmanager
def running_endpoint(
    url: str, make_token: MakeToken, secret: str, **environment: str
) -> Iterator[Endpoint]:
    """Start an endpoint on a free port, and stop it at the end."""
    # A file: nobody reads what hundreds of requests log, and a full pipe would hold them up.
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": url,
                "SUPABASE_JWT_SECRET": secret,
                "FRESHNESS_PORT": "0",
                # Many tests share a user.
                "FRESHNESS_REQUESTS_PER_MINUTE": "1000000",
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            user = str(uuid4())
            address = _address(process, log)
            endpoint = Endpoint(process, address, make_token(sub=user), user, log)
            with closing(endpoint.client):
                yield endpoint
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    def found() -> re.Match[str] | None:
        match = re.search(r"url=(\S+)\s", _text(log))
        assert match or process.poll() is None, _text(log)
        return match

    match = wait_until(found)
    assert match
    return match[1]


def _text(log: IO[bytes]) -> str:
    # By its own file position: the process writes at the end.
    return os.pread(log.fileno(), 1 << 26, 0).decode()
