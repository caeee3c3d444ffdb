"""Keys made for a test, tokens signed with them, and the server that publishes them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PATH = "/auth/v1/.well-known/jwks.json"
USER = "5f7c1f6e-0000-4000-8000-000000000001"
KINDS: dict[str, type[Algorithm]] = {
    "ES256": ECAlgorithm,
    "RS256": RSAAlgorithm,
    "EdDSA": OKPAlgorithm,
}


class Signer:
    """A private key with a name, as an Auth server has."""

    def __init__(self, algorithm: str, kid: str = "", private_key: Any = None) -> None:
        self.algorithm = algorithm
        self.kid = kid or f"key-{algorithm}"
        self.private_key = private_key or new_key(algorithm)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as the project publishes it."""
        public: dict[str, Any] = KINDS[self.algorithm].to_jwk(
            self.private_key.public_key(), as_dict=True
        )
        return {
            **public,
            "kid": self.kid,
            "alg": self.algorithm,
            "use": "sig",
            "key_ops": ["verify"],
            "ext": True,
        }

    def public_texts(self) -> list[bytes]:
        """The public key in the forms in which attackers use it as a shared secret."""
        public = self.private_key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return [pem, pem.strip(), der, json.dumps(self.jwk).encode()]

    def token(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Sign a user's token; arguments change its claims, None leaves one out."""
        given = {"kid": self.kid, **(headers or {})}
        kept = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(
            claims(**changes), self.private_key, algorithm=self.algorithm, headers=kept
        )


def new_key(algorithm: str) -> Any:
    """Make a private key."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


@cache
def signer(algorithm: str) -> Signer:
    """Return the project's key of that kind, the same throughout."""
    return Signer(algorithm)


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a user's token."""
    found = {
        "sub": USER,
        "role": "authenticated",
        "aud": "authenticated",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def encoded(value: bytes) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def assembled(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(encoded(part) for part in parts)


@dataclass
class KeyServer:
    """What the server answers, how often it was asked, and for what."""

    url: str
    body: bytes = b'{"keys": []}'
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def publish(self, *keys: Signer) -> None:
        """Answer these keys from now on."""
        self.status, self.body = 200, json.dumps({"keys": [key.jwk for key in keys]}).encode()


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """Run an HTTP server on a free port, for the length of a `with`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.may_answer.wait(20)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(found.body)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = KeyServer(f"http://127.0.0.1:{server.server_port}")
    found.may_answer.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield found
    finally:
        found.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()
