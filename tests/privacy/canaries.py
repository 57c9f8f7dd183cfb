"""What is planted, and how it is looked for: private values in whatever upstreams say, and the tokens of both sides."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

PRIVATE: Mapping[str, Any] = {
    "email": "Canary.Finch+3f9c@aviary.example",
    "card": "4539578763621486",
    "iban": "GB29NWBK60161331926819",
    "phone": "+44 20 7946 0958",
    "name": 'Zephyrine "Z" Ôbrecht-Qvist',
    "street": "17 Quillfeather Row & Sons",
    "salary": 841297365021,
    "note": "first line of an illness\nsecond line: öäü <b>",
}
"""Values that are private by kind or by field."""

SECRETS: Mapping[str, str] = {
    "credential": "canary-of-the-upstreams-8f3a61c0d2",
    "key": "canary key/of the store+77",
}
"""The upstream's credential, and the key under which private values are kept; over HTTP, the client's token too."""

PERSON: Mapping[str, Any] = {
    "id": 7,
    "name": PRIVATE["name"],
    "contact": {"email": PRIVATE["email"], "phone": PRIVATE["phone"]},
    "address": {"street": PRIVATE["street"], "zip": None},
    "salary": PRIVATE["salary"],
    "paid_by": [{"card": 4539578763621486}, {"iban": "GB29 NWBK 6016 1331 9268 19"}],
    "note": PRIVATE["note"],
    "history": f"{PRIVATE['name']} wrote from <{PRIVATE['email'].lower()}>, card 4539 5787 6362 1486",
    "file": base64.b64encode(f"name,{PRIVATE['name']},{PRIVATE['email']}\n".encode()).decode(),
    PRIVATE["email"]: "a key",
}
"""A record that holds all of the private ones."""

LEAST = 10
"""Characters of a form: a shorter one could be there by chance."""


def forms(value: str) -> Iterator[tuple[str, str]]:
    """The ways in which a value travels, each with its name; upper and lower case are one."""
    raw = value.encode()
    found = [
        ("as it is", value),
        *(("URL", form) for form in (quote(value), quote(value, safe=""), quote_plus(value))),
        *(("JSON", form) for form in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])),
        ("JSON in JSON", json.dumps(json.dumps(value))[3:-3]),
        ("HTML", html.escape(value)),
        ("backwards", value[::-1]),
        ("hexadecimal", raw.hex()),
        *(("Base64", base64.b64encode(b"x" * before + raw).decode()[4:-4]) for before in range(3)),
        *(("Base64 for URLs", base64.urlsafe_b64encode(b"x" * before + raw).decode()[4:-4]) for before in range(3)),
    ]
    yield from ((name, form) for name, form in found if len(form) >= LEAST)


def found_in(where: bytes, values: Mapping[str, Any]) -> list[str]:
    """Which of these values a text holds. Digits of a card, an account or a telephone count in any grouping."""
    text = where.decode(errors="replace").lower()
    compact = text.replace(" ", "").replace("-", "")
    found = {name for name, value in values.items() if any(form.lower() in text for _, form in forms(str(value)))}
    grouped = {name: str(values[name]).replace(" ", "").lower() for name in ("card", "iban", "phone") if name in values}
    return sorted(found.union(name for name, digits in grouped.items() if digits in compact))


def planted(where: bytes, values: Mapping[str, Any]) -> Iterator[tuple[str, str, bytes]]:
    """Copies of a text, each with one value in one form in its middle."""
    middle = len(where) // 2
    for name, value in values.items():
        for form, text in forms(str(value)):
            yield name, form, where[:middle] + text.encode() + where[middle:]
