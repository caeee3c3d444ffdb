"""Every setting is in `.env.example`, with the default that it has."""

from __future__ import annotations

from pathlib import Path

from pyworker.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"


def test_every_setting_is_in_the_example_with_its_default() -> None:
    """A setting that nobody can find is none."""
    lines = [line.removeprefix("#") for line in EXAMPLE.read_text().splitlines()]
    given = dict(line.split("=", 1) for line in lines if "=" in line and line[0].isupper())

    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"FRESHNESS_{name.upper()}")
        assert variable in given, variable
        if not field.is_required() and field.default and name != "refreshers":
            assert given[variable].casefold() == f"{field.default}".casefold(), variable
