"""A real HTTP server in the place of a data provider: what it answers is up to the test."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LAST_MINUTE = 60.0


@dataclass(frozen=True)
class Answer:
    """What goes back: anything but bytes is sent as JSON."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The content as it is sent."""
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content).encode()


class Provider:
    """Counts its calls by path, as sent, and how many of each path ran at once at most.

    `respond(path, number)` makes the answer to the number-th call of a path, from 1; it runs in
    a thread of its own and may wait, for `release` for example.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.at_once: Counter[str] = Counter()
        self.release = threading.Event()
        self.respond: Callable[[str, int], Answer] = lambda _path, number: Answer({"price": number})
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        """Count a call and make its answer."""
        with self._lock:
            self.calls.append(path)
            self.headers.append(headers)
            number = self.calls.count(path)
            self._running[path] += 1
            self.at_once[path] = max(self.at_once[path], self._running[path])
        try:
            return self.respond(path, number)
        finally:
            with self._lock:
                self._running[path] -= 1

    def hold_the_first_call(self, path: str, number: int) -> Answer:
        """Answer the first call of a path only after `release`, the others at once."""
        if number == 1:
            self.release.wait(LAST_MINUTE)
        return Answer({"price": number}) if path else Answer(status=500)


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Serve on a free port, until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = provider.answer(self.path, {k.lower(): v for k, v in self.headers.items()})
            try:
                # A date of the test's own, in the place of the server's.
                if "Date" in answer.headers:
                    self.send_response_only(answer.status)
                else:
                    self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except ConnectionError:
                # Whoever asked has hung up: killed, or tired of waiting.
                self.close_connection = True

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 100

        def handle_error(self, *_arguments: Any) -> None:
            """Say nothing: connections end when workers are killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            provider.release.set()
            server.shutdown()
            thread.join()
