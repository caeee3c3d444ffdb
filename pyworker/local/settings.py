"""Settings of the embedded default, from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pyworker.local.errors import LocalError


class LocalSettings(BaseSettings):
    """Which database to use, and where the private one listens."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = None
    port: int = Field(default=54322, ge=1, le=65535, validation_alias="PGPORT")
    postgres_bin: Path | None = None


def read_settings(project: Path) -> LocalSettings:
    """Read the environment, then `.env` in the project's folder.

    Raises:
        LocalError: a value is unusable. The value itself is not repeated: it may be a secret.
    """
    try:
        return LocalSettings(_env_file=project / ".env")
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = str(first["loc"][0]).upper()
        raise LocalError(f"{name} in the environment or .env: {first['msg']}") from None


def project_folder() -> Path:
    """Return the checkout that this package was imported from, else the current folder."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
