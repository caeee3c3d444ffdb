"""`freshness.toml`: refreshers without any Python."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import httpx
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pyworker.errors import ConfigurationError
from pyworker.http_batch import HttpBatchFetch
from pyworker.http_refresher import HttpFetch
from pyworker.refreshers import Refresher

_HINT = "docs/refreshers.md has an example"

# In the words of somebody who writes TOML, where those of the library are of Python.
_REASONS = {
    "extra_forbidden": "there is no such setting",
    "missing": "it is missing",
    "model_type": "it is not a table",
    "dict_type": "it is not a table",
}
_LAST_PORT = 65535
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


class HttpRefresherTable(BaseModel):
    """One table `[refreshers.<data type>]`: where to fetch, and which field goes where."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(pattern=r"^https?://")
    columns: dict[str, str] = Field(min_length=1)
    rows: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    timeout: float | None = Field(default=None, gt=0)
    epochs: dict[str, Literal["seconds", "milliseconds"]] = Field(default_factory=dict)
    missing_status: list[int] = Field(default_factory=list)
    conditional: bool = True
    symbol: str | None = Field(default=None, min_length=1)
    max_batch: int | None = Field(default=None, ge=1)

    @field_validator("headers")
    @classmethod
    def _complete_headers(cls, headers: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        complete = {
            name: _with_variables(value, info.context or {}) for name, value in headers.items()
        }
        for name, value in complete.items():
            # A line break at the end of a key is a common mistake.
            if not (_HEADER_NAME.fullmatch(name) and value.isascii() and value.isprintable()):
                raise ValueError(f"header {name} has a line break, or what no header can have")
        return complete

    @field_validator("url")
    @classmethod
    def _complete_url(cls, url: str, info: ValidationInfo) -> str:
        for name in re.findall(r"(?<!\$)\{(.*?)\}", url):
            if name not in {"symbol", "symbols"}:
                raise ValueError(f"{{{name}}} is neither {{symbol}}, {{symbols}} nor ${{{name}}}")
        complete = _with_variables(url, info.context or {})
        try:
            asked = httpx.URL(complete)
            is_whole = bool(asked.host) and (asked.port or 80) <= _LAST_PORT
        except httpx.InvalidURL:
            is_whole = False
        if not is_whole:
            raise ValueError("this is no address that can be asked")
        return complete

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if "{symbols}" in self.url:
            if self.symbol is None or self.max_batch is None or "{symbol}" in self.url:
                raise ValueError(
                    "a url with {symbols} needs max_batch, and symbol: the field of a row that"
                    " says which one it is for"
                )
        elif self.symbol is not None or self.max_batch is not None:
            raise ValueError("symbol and max_batch are for a url with {symbols}")
        unknown = sorted(self.epochs.keys() - self.columns.keys())
        if unknown:
            raise ValueError(f"epochs has {unknown[0]}, which is none of columns")
        return self

    def refresher(self, data_type: str) -> Refresher:
        """Return what this table describes."""
        fetch = HttpFetch(
            self.url,
            self.columns,
            self.rows,
            self.headers,
            self.epochs,
            frozenset(self.missing_status),
            self.conditional,
        )
        if self.symbol is None:
            return Refresher(data_type, fetch, self.timeout)
        batch = HttpBatchFetch(fetch, self.symbol)
        return Refresher(data_type, batch, self.timeout, self.max_batch)


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
        raise ConfigurationError(f"{path} cannot be read: {error}", _HINT) from error
    environment = {**dotenv_values(".env"), **os.environ}
    try:
        tables = Configuration.model_validate(content, context=environment).refreshers
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
        # What we say ourselves names the next step.
        hint = None if first["type"] == "value_error" else _HINT
        raise ConfigurationError(f"{path}: {place}: {reason}", hint) from None
    return [table.refresher(name) for name, table in tables.items()]


def _with_variables(text: str, environment: Mapping[str, str | None]) -> str:
    def insert(match: re.Match[str]) -> str:
        value = environment.get(match.group(1))
        if value is None:
            raise ValueError(f"{match.group(1)} is not set in the environment or in .env")
        return value

    return re.sub(r"\$\{(\w+)\}", insert, text)
