"""Reading the worker's log while it grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyworker.demo.starts import Starts
from pyworker.job import Key

LINE = (
    b'{"data_type": "demo_quote", "symbol": "IBM", "event": "refreshing",'
    b' "timestamp": "2026-11-21T09:30:00.250000Z"}\n'
)


def test_each_start_is_read_once_and_only_when_its_line_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    starts = Starts(log)

    log.write_bytes(b"not json\n" + LINE + LINE[:40])
    [(key, at)] = starts.new()
    assert key == Key("demo_quote", "IBM")
    assert at == pytest.approx(1795253400.25)
    assert list(starts.new()) == []

    with log.open("ab") as file:
        file.write(LINE[40:] + b'{"event": "refreshed"}\n[]\n')
    assert len(list(starts.new())) == 1
