"""`npm ci` must work with any registry and on any platform that the CLI is made for."""

from __future__ import annotations

import json
from pathlib import Path

LOCK_FILE = Path(__file__).resolve().parents[2] / "package-lock.json"


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads(LOCK_FILE.read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_lock_file_has_the_cli_for_every_platform() -> None:
    """`npm ci` refuses a lock file without them; npm install leaves out what a mirror lacks."""
    packages = json.loads(LOCK_FILE.read_text())["packages"]
    builds = packages["node_modules/supabase"]["optionalDependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in builds} == builds
