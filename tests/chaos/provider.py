"""A data provider as a process of its own: slow, limited and failing, as its seed has it.

`python provider.py LOG SEED` prints its port. Each call is a line of the log before it is
answered: when it came, for which data type, symbol and fence, and its number, which is the price.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SLOW, VERY_SLOW = 0.05, 0.005
FAILING, TOO_MANY = 0.02, 0.01


def serve(log: Path, seed: int) -> None:
    """Serve on a free port of this machine, for ever."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    numbers = itertools.count(1)
    lock = threading.Lock()
    file = log.open("a", buffering=1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            _, data_type, symbol = address.path.split("/")
            fence = parse_qs(address.query)["fence"][0]
            with lock:
                number = next(numbers)
                file.write(f"{time.time():.6f} {data_type} {symbol} {fence} {number}\n")
                speed, luck = chance.random(), chance.random()
            time.sleep(3 if speed < VERY_SLOW else 0.3 if speed < SLOW else 0.002 + speed * 0.03)
            # What has a budget always answers: a pause would hide that the budget is too wide.
            if data_type == "quote" and luck < FAILING:
                self._answer(500, "{}")
            elif data_type == "quote" and luck < FAILING + TOO_MANY:
                self._answer(429, "{}", "1")
            else:
                self._answer(200, f'{{"number": {number}}}')

        def _answer(self, status: int, body: str, retry_after: str | None = None) -> None:
            try:
                self.send_response(status)
                if retry_after is not None:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())
            except OSError:
                # Whoever asked was killed.
                self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 100

        def handle_error(self, *_arguments: object) -> None:
            """Say nothing: connections end when workers are killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
