"""Settings of the worker and the endpoint, from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pyworker.errors import ConfigurationError
from pyworker.long_poll import LongPoll


class Settings(BaseSettings):
    """All settings; each is read from the environment by its name in upper case.

    Names begin with `FRESHNESS_`, except `DATABASE_URL` and those that begin with `SUPABASE_`,
    which are the ones that Supabase projects already have. Times are in seconds.
    """

    model_config = SettingsConfigDict(
        env_prefix="FRESHNESS_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    # Empty only where `read_settings` was told that none is needed.
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias="DATABASE_URL")

    configuration: Path = Path("freshness.toml")
    refreshers: str = ""
    worker_name: str | None = None
    concurrency: int = Field(default=10, ge=1, le=1000)
    fetch_timeout: float = Field(default=30, gt=0)
    heartbeat_limit: float = Field(default=15, ge=1, le=86400)
    shutdown_timeout: float = Field(default=30, ge=0)

    long_poll_enabled: bool = True
    fallback_poll_interval: float = Field(default=5, gt=0)
    max_wait_time: float = Field(default=30, gt=0, le=30)
    timer_grace_period: float = Field(default=0.02, ge=0, le=1)
    aggressive_poll_duration: float = Field(default=1, ge=0)
    aggressive_exit_threshold: int = Field(default=3, ge=0)

    supabase_url: str | None = Field(default=None, validation_alias="SUPABASE_URL")
    jwt_issuer: str | None = Field(default=None, validation_alias="SUPABASE_JWT_ISSUER")
    jwt_secret: SecretStr | None = Field(default=None, validation_alias="SUPABASE_JWT_SECRET")
    secret_key: SecretStr | None = Field(default=None, validation_alias="SUPABASE_SECRET_KEY")
    secret_keys: SecretStr | None = Field(default=None, validation_alias="SUPABASE_SECRET_KEYS")
    host: str = "127.0.0.1"
    port: int = Field(default=8790, ge=0, le=65535)
    lease: float = Field(default=300, gt=0, le=86400)
    max_keys: int = Field(default=50, ge=1)
    longest_wait: float = Field(default=25, ge=0, le=300)
    requests_per_minute: int = Field(default=300, ge=1)
    max_body_bytes: int = Field(default=65536, ge=1)
    cors_origin: str = "*"
    receive_timeout: float = Field(default=10, gt=0)
    metrics_public: bool = False
    worker_port: int | None = Field(default=None, ge=0, le=65535)

    log_format: str = Field(default="auto", pattern="^(auto|console|json)$")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @property
    def long_poll(self) -> LongPoll:
        """How the worker waits."""
        return LongPoll(
            enabled=self.long_poll_enabled,
            fallback_poll_interval=self.fallback_poll_interval,
            max_wait_time=self.max_wait_time,
            timer_grace_period=self.timer_grace_period,
            aggressive_poll_duration=self.aggressive_poll_duration,
            aggressive_exit_threshold=self.aggressive_exit_threshold,
        )


def read_settings(env_file: Path | None = None, *, needs_database: bool = True) -> Settings:
    """Read the environment, then `.env` in the current folder (or the given file).

    Without `needs_database` the database's URL may be empty.

    Raises:
        ConfigurationError: a setting is missing or unusable. Values are not repeated: they may
            be secrets.
    """
    try:
        settings = Settings(_env_file=env_file or Path(".env"))
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{env_file or '.env'} cannot be read", "save it as UTF-8 text"
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "a setting"
        name = name if name.isupper() else f"FRESHNESS_{name.upper()}"
        if first["type"] == "missing":
            raise _not_set(name) from None
        raise ConfigurationError(f"{name}: {first['msg']}", "see .env.example") from None
    if needs_database and not settings.database_url.get_secret_value():
        raise _not_set("DATABASE_URL")
    return settings


def _not_set(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is not set", f"set {name} in the environment or in .env")
