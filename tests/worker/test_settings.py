"""Settings come from the environment, then from .env; what cannot be used is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyworker.errors import ConfigurationError
from pyworker.long_poll import LongPoll
from pyworker.settings import read_settings

SECRET = "s3cr3t-of-the-tests"
URL = f"postgresql://postgres:{SECRET}@host/name"


@pytest.fixture(autouse=True)
def set_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An empty current folder, none of our variables, and a way to set some."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith(("FRESHNESS_", "DATABASE_URL", "SUPABASE_")):
            monkeypatch.delenv(name)

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def refused() -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert SECRET not in repr(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_only_the_database_has_to_be_named(set_variables: Callable[..., None]) -> None:
    set_variables(DATABASE_URL=URL)
    settings = read_settings()
    assert settings.database_url.get_secret_value() == URL
    assert (settings.jwt_secret, settings.worker_name, settings.refreshers) == (None, None, "")
    assert settings.configuration == Path("freshness.toml")


def test_the_worker_gets_what_is_set_about_waiting(set_variables: Callable[..., None]) -> None:
    set_variables(
        DATABASE_URL=URL,
        FRESHNESS_LONG_POLL_ENABLED="false",
        FRESHNESS_FALLBACK_POLL_INTERVAL="1",
        FRESHNESS_MAX_WAIT_TIME="2",
        FRESHNESS_TIMER_GRACE_PERIOD="0.1",
        FRESHNESS_AGGRESSIVE_POLL_DURATION="3",
        FRESHNESS_AGGRESSIVE_EXIT_THRESHOLD="4",
    )
    assert read_settings().long_poll == LongPoll(
        enabled=False,
        fallback_poll_interval=1,
        max_wait_time=2,
        timer_grace_period=0.1,
        aggressive_poll_duration=3,
        aggressive_exit_threshold=4,
    )


def test_what_is_not_set_about_waiting_is_as_the_worker_has_it(
    set_variables: Callable[..., None],
) -> None:
    set_variables(DATABASE_URL=URL)
    assert read_settings().long_poll == LongPoll()


def test_without_a_database_there_are_no_settings() -> None:
    assert refused() == "DATABASE_URL is not set (set DATABASE_URL in the environment or in .env)"


def test_an_empty_variable_counts_as_not_set(set_variables: Callable[..., None]) -> None:
    set_variables(DATABASE_URL="", FRESHNESS_CONCURRENCY="")
    assert refused().startswith("DATABASE_URL is not set")


def test_env_file_of_the_current_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={URL}\nFRESHNESS_CONCURRENCY=7\nOTHER=1\n")
    settings = read_settings()
    assert settings.database_url.get_secret_value() == URL
    assert settings.concurrency == 7


def test_the_environment_wins_over_the_env_file(
    tmp_path: Path, set_variables: Callable[..., None]
) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={URL}\nFRESHNESS_CONCURRENCY=7\n")
    set_variables(FRESHNESS_CONCURRENCY="8")
    assert read_settings().concurrency == 8


def test_another_env_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(f"DATABASE_URL={URL}\n")
    assert read_settings(tmp_path / "other").database_url.get_secret_value() == URL


def test_an_env_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=\xff\n")
    assert ".env" in refused()


def test_secrets_are_in_no_representation(set_variables: Callable[..., None]) -> None:
    set_variables(DATABASE_URL=URL, SUPABASE_JWT_SECRET=SECRET)
    settings = read_settings()
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "1001"),
        ("CONCURRENCY", "many"),
        ("FETCH_TIMEOUT", "0"),
        ("FETCH_TIMEOUT", "nan"),
        ("FETCH_TIMEOUT", "inf"),
        ("HEARTBEAT_LIMIT", "0.5"),
        ("HEARTBEAT_LIMIT", "inf"),
        ("HEARTBEAT_LIMIT", "1e300"),
        ("LONG_POLL_ENABLED", "perhaps"),
        ("FALLBACK_POLL_INTERVAL", "0"),
        ("MAX_WAIT_TIME", "0"),
        ("MAX_WAIT_TIME", "31"),
        ("TIMER_GRACE_PERIOD", "-0.1"),
        ("AGGRESSIVE_POLL_DURATION", "-1"),
        ("AGGRESSIVE_EXIT_THRESHOLD", "1.5"),
        ("SHUTDOWN_TIMEOUT", "-1"),
        ("PORT", "65536"),
        ("LEASE", "86401"),
        ("MAX_KEYS", "0"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_not_repeated(
    set_variables: Callable[..., None], name: str, value: str
) -> None:
    set_variables(DATABASE_URL=URL, **{f"FRESHNESS_{name}": value})
    said = refused()
    assert said.startswith(f"FRESHNESS_{name}: ")
    assert said.endswith("(see .env.example)")
