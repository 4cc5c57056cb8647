"""A real OpenID Connect issuer on this machine: discovery, keys that rotate, tokens of any kind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

AUDIENCE = "nba"


class Issuer:
    """Signs tokens and publishes the keys they are verified with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.issuer = url
        self.keys: dict[str, Key] = {"one": rsa("one")}
        self.extra: list[dict[str, Any]] = []
        self.jwks_uri = f"{url}/keys"
        self.broken: bytes | None = None
        self.asked: list[str] = []

    def answer(self, path: str) -> bytes | None:
        """Return what is at a path."""
        self.asked.append(path)
        if self.broken is not None:
            return self.broken or None
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.issuer, "jwks_uri": self.jwks_uri}).encode()
        if path == "/keys":
            keys = [key.as_dict(private=False) for key in self.keys.values()]
            return json.dumps({"keys": [*self.extra, *keys]}).encode()
        return None

    def token(
        self,
        claims: dict[str, Any],
        *,
        key: Key | None = None,
        algorithm: str = "RS256",
        header: dict[str, Any] | None = None,
    ) -> str:
        """Return a signed token; by default with the first key, and naming it."""
        signing = key or next(iter(self.keys.values()))
        named = {"alg": algorithm, "kid": signing.kid, **(header or {})}
        named = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(named, claims, signing, algorithms=[algorithm])


def rsa(kid: str) -> RSAKey:
    """Make an RSA key."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True)


def ec(kid: str) -> ECKey:
    """Make a key of an elliptic curve."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"}, private=True)


def ed(kid: str) -> OKPKey:
    """Make an Ed25519 key."""
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"}, private=True)


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer on a free port."""
    issuers: list[Issuer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuers[0].answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's word
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuers.append(Issuer(f"http://127.0.0.1:{server.server_port}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuers[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
