"""Tokens that the Supabase CLI makes, with keys that it generates, are taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from starlette.datastructures import Headers

from pyworker.settings import Settings
from pyworker.web.authentication import Authentication, Caller
from pyworker.web.problems import ProblemError
from tests.supabase_cli.conftest import Supabase
from tests.web.signing import KeyServer, key_server

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "key_ops")
OPERATOR = ("--role", "service_role")


@pytest.fixture(scope="session", params=["ES256", "RS256"])
def signing_project(
    supabase: Supabase, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """A project with a signing key of its own, as `gen signing-key` explains it."""
    folder = tmp_path_factory.mktemp("signing")
    settings = folder / "supabase" / "config.toml"
    settings.parent.mkdir()
    settings.write_text(
        'project_id = "signing"\n[auth]\nsigning_keys_path = "./signing_keys.json"\n'
    )
    # It is written where the settings say; without the file it could not be.
    (settings.parent / "signing_keys.json").write_text("[]")
    made = supabase(folder, "gen", "signing-key", "--algorithm", request.param)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def server(signing_project: Path) -> Iterator[KeyServer]:
    """Publishes the public part of the project's key."""
    [key] = json.loads((signing_project / "supabase" / "signing_keys.json").read_text())
    public = {name: value for name, value in key.items() if name not in PRIVATE}
    with key_server() as running:
        running.body = json.dumps({"keys": [{**public, "key_ops": ["verify"]}]}).encode()
        yield running


def caller(server: KeyServer, token: str) -> Caller:
    values: Any = {"DATABASE_URL": "postgresql://nowhere", "SUPABASE_URL": server.url}
    authentication = Authentication(Settings(_env_file=None, **values))
    headers = Headers({"Authorization": f"Bearer {token}"})
    return asyncio.run(authentication.caller(headers))


def bearer(supabase: Supabase, project: Path, *arguments: str) -> str:
    made = supabase(project, "gen", "bearer-jwt", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_users_token_is_taken(
    supabase: Supabase, signing_project: Path, server: KeyServer
) -> None:
    """As it comes, without issuer and audience, and with those of the project."""
    user = str(uuid4())
    who = ("--role", "authenticated", "--sub", user, "--valid-for", "1h")
    auth = f"{server.url}/auth/v1"
    for claims in ({}, {"iss": auth, "aud": "authenticated"}):
        token = bearer(supabase, signing_project, *who, "--payload", json.dumps(claims))
        found = caller(server, token)
        ends = jwt.decode(token, options={"verify_signature": False})["exp"]
        assert (found.role, found.user) == ("authenticated", user)
        assert found.expires_at is not None
        assert found.expires_at.timestamp() == ends


def test_the_service_role_is_an_operator(
    supabase: Supabase, signing_project: Path, server: KeyServer
) -> None:
    assert caller(server, bearer(supabase, signing_project, *OPERATOR)).is_operator


@pytest.mark.parametrize("signing_project", ["ES256"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--role", "anon"), "sign in"),
        (("--role", "authenticated"), "sign in"),
        (("--role", "postgres", "--sub", "5f7c1f6e-0000-4000-8000-000000000001"), "sign in"),
        ((*OPERATOR, "--exp", "2020-01-01T00:00:00Z"), "expired"),
        ((*OPERATOR, "--payload", '{"nbf": 99999999999}'), "not valid yet"),
        ((*OPERATOR, "--payload", '{"aud": "other"}'), "another audience"),
        ((*OPERATOR, "--payload", '{"iss": "https://other.supabase.co"}'), "another issuer"),
    ],
)
def test_other_tokens_are_refused(
    supabase: Supabase,
    signing_project: Path,
    server: KeyServer,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """Of nobody, of no one who is signed in, out of time, or for others."""
    with pytest.raises(ProblemError, match=message):
        caller(server, bearer(supabase, signing_project, *arguments))


def test_a_token_of_the_clis_own_key_is_refused(
    supabase: Supabase, tmp_path: Path, server: KeyServer
) -> None:
    """That key is the same on every machine; the project has another one."""
    (tmp_path / "supabase").mkdir()
    (tmp_path / "supabase" / "config.toml").write_text('project_id = "other"\n')
    with pytest.raises(ProblemError, match="not a valid token"):
        caller(server, bearer(supabase, tmp_path, *OPERATOR))
