"""The ways in which a page can add cards, each called with the real supabase-js."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.web.edge_function import CHECKOUT, deno

PROGRAM = Path(__file__).with_name("supabase_js.mjs")
PUBLISHABLE_KEY = "sb_publishable_of-the-tests"


@dataclass(frozen=True)
class Answer:
    """What supabase-js gave: `body` is data, or message and code of the error."""

    status: int
    body: Any
    retry_after: int | None

    @property
    def statuses(self) -> list[str]:
        """The status of each key."""
        return [key["status"] for key in self.body["keys"]]


class SupabaseJs:
    """A process that calls with supabase-js, one call after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, url: str, way: str, token: str | None, body: Any, key: str) -> Answer:
        """Call by `way`: functions, for supabase.functions.invoke, or rpc, for supabase.rpc."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"url": url, "key": key, "token": token, "way": way, "body": body}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return Answer(told["status"], told["body"], told.get("retryAfter"))


@dataclass(frozen=True)
class Door:
    """One way in, and who goes through it."""

    name: str
    url: str
    javascript: SupabaseJs

    def add(self, body: Any, token: str | None, key: str = PUBLISHABLE_KEY) -> Answer:
        """Add cards as the page would."""
        way = "rpc" if self.name == "rpc" else "functions"
        return self.javascript.call(self.url, way, token, body, key)


@contextmanager
def running_supabase_js(home: Path) -> Iterator[SupabaseJs]:
    """Run the process until the end; what it says besides answers goes to a file in `home`."""
    command = deno(
        "run",
        "--no-prompt",
        "--node-modules-dir=manual",
        "--allow-net=127.0.0.1",
        "--allow-env",
        f"--allow-read={CHECKOUT}",
        str(PROGRAM),
        home=home,
    )
    with (
        (home / "supabase_js.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield SupabaseJs(process)
        finally:
            process.kill()


def told(answer: Answer) -> tuple[int, Mapping[str, Any]]:
    """Status and content; of due times only whether there is one, since time goes on."""
    body = answer.body
    for key in body.get("keys", []):
        key["dueAt"] = key["dueAt"] is not None
    return answer.status, body
