"""`freshness.toml`: refreshers without any Python."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

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
    def _complete_headers(cls, headers: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        return {name: _with_variables(value, info.context or {}) for name, value in headers.items()}

    @field_validator("url")
    @classmethod
    def _complete_url(cls, url: str, info: ValidationInfo) -> str:
        return _with_variables(url, info.context or {})


class Configuration(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    refreshers: dict[str, HttpRefresherTable] = Field(default_factory=dict)


def read_configuration(path: Path) -> list[Refresher]:
    """Read a configuration file; one that is not there configures nothing.

    `${NAME}` in a URL or a header is replaced from the environment, else from `.env`.

    Raises:
        ConfigurationError: the file is no TOML, or a table of it cannot be used.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    environment = {**dotenv_values(".env"), **os.environ}
    try:
        tables = Configuration.model_validate(content, context=environment).refreshers
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


def _with_variables(text: str, environment: Mapping[str, str | None]) -> str:
    def insert(match: re.Match[str]) -> str:
        value = environment.get(match.group(1))
        if value is None:
            raise ValueError(f"{match.group(1)} is not set in the environment or in .env")
        return value

    return re.sub(r"\$\{(\w+)\}", insert, text)
