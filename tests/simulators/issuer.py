"""An issuer of access tokens without a network: its keys, its documents, and the tokens that it signs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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
            return {"keys": [self._public(kid, key) for kid, key in self.keys.items()]}
        if url == f"{URL}/.well-known/openid-configuration":
            return self.metadata
        raise IssuerUnavailable(f"{url} answered 404")

    def _public(self, kid: str, key: Any) -> dict[str, Any]:
        kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig"}
