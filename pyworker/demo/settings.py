"""Settings of the demo, from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pyworker.demo.errors import DemoError


class DemoSettings(BaseSettings):
    """How long the demo runs and where it listens; times are in seconds.

    Without `seconds` it runs until it is interrupted. Ports that are not set are free ones; the
    page takes `port` or the next free one.
    """

    model_config = SettingsConfigDict(
        env_prefix="DEMO_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    seconds: float | None = Field(default=None, ge=1, le=86400)
    port: int = Field(default=8800, ge=1, le=65535)
    provider_port: int | None = Field(default=None, ge=1, le=65535)
    endpoint_port: int | None = Field(default=None, ge=1, le=65535)


def read_settings(project: Path) -> DemoSettings:
    """Read the environment, then `.env` in the project's folder.

    Raises:
        DemoError: a value is unusable.
    """
    try:
        return DemoSettings(_env_file=project / ".env")
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        name = name if name.startswith("DEMO_") else f"DEMO_{name}"
        raise DemoError(f"{name} in the environment or .env: {first['msg']}") from None
