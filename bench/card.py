"""on-card-add for five fresh keys, called again and again by 16 users at once, on one process.

A card with five data types, each in a table of its own; the users' leases are there already. Their
tokens are ES256. Besides, what such a call writes: tuples of the tables of watches and jobs.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure, percentile
from bench.key_set_server import project

CLIENTS, KEYS = 16, 5
WARM_UP, SECONDS = 2.0, 8.0
SYMBOL = "AAPL"
TYPES = [f"bench_{number}" for number in range(KEYS)]
BODY = json.dumps({"symbol": SYMBOL, "dataTypes": TYPES}).encode()

CREATE = """
create table public.{0} (symbol text primary key, price numeric, fetched_at timestamptz);
insert into public.{0}
select 'S' || n, n, clock_timestamp() from generate_series(1, 1000) as n
union all select '{1}', 1, clock_timestamp();
grant select on public.{0} to authenticated;
select freshness.register_data_type('{0}', 'public.{0}', ttl => '1 hour');
"""
WRITTEN = """
select sum(n_tup_ins + n_tup_upd + n_tup_del)::integer from pg_stat_user_tables
where schemaname = 'freshness'
"""


def measure() -> Iterator[Figure]:
    """Measure calls a second and their times, and then what a hundred of them write."""
    with prepared_cluster() as cluster, project() as published:
        url = cluster.connection_string()
        with psycopg.connect(url, autocommit=True) as connection:
            for name in TYPES:
                connection.execute(CREATE.format(name, SYMBOL).encode())
            connection.execute("analyze")
            requests = [
                _request(published.token(f"00000000-0000-4000-8000-{number:012}"))
                for number in range(CLIENTS)
            ]
            with _endpoint(url, published.url) as port:
                _call(port, requests, WARM_UP)
                before = _written(connection)
                times = _call(port, requests, SECONDS)
                written = _written(connection) - before
    yield Figure("card_calls", len(times) / SECONDS, "per s", target=800, better="higher")
    yield Figure("card_call_p50", 1000 * percentile(times, 0.5), "ms")
    yield Figure("card_call_p99", 1000 * percentile(times, 0.99), "ms", target=40)
    yield Figure("card_call_writes", written / len(times), "rows", target=0)


def _request(token: str) -> bytes:
    head = (
        "POST /functions/v1/on-card-add HTTP/1.1\r\nHost: endpoint\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


def _call(port: int, requests: Sequence[bytes], seconds: float) -> list[float]:
    """Let each client call again as soon as it is answered; returns how long each call took."""
    times: list[float] = []
    selector = selectors.DefaultSelector()
    until = time.perf_counter() + seconds
    for request in requests:
        opened = socket.create_connection(("127.0.0.1", port))
        selector.register(opened, selectors.EVENT_READ, [request, time.perf_counter(), b""])
        opened.sendall(request)
    while selector.get_map():
        for ready, _ in selector.select():
            state, client = ready.data, ready.fileobj
            assert isinstance(client, socket.socket)
            state[2] += client.recv(65536)
            if not _is_whole(state[2]):
                continue
            now = time.perf_counter()
            assert state[2].startswith(b"HTTP/1.1 200"), state[2]
            times.append(now - state[1])
            if now > until:
                selector.unregister(client)
                client.close()
                continue
            state[1:] = [now, b""]
            client.sendall(state[0])
    selector.close()
    return times


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return bool(separator and found and len(body) >= int(found[1]))


def _written(connection: psycopg.Connection) -> int:
    # Connections report what they did within a second of being idle, but not sooner.
    time.sleep(1.5)
    connection.execute("select pg_stat_clear_snapshot()")
    [written] = connection.execute(WRITTEN).fetchone() or (0,)
    return int(written)


@contextmanager
def _endpoint(url: str, supabase_url: str) -> Iterator[int]:
    """Run `freshness serve`, its log going nowhere; yields its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = int(found.getsockname()[1])
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pyworker.cli",
            "serve",
        ],
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "SUPABASE_URL": supabase_url,
            "FRESHNESS_PORT": str(port),
            "FRESHNESS_REQUESTS_PER_MINUTE": "1000000",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the endpoint did not start")
