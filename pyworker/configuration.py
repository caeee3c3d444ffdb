"""`freshness.toml`: refreshers without any Python."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pyworker.errors import ConfigurationError
from pyworker.http_refresher import HttpFetch
from pyworker.refreshers import Refresher


class HttpRefresherTable(BaseModel):
    """One table `[refreshers.<data type>]`: where to fetch, and which field goes where."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(pattern=r"^https?://")
    columns: dict[str, str] = Field(min_length=1)
    rows: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    timeout: float | None = Field(default=None, gt=0)

    @field_validator("headers")
    @classmethod
    def _insert_variables(cls, headers: dict[str, str]) -> dict[str, str]:
        return {name: _with_variables(value, os.environ) for name, value in headers.items()}


class Configuration(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    refreshers: dict[str, HttpRefresherTable] = Field(default_factory=dict)


def read_configuration(path: Path) -> list[Refresher]:
    """Read a configuration file; one that is not there configures nothing.

    Raises:
        ConfigurationError: the file is no TOML, or a table of it cannot be used.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    try:
        tables = Configuration.model_validate(content).refreshers
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: {place}: {first['msg']}") from None
    return [
        Refresher(
            name, HttpFetch(table.url, table.columns, table.rows, table.headers), table.timeout
        )
        for name, table in tables.items()
    ]


def _with_variables(text: str, environment: Mapping[str, str]) -> str:
    def insert(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise ValueError(f"{name} is not set in the environment")
        return environment[name]

    return re.sub(r"\$\{(\w+)\}", insert, text)
