"""A double of the Data API: PostgREST's documented protocol for calls of functions, and no more.

It verifies the token, becomes its role in a transaction, calls the real function by the names of
its arguments, and turns errors into PostgREST's answers. The real PostgREST is not run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import psycopg
from psycopg.sql import SQL, Identifier

SECRET_KEY = "sb_secret_of-the-tests-long-enough"
RPC = "/rest/v1/rpc/"
# By the documented table; what is not in it is 400.
STATUS_BY_CLASS = {"08": 503, "40": 500, "53": 503, "54": 500, "55": 500, "57": 500, "58": 500}
ARGUMENTS = """
    select p.proargnames, p.proargtypes::oid[]::regtype[]::text[], p.pronargdefaults
    from pg_proc as p where p.pronamespace = 'public'::regnamespace and p.proname = %s
"""


@dataclass
class DataApi:
    """Where it listens, and what it was asked: headers and body of each call, as sent."""

    url: str = ""
    calls: list[tuple[dict[str, str], str]] = field(default_factory=list)


class RequestError(Exception):
    """An answer that is no result."""

    def __init__(self, status: int, code: str, message: str, **more: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "details": None, "hint": None, **more}
        self.headers: Mapping[str, str] = {}


@contextmanager
def running_data_api(database_url: str, secret: str) -> Iterator[DataApi]:
    """Serve the functions in schema public of a database until the end.

    Args:
        database_url: of role authenticator.
        secret: what tokens are signed with.
    """
    api = DataApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                api.calls.append((dict(self.headers), body))
                claims = _claims(self.headers, secret)
                self._answer(200, _call(database_url, self.path, claims, body))
            except RequestError as error:
                self._answer(error.status, error.body, error.headers)

        def _answer(
            self, status: int, content: Any, headers: Mapping[str, str] | None = None
        ) -> None:
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(encoded)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _raised(message: str | None, detail: str | None) -> RequestError:
    """What a function has chosen to answer: its body in the message, the rest in the detail."""
    try:
        body, rest = json.loads(message or ""), json.loads(detail or "")
        more = {name: body[name] for name in ("details", "hint") if name in body}
        raised = RequestError(int(rest["status"]), body["code"], body["message"], **more)
        raised.headers = dict(rest["headers"])
        # Texts, all of them.
        "".join((*raised.headers.values(), *more.values()))
    except (ValueError, KeyError, TypeError):
        return RequestError(500, "PGRST121", "Could not parse JSON in the RAISE SQLSTATE 'PGRST'")
    return raised


def _claims(headers: Any, secret: str) -> dict[str, Any]:
    # The platform's gateway turns a secret key into the service role.
    # Clients of Supabase's own send it in both headers.
    if headers.get("apikey") == SECRET_KEY and headers.get("authorization") in (
        None,
        f"Bearer {SECRET_KEY}",
    ):
        return {"role": "service_role"}
    _, _, token = headers.get("authorization", "").partition(" ")
    if not token:
        return {"role": "anon"}
    try:
        return dict(jwt.decode(token, secret, algorithms=["HS256"], audience="authenticated"))
    except jwt.ExpiredSignatureError:
        raise RequestError(401, "PGRST303", "JWT expired") from None
    except jwt.PyJWTError:
        raise RequestError(401, "PGRST301", "No suitable key or wrong key type") from None


def _call(database_url: str, path: str, claims: dict[str, Any], body: str) -> Any:
    name = path.removeprefix(RPC)
    try:
        with psycopg.connect(database_url) as connection:
            _become(connection, path, claims)
            found = connection.execute(ARGUMENTS, [name]).fetchone()
            given = connection.execute("select json_object_keys(%s::json)", [body]).fetchall()
            names = [name for (name,) in given]
            if found is None or not set(names) <= set(found[0]):
                message = f"Could not find the function public.{name} in the schema cache"
                raise RequestError(404, "PGRST202", message)
            types = dict(zip(found[0], found[1], strict=True))
            record = SQL(", ").join(
                SQL("{} {}").format(Identifier(key), SQL(types[key])) for key in names
            )
            arguments = SQL(", ").join(
                SQL("{0} := body.{0}").format(Identifier(key)) for key in names
            )
            statement = SQL(
                "select public.{}({}) from json_to_record(%s::json) as body ({})"
            ).format(Identifier(name), arguments, record)
            row = connection.execute(statement, [body]).fetchone()
            assert row is not None
            return row[0]
    except psycopg.Error as error:
        raise _translated(error, claims) from None


def _become(connection: psycopg.Connection[Any], path: str, claims: dict[str, Any]) -> None:
    for setting, value in (
        ("role", claims["role"]),
        ("request.jwt.claims", json.dumps(claims)),
        ("request.method", "POST"),
        ("request.path", path),
        ("search_path", "public, extensions"),
    ):
        connection.execute("select set_config(%s, %s, true)", [setting, value])


def _translated(error: psycopg.Error, claims: dict[str, Any]) -> RequestError:
    code = error.sqlstate or "08000"
    if code == "PGRST":
        return _raised(error.diag.message_primary, error.diag.message_detail)
    if code == "42501":
        status = 401 if claims["role"] == "anon" else 403
    else:
        status = STATUS_BY_CLASS.get(code[:2], 400)
    return RequestError(
        status,
        code,
        error.diag.message_primary or str(error),
        details=error.diag.message_detail,
        hint=error.diag.message_hint,
    )
