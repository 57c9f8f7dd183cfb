"""Kinds of private data that are known by their form, wherever they stand in a text.

    [(each.kind, each.same) for each in find("Ada@Example.com, 4111 1111 1111 1111", ("email", "card"))]
    [("email", "ada@example.com"), ("card", "4111111111111111")]

What has a check digit is checked. Every search takes a time that is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True, slots=True)
class Found:
    """A value in a text. `same` is its canonical form: two that differ in spelling only have it in common."""

    start: int
    end: int
    kind: str
    same: str


Finder = Callable[[str], Iterator[Found]]

SHORTEST, LONGEST = 3, 400
"""Characters: nothing shorter, and nothing longer, is of any of these kinds."""


def find(text: str, kinds: Container[str]) -> list[Found]:
    """What a text holds of these kinds, in order; of two that overlap, the one whose kind comes first in `KINDS`."""
    if not may_hold(text):
        return []
    found: list[Found] = []
    without_digits = _DIGIT.search(text) is None
    for kind, finder in KINDS.items():
        if kind in kinds and not (without_digits and kind in _NUMBERS):
            for each in finder(text):
                if all(each.end <= other.start or each.start >= other.end for other in found):
                    found.append(each)
    return sorted(found, key=lambda each: each.start)


# An at sign, two colons, or digits: a set comes first, so that a text is scanned for these characters alone.
_SIGNS = re.compile(r"[@:0-9](?:(?<=@)|(?<=:)[^:]*:|(?<=[0-9])(?:\.[0-9]|(?:[^0-9]{0,3}[0-9]){5}))")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)

_DIGIT = re.compile("[0-9]")
_NUMBERS = frozenset({"iban", "card", "ssn", "phone"})  # which no text without a digit holds

sign = _SIGNS.search
"""What there is in every text that holds anything of any kind, and in few others; None where it is not there."""


def may_hold(text: str) -> bool:
    """Whether a text can hold anything of any kind: a quick look, which most texts do not pass, and no mere time."""
    return sign(text) is not None and len(text) >= SHORTEST and _TIME.fullmatch(text) is None


def same(text: str) -> str:
    """The canonical form of a text that is, as a whole, of one of the kinds; itself where it is of none."""
    whole = text.strip()
    if len(whole) > LONGEST:
        return text
    spans = (each for each in find(whole, KINDS) if (each.start, each.end) == (0, len(whole)))
    return next((each.same for each in spans), text)


# ---------------------------------------------------------------- e-mail

_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_EMAIL = re.compile(
    rf"(?<!{_LOCAL})(?![.]){_LOCAL}{{1,64}}@(?:\w(?:[\w-]{{0,61}}\w)?\.){{1,8}}(?:xn--[a-z0-9-]{{1,58}}|[^\W\d_]{{2,63}})"
)


def _emails(text: str) -> Iterator[Found]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Found(match.start(), match.end(), "email", match[0].lower())


# ---------------------------------------------------------------- telephone

_INTERNATIONAL = re.compile(r"(?<![0-9A-Za-z+])\+[1-9](?:[ ().\-/]{0,2}[0-9]){6,14}(?![0-9])")
_NORTH_AMERICAN = re.compile(
    r"(?<![0-9A-Za-z.+-])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}(?![0-9A-Za-z])"
)


def _phones(text: str) -> Iterator[Found]:
    """In international form, `+44 20 7946 0958`, or in that of North America, `(212) 555-0123`."""
    if "+" in text:
        for match in _INTERNATIONAL.finditer(text):
            yield Found(match.start(), match.end(), "phone", f"+{_digits(match[0])}")
    for match in _NORTH_AMERICAN.finditer(text):
        digits = _digits(match[0])
        yield Found(match.start(), match.end(), "phone", f"+{digits if len(digits) == 11 else f'1{digits}'}")


# ---------------------------------------------------------------- payment card

_RUN = re.compile(r"[0-9](?:[ -]?[0-9])*+")
_GROUP = re.compile(r"[0-9]+")
_MOST_GROUPS = 6
_ISSUERS = re.compile(
    r"4(?:.{12}|.{15}|.{18})"  # Visa
    r"|(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720).*(?<=^.{16})"  # Mastercard
    r"|3[47].{13}"  # American Express
    r"|(?:6011|64[4-9]|65|62|81).{10,17}"  # Discover, UnionPay
    r"|35(?:2[89]|[3-8]).{12,17}"  # JCB
    r"|3(?:0[0-5]|[689]).{11,16}"  # Diners Club
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3]).{9,15}"  # Maestro
)


def _cards(text: str) -> Iterator[Found]:
    """13 to 19 digits, in groups or not, of an issuer's range, with the check digit of Luhn."""
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= 13:
            yield from _cards_in(
                text, [(run.start() + g.start(), run.start() + g.end()) for g in _GROUP.finditer(run[0])]
            )


def _cards_in(text: str, groups: list[tuple[int, int]]) -> Iterator[Found]:
    at = 0
    while at < len(groups):
        start, found = groups[at][0], 0
        for last in range(at, min(at + _MOST_GROUPS, len(groups))):
            end = groups[last][1]
            digits = text[start:end].replace(" ", "").replace("-", "")
            if len(digits) > 19:
                break
            if len(digits) >= 13 and _alone(text, start, end) and _is_card(digits):
                yield Found(start, end, "card", digits)
                found = last - at
                break
        at += 1 + found


def _is_card(digits: str) -> bool:
    return _ISSUERS.fullmatch(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


# ---------------------------------------------------------------- bank account

_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?=[ 0-9A-Za-z])")
_IBAN_LENGTHS: Mapping[str, int] = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BI": 27,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DJ": 27,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FK": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HN": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LC": 32,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "LY": 25,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MN": 20,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NI": 28,
    "NL": 18,
    "NO": 15,
    "OM": 23,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "RU": 33,
    "SA": 24,
    "SC": 31,
    "SD": 18,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "SO": 23,
    "ST": 25,
    "SV": 28,
    "TL": 23,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
    "YE": 30,
}


def _ibans(text: str) -> Iterator[Found]:
    """Of a country's length, with the check digits of ISO 13616 (mod 97); spaces may stand in it."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2].upper())
        end = _end_of(text, match.start(), length) if length else None
        if end is not None:
            account = text[match.start() : end].replace(" ", "").upper()
            if _alone(text, match.start(), end) and mod97(account):
                yield Found(match.start(), end, "iban", account)


def _end_of(text: str, start: int, length: int) -> int | None:
    """Where so many letters and digits end, of which single spaces may stand apart."""
    at = start
    while length:
        if text[at : at + 1] == " ":
            at += 1
        if not (text[at : at + 1].isascii() and text[at : at + 1].isalnum()):
            return None
        at, length = at + 1, length - 1
    return at


def mod97(account: str) -> bool:
    """Whether the check digits of an IBAN, without spaces and in upper case, are right."""
    moved = account[4:] + account[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


# ---------------------------------------------------------------- others

_SSN = re.compile(
    r"(?<![0-9A-Za-z-])(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9A-Za-z]|-[0-9])"
)
_IP = re.compile(
    r"(?<![0-9A-Za-z:.])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])"
    r"|(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:.]{3,45}(?![0-9A-Za-z:]))"
)


def _social_security_numbers(text: str) -> Iterator[Found]:
    """Of the United States, with its dashes."""
    for match in _SSN.finditer(text):
        yield Found(match.start(), match.end(), "ssn", match[0])


def _addresses(text: str) -> Iterator[Found]:
    """Internet addresses, version 4 or 6."""
    for match in _IP.finditer(text):
        written = match[0].rstrip(".")
        try:
            address = ip_address(written)
        except ValueError:
            continue
        if not address.is_unspecified:
            yield Found(match.start(), match.start() + len(written), "ip", address.compressed)


def _alone(text: str, start: int, end: int) -> bool:
    """Whether no letter and no digit stands beside a span."""
    return not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())


def _digits(text: str) -> str:
    return "".join(_GROUP.findall(text))


KINDS: Mapping[str, Finder] = {
    "iban": _ibans,
    "card": _cards,
    "email": _emails,
    "ssn": _social_security_numbers,
    "phone": _phones,
    "ip": _addresses,
}
"""The kinds by name, the surest first."""
