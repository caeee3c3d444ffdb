"""The Edge Function on-card-add, run by a real Deno."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DENO = CHECKOUT / "node_modules" / ".bin" / "deno"
FUNCTION = CHECKOUT / "supabase" / "functions" / "on-card-add"


def deno(*arguments: str, home: Path) -> list[str]:
    """A command of Deno's in this environment: nothing of ours but the path and a home."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "DENO_DIR": str(home / "deno")}
    pairs = [f"{name}={value}" for name, value in environment.items()]
    return ["env", "-i", *pairs, "NO_COLOR=1", "DENO_NO_UPDATE_CHECK=1", str(DENO), *arguments]


@contextmanager
def running_function(supabase_url: str, log: Path) -> Iterator[str]:
    """Serve the function for a project; yields its URL. What it logs goes to a file."""
    address = supabase_url.removeprefix("http://")
    command = deno(
        "serve",
        "--host=127.0.0.1",
        "--port=0",
        "--no-prompt",
        f"--allow-net={address},127.0.0.1:0",
        "--allow-env",
        str(FUNCTION / "index.ts"),
        home=log.parent,
    )
    command.insert(2, f"SUPABASE_URL={supabase_url}")
    command.insert(2, "SUPABASE_ANON_KEY=a-publishable-key")
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        try:
            seen = []
            for line in process.stdout:
                seen.append(line)
                found = re.search(r"Listening on (http://\S+?)/? *$", line)
                if found:
                    break
            else:
                raise AssertionError("".join(seen))
            yield found[1].replace("0.0.0.0", "127.0.0.1")
        finally:
            process.kill()
            rest, _ = process.communicate()
            file.write(("".join(seen) + rest).encode())
