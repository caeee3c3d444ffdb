"""Runs of pgbench in pairs: the same statement with something of ours and without."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from pyworker.local.cluster import Cluster

PAIRS = 5


def latency(
    cluster: Cluster,
    script: str,
    *,
    clients: int,
    user: str = "postgres",
    seconds: int = 2,
    transactions: int | None = None,
) -> float:
    """Run a script of pgbench with prepared statements; return the mean latency in ms.

    It runs for some seconds, or for a number of transactions of each client.

    Raises:
        RuntimeError: a transaction failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        Path(file.name).chmod(0o644)
        done = subprocess.run(
            [
                cluster.installation.program("pgbench"),
                *("--no-vacuum", "--protocol=prepared", f"--file={file.name}"),
                *(f"--client={clients}", f"--jobs={min(clients, 2)}"),
                f"--transactions={transactions}" if transactions else f"--time={seconds}",
                cluster.connection_string(user=user),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"latency average = ([\d.]+) ms", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench: {done.stderr.strip() or done.stdout.strip()}")
    return float(found[1])


def medians_of_pairs(
    first: Callable[[], float], second: Callable[[], float], pairs: int = PAIRS
) -> tuple[float, float]:
    """Measure two things in turn, each as often first as it can be; return their medians.

    The second is scaled so that the ratio of the two is the median of the pairs' ratios: the
    machine's slow moments then concern one pair, not one side.
    """
    values = []
    for number in range(pairs):
        if number % 2:
            other = second()
            values.append((first(), other))
        else:
            values.append((first(), second()))
    value = statistics.median(one for one, _ in values)
    ratio = statistics.median(one / other for one, other in values)
    return value, value / ratio
