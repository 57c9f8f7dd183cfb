"""An issuer of access tokens without a network: its keys, its documents, and the tokens that it signs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from isthmus.identity.verdicts import IssuerUnavailable

URL = "https://id.example"
NOW = 1_800_000_000.0
GOOD: dict[str, Any] = {
    "iss": URL,
    "aud": ["https://isthmus.example/mcp", "other"],
    "sub": "alice",
    "exp": NOW + 300,
    "scope": "openid isthmus",
}
"""Claims of a token that is accepted."""


@dataclass
class Issued:
    """Answers as an issuer does; `asked` counts what was."""

    keys: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: bool = False
    metadata: dict[str, Any] = field(
        default_factory=lambda: {"issuer": URL, "jwks_uri": f"{URL}/keys"},
    )

    def add(self, kid: str, kind: str = "RS256") -> None:
        """Another key."""
        if kind == "RS256":
            self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        else:
            self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def token(self, kid: str = "one", algorithm: str = "RS256", key: Any = None, **claims: Any) -> str:
        """A signed token: `GOOD`, but for what is said; None takes a claim away."""
        said = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
        return jwt.encode(said, self.keys[kid] if key is None else key, algorithm, headers={"kid": kid})

    async def __call__(self, url: str) -> dict[str, Any]:
        """What stands at a URL of the issuer's."""
        self.asked.append(url)
        if self.down:
            raise IssuerUnavailable("down")
        if url == f"{URL}/keys":
            return self.jwks()
        if url == f"{URL}/.well-known/openid-configuration":
            return self.metadata
        raise IssuerUnavailable(f"{url} answered 404")

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {"keys": [self._public(kid, key) for kid, key in self.keys.items()]}

    def _public(self, kid: str, key: Any) -> dict[str, Any]:
        kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


@contextmanager
def answering(issued: Issued) -> Iterator[str]:
    """The issuer's documents on a port of this machine; gives its identifier there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = f"http://127.0.0.1:{server.server_port}"
            found = {
                "/.well-known/openid-configuration": {"issuer": address, "jwks_uri": f"{address}/keys"},
                "/keys": issued.jwks(),
            }.get(self.path)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
