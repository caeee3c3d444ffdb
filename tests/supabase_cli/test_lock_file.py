"""`npm ci` must work with any registry and on any platform that the CLI is made for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LOCK_FILE = Path(__file__).resolve().parents[2] / "package-lock.json"


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads(LOCK_FILE.read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


@pytest.mark.parametrize("tool", ["supabase", "deno"])
def test_the_lock_file_has_each_tool_for_every_platform(tool: str) -> None:
    """`npm ci` refuses a lock file without them; npm install leaves out what a mirror lacks."""
    packages = json.loads(LOCK_FILE.read_text())["packages"]
    builds = packages[f"node_modules/{tool}"]["optionalDependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in builds} == builds
