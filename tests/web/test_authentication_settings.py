"""Mistakes in the settings for sign-in are told at the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyworker.errors import ConfigurationError
from pyworker.settings import Settings, read_settings
from pyworker.web.authentication import Authentication
from pyworker.web.authentication.auth_url import auth_url

SECRET_KEY = "sb_secret_0123456789abcdefghij"
OTHER_KEY = "sb_secret_9876543210abcdefghij"
PUBLISHABLE_KEY = "sb_publishable_0123456789abcdef"

MakeSettings = Callable[..., Settings]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SUPABASE_JWT_SECRET": None}, "neither SUPABASE_URL nor SUPABASE_JWT_SECRET is set"),
        ({"SUPABASE_URL": "project.supabase.co"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "ftp://project.supabase.co"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "https://user:word@host"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "https://host/?a=b"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "https://[::1"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "http://project.supabase.co"}, "SUPABASE_URL is not encrypted"),
        ({"SUPABASE_URL": "http://93.184.216.34"}, "SUPABASE_URL is not encrypted"),
        ({"SUPABASE_SECRET_KEY": PUBLISHABLE_KEY}, "SUPABASE_SECRET_KEY is not a secret key"),
        ({"SUPABASE_SECRET_KEY": "sb_secret_short"}, "SUPABASE_SECRET_KEY is not a secret key"),
        ({"SUPABASE_SECRET_KEYS": "sb_secret_abc"}, "SUPABASE_SECRET_KEYS is not a JSON object"),
        ({"SUPABASE_SECRET_KEYS": "[" * 9999}, "SUPABASE_SECRET_KEYS is not a JSON object"),
        ({"SUPABASE_SECRET_KEYS": '{"a": 1}'}, "SUPABASE_SECRET_KEYS is not a secret key"),
    ],
)
def test_an_unusable_setting_is_named_and_not_repeated(
    make_settings: MakeSettings, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        Authentication(make_settings(**changes))
    assert not any(value and value in str(refused.value) for value in changes.values())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://project.supabase.co", "https://project.supabase.co/auth/v1"),
        (" https://Project.Supabase.co:443/ ", "https://project.supabase.co/auth/v1"),
        ("https://example.com/base/", "https://example.com/base/auth/v1"),
        ("http://127.0.0.1:54321", "http://127.0.0.1:54321/auth/v1"),
        ("http://[::1]:54321", "http://[::1]:54321/auth/v1"),
        ("http://kong:8000", "http://kong:8000/auth/v1"),
        ("http://10.1.2.3", "http://10.1.2.3/auth/v1"),
        ("http://auth.project.internal", "http://auth.project.internal/auth/v1"),
    ],
)
def test_the_auth_server_is_found_by_the_projects_address(given: str, expected: str) -> None:
    assert auth_url(given) == expected


def test_settings_hide_what_is_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, make_settings: MakeSettings
) -> None:
    values = {
        "SUPABASE_JWT_SECRET": "a-legacy-secret-that-has-32-bytes-or-more",
        "SUPABASE_SECRET_KEY": SECRET_KEY,
        "SUPABASE_SECRET_KEYS": f'{{"default": "{OTHER_KEY}"}}',
    }
    for name, value in {**values, "DATABASE_URL": "postgresql://u:word@host/db"}.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(tmp_path / ".env")
    shown = f"{settings!r} {settings} {vars(Authentication(settings))}"
    assert not any(value in shown for value in (*values.values(), OTHER_KEY, "u:word"))
    assert settings != make_settings()
