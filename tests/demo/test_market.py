"""The worker's configuration for the provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyworker.configuration import read_configuration
from pyworker.demo.data_types import DATA_TYPES
from pyworker.demo.market import configuration


def test_the_worker_reads_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_API_KEY", "secret")
    path = tmp_path / "freshness.toml"
    path.write_text(configuration("http://127.0.0.1:9"))
    found = read_configuration(path)
    assert {refresher.data_type for refresher in found} == set(DATA_TYPES)
