"""Access tokens of an issuer (OpenID Connect, OAuth 2.0): JWTs, checked with its keys.

    signature    one of its keys, by an asymmetric algorithm that fits the key's kind
    iss, aud     exactly the issuer, and this server among the audiences: a token for another is worth nothing here
    exp, nbf     now, give or take `LEEWAY`
    scope, scp   all that are required

What a principal is called holds the issuer's word for it after `oidc:`, so that it is never one of the configuration's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import jwt

from isthmus.identity.keys import Keys
from isthmus.identity.verdicts import NotEnough, Unidentified
from isthmus.model import Principal

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""None with a shared secret: whoever could check a token could make one."""

LEEWAY = 30.0
"""Seconds by which clocks may differ."""

MAX_TOKEN = 16_384
"""Characters of a token; a longer one is not looked at."""

_NAME = re.compile(r"[\x21-\x7e]{1,180}")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say, in the words of the configuration."""

    issuer: str
    audience: str
    scopes: tuple[str, ...] = ()
    claim: str = "sub"


class Issuer:
    """Knows an issuer's tokens. `now` is in seconds since the epoch."""

    def __init__(self, expected: Expected, keys: Keys, now: Callable[[], float]) -> None:
        self._expected = expected
        self._keys = keys
        self._now = now

    async def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Unidentified: it is none of the issuer's, not for this server, or not for now.
            NotEnough: it lacks scopes.
            IssuerUnavailable: the issuer's keys cannot be had.
        """
        key, algorithm = await self._key(token)
        try:
            # The claims are checked below, by our own clock and in our own words.
            claims = jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
        except jwt.InvalidTokenError as error:
            raise Unidentified("the token's signature is not the issuer's", why=f"{type(error).__name__}") from None
        return judged(claims, self._expected, self._now())

    async def _key(self, token: str) -> tuple[jwt.PyJWK, str]:
        try:
            if len(token) > MAX_TOKEN:
                raise jwt.DecodeError("too long")
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise Unidentified("the token is no token of the issuer's: it is no JWT") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or "crit" in header:
            raise Unidentified("the token's algorithm is not accepted")
        for key in await self._keys.named(kid if isinstance(kid, str) else None):
            if fits(key, algorithm):
                return key, algorithm
        raise Unidentified("the token's key is not known")


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub"), False),
    **dict.fromkeys(("verify_jti",), False),
}

_KINDS = {"RS": ("RSA",), "PS": ("RSA",), "ES": ("EC",), "Ed": ("OKP",)}


def fits(key: jwt.PyJWK, algorithm: str) -> bool:
    """Whether a key is one for an algorithm: of its kind, and for nothing else by its own word."""
    if key.key_type not in _KINDS[algorithm[:2]] or key.public_key_use not in (None, "sig"):
        return False
    return key.algorithm_name == algorithm or algorithm[:2] in ("RS", "PS")


def judged(claims: Mapping[str, Any], expected: Expected, now: float) -> Principal:
    """The principal of whom a token speaks whose signature is good. Pure.

    Raises:
        Unidentified: it is not the issuer's, not for this server, not for now, or of nobody.
        NotEnough: it lacks scopes.
    """
    if claims.get("iss") != expected.issuer:
        raise Unidentified("the token is another issuer's")
    if expected.audience not in _texts(claims.get("aud")):
        raise Unidentified("the token is for another server", why=f"aud is not {expected.audience}")
    _check_time(claims, now)
    name = claims.get(expected.claim)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Unidentified("the token does not say whose it is", why=f"claim {expected.claim} is no plain text")
    granted = {*_scopes(claims.get("scope")), *_scopes(claims.get("scp"))}
    if missing := [scope for scope in expected.scopes if scope not in granted]:
        raise NotEnough(f"the token lacks the scope {' '.join(missing)}")
    return Principal(f"oidc:{name}")


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    ends, begins = claims.get("exp"), claims.get("nbf", 0)
    if not _is_time(ends) or not _is_time(begins):
        raise Unidentified("the token does not say until when it is good")
    if now >= ends + LEEWAY:
        raise Unidentified("the token has expired")
    if now < begins - LEEWAY:
        raise Unidentified("the token is not good yet")


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _texts(value: Any) -> Sequence[Any]:
    return [value] if isinstance(value, str) else value if isinstance(value, list) else []


def _scopes(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
