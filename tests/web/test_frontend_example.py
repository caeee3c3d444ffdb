"""The example of docs/frontend.md, run with the real supabase-js against a real endpoint."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread, Timer
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.web.conftest import SECRET
from tests.web.edge_function import CHECKOUT, DENO, deno
from tests.web.endpoint import Endpoint, running_endpoint

HERE = Path(__file__).parent
MakeToken = Callable[..., str]

pytestmark = pytest.mark.skipif(
    not (DENO.exists() and (CHECKOUT / "node_modules" / "@supabase" / "supabase-js").exists()),
    reason="supabase-js or Deno is not installed: run npm ci",
)


def program(name: str, home: Path, **given: Any) -> list[str]:
    """The command that runs a program of this folder."""
    return deno(
        "run",
        "--no-prompt",
        "--node-modules-dir=manual",
        "--allow-net=127.0.0.1",
        "--allow-env",
        f"--allow-read={CHECKOUT}",
        str(HERE / name),
        json.dumps(given),
        home=home,
    )


def test_a_card_is_added_read_renewed_and_taken_off(
    database: Database,
    connection: Connection,
    quotes: DataType,
    make_token: MakeToken,
    tmp_path: Path,
) -> None:
    """The steps are in the program; a lease of two seconds is renewed in time."""
    token = make_token(sub=str(uuid4()))
    with running_endpoint(database.url, make_token, SECRET, FRESHNESS_LEASE="2") as endpoint:
        given = {"endpoint": endpoint.url, "token": token, "dataType": quotes.name}
        done = subprocess.run(
            program("frontend_example.mjs", tmp_path, **given),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert connection.execute(
        "select count(*) from freshness.watches where data_type = %s", [quotes.name]
    ).fetchone() == (1,)


def test_its_client_reads_the_endpoint_s_own_stream(
    endpoint: Endpoint,
    connection: Connection,
    quotes: DataType,
    make_token: MakeToken,
    tmp_path: Path,
) -> None:
    """First that it is connected, then the key's state, then what happens to it."""
    if endpoint.client.get("/functions/v1/refresh-events").status_code == 404:
        pytest.skip("this endpoint has no streams")
    given = {"endpoint": endpoint.url, "token": make_token(), "dataType": quotes.name}
    [worker] = connection.execute(
        "select freshness.announce_worker('a test', interval '1 hour')"
    ).fetchone() or (0,)
    with subprocess.Popen(
        program("refresh_events_client.mjs", tmp_path, **given), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            events = (json.loads(line) for line in process.stdout)
            assert next(events)["name"] == "connected"
            snapshot = next(events)
            assert (snapshot["name"], snapshot["symbol"]) == ("snapshot", "AAPL")
            job: Any = connection.execute(
                "select fence from freshness.claim(%s, %s, 1)", [worker, [quotes.name]]
            ).fetchone()
            connection.execute(
                "select freshness.finish(%s, 'AAPL', %s, '[{\"price\": 2}]')",
                [quotes.name, job[0]],
            )
            fresh = next(event for event in events if event["name"] == "fresh")
            assert fresh["version"] > snapshot["version"]
        finally:
            process.kill()
            connection.execute("select freshness.dismiss_worker(%s)", [worker])


@pytest.mark.parametrize(("resumed", "versions"), [(True, [9, 10]), (False, [9, 1, 10])])
def test_its_client_forgets_versions_with_their_database(
    tmp_path: Path, resumed: bool, versions: list[int]
) -> None:
    """One that was set up anew counts anew; of the same one an older state is left out."""
    streams = [(False, [9]), (resumed, [1, 10])]
    with _telling(streams) as url:
        given = {"endpoint": url, "token": "any", "dataType": "quote"}
        with subprocess.Popen(
            program("refresh_events_client.mjs", tmp_path, **given),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            patience = Timer(10, process.kill)
            patience.start()
            try:
                events = (json.loads(line) for line in process.stdout)
                told = (event["version"] for event in events if event["name"] == "snapshot")
                assert list(islice(told, len(versions))) == versions
            finally:
                patience.cancel()
                process.kill()


@contextmanager
def _telling(streams: list[tuple[bool, list[int]]]) -> Iterator[str]:
    """A server whose streams say whether they are resumed, and then versions, and end."""
    left = iter(streams)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            resumed, versions = next(left)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"retry: 10\n")
            self._tell("connected", resumed=resumed)
            for version in versions:
                self._tell("snapshot", dataType="quote", symbol="AAPL", version=version)

        def _tell(self, name: str, **data: Any) -> None:
            self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
