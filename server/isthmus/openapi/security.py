"""Security schemes: where a document wants its credentials, and which of them an operation asks for."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from isthmus.model import Credential, Location, SchemaDocument
from isthmus.openapi.nodes import follow, mapping_of, text_of

Reserved = Collection[tuple[Location, str]]
"""Places of a request that belong to credentials: (location, name), headers in lower case."""

Requirements = Sequence[frozenset[str]] | None
"""Alternatives, each a set of scheme names that belong together; None where the document says nothing."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One security scheme: the place of a request that it fills, and how the value is written there."""

    name: str
    location: Literal["header", "query", "cookie"]
    field: str  # the header's, query parameter's or cookie's name
    prefix: str = ""  # `Bearer `, `Basic `
    kind: str = ""  # in words, for messages

    def placed(self, value: str) -> Credential:
        """The credential that puts `value` where this scheme wants it. `user:password` is encoded for Basic."""
        if self.prefix == "Basic " and ":" in value:
            value = base64.b64encode(value.encode()).decode()
        place = {self.field: self.prefix + value}
        match self.location:
            case "header":
                return Credential(headers=place)
            case "query":
                return Credential(query=place)
            case "cookie":
                return Credential(cookies=place)


def security_schemes(document: SchemaDocument) -> Mapping[str, Scheme]:
    """The document's security schemes by name; those that cannot be read are left out."""
    declared = mapping_of(mapping_of(document.root.get("components")).get("securitySchemes"))
    return {scheme.name: scheme for scheme in _schemes(declared, document)}


def reserved_places(schemes: Mapping[str, Scheme]) -> Reserved:
    """The places that belong to credentials, whether or not one is configured: no program may fill them."""
    return frozenset(_place(scheme) for scheme in schemes.values())


def requirements(operation: Mapping[str, Any], root: Mapping[str, Any]) -> Requirements:
    """What an operation asks for: its own `security`, or else the document's."""
    declared = operation["security"] if "security" in operation else root.get("security")
    if not isinstance(declared, list):
        return None
    return [frozenset(option) for option in declared if isinstance(option, Mapping)]


# What Slack and Google say of theirs; a token that a call is about (`the token of the trigger`) is told otherwise.
_NAMED_AS_TOKEN = re.compile(r"(access_?|oauth_?|auth_?|bearer_?)?token", re.IGNORECASE)
_TOLD_AS_TOKEN = re.compile(r"\W*(authentication|oauth( ?2(\.0)?)?( access)?|access|bearer) token\b", re.IGNORECASE)


def is_bearer_token(name: str, description: str, required: Requirements, document: SchemaDocument) -> bool:
    """Whether a parameter of an operation is its bearer token once more, by its name and by what is said of it.

    RFC 6750 lets a token travel as a parameter, but never twice in one request: it travels in its header.
    """
    if not (_NAMED_AS_TOKEN.fullmatch(name) and _TOLD_AS_TOKEN.match(description)):
        return False
    schemes = security_schemes(document)
    names = frozenset().union(*required) if required is not None else frozenset(schemes)
    return any(schemes[name].prefix == "Bearer " for name in names if name in schemes)


def chosen_schemes(required: Requirements, configured: Sequence[str]) -> tuple[str, ...]:
    """Which of the configured schemes an operation gets: the first alternative that can be filled, or its part.

    Where the document asks for nothing in particular, all of them.
    """
    if required is None:
        return tuple(configured)
    fitting = [option for option in required if option and option <= set(configured)]
    wanted = fitting[0] if fitting else frozenset().union(*required)
    return tuple(name for name in configured if name in wanted)


def combined(
    credential: Credential | None, schemes: Mapping[str, Scheme], required: Requirements, demanded: Reserved = ()
) -> Credential:
    """A credential with the values that it has for security schemes put in their places.

    `demanded` are the places of the operation's required parameters: a scheme that fills one of them is filled, too,
    whatever alternatives `required` names (Trello calls its key and its token alternatives, and requires both).
    """
    if credential is None:
        return Credential()
    known = [name for name in credential.schemes if name in schemes]
    chosen = chosen_schemes(required, known)
    wanted = [name for name in known if name in chosen or _place(schemes[name]) in demanded]
    placed = [schemes[name].placed(credential.schemes[name]) for name in wanted]
    headers, query, cookies = dict(credential.headers), dict(credential.query), dict(credential.cookies)
    for part in placed:
        headers |= part.headers
        query |= part.query
        cookies |= part.cookies
    return Credential(headers, query, cookies)


def expectation(required: Requirements, schemes: Mapping[str, Scheme]) -> str:
    """What an operation asks for, in words: `bearer token (scheme 'oauth')`; empty where it asks for nothing."""
    alternatives = [
        " and ".join(_described(name, schemes) for name in sorted(option)) for option in required or () if option
    ]
    if required is None:
        alternatives = [_described(name, schemes) for name in schemes]
    return " or ".join(dict.fromkeys(alternatives))


def _place(scheme: Scheme) -> tuple[Location, str]:
    return scheme.location, scheme.field.lower() if scheme.location == "header" else scheme.field


def _described(name: str, schemes: Mapping[str, Scheme]) -> str:
    scheme = schemes.get(name)
    return f"{scheme.kind} (scheme {name!r})" if scheme else f"scheme {name!r}"


def _schemes(declared: Mapping[str, Any], document: SchemaDocument) -> Iterator[Scheme]:
    for name, entry in declared.items():
        try:
            node = follow(entry, document)
        except LookupError:
            continue
        if scheme := _scheme(name, node):
            yield scheme


def _scheme(name: str, node: Mapping[str, Any]) -> Scheme | None:
    kind, location = node.get("type"), node.get("in")
    if kind == "apiKey" and location in ("header", "query", "cookie") and text_of(node.get("name")):
        place = cast(Literal["header", "query", "cookie"], location)
        return Scheme(name, place, node["name"], kind=f"an API key in the {location} {node['name']!r}")
    if kind == "http" and text_of(node.get("scheme")).lower() == "basic":
        return Scheme(name, "header", "Authorization", "Basic ", "a user name and password")
    if kind == "http":
        prefix = (text_of(node.get("scheme")) or "Bearer").capitalize() + " "
        return Scheme(name, "header", "Authorization", prefix, f"a {prefix.strip().lower()} token")
    if kind in ("oauth2", "openIdConnect"):
        return Scheme(name, "header", "Authorization", "Bearer ", "an OAuth access token")
    return None
