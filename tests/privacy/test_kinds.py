"""What is of a kind is found by its form, and by its check digits where it has them."""

import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.privacy.kinds import KINDS, find, luhn, may_hold, mod97, same


def found(text: str, *kinds: str) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in find(text, kinds or tuple(KINDS))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to Ada.Lovelace+x@mail.example.co.uk.", [("email", "Ada.Lovelace+x@mail.example.co.uk")]),
        ("<mailto:jörg@bücher.example>", [("email", "jörg@bücher.example")]),
        ("a@b, @name, x@localhost, 3@4.5", []),
        ("call +44 20 7946 0958 now", [("phone", "+44 20 7946 0958")]),
        ("(212) 555-0123 or 212-555-0123", [("phone", "(212) 555-0123"), ("phone", "212-555-0123")]),
        ("+12 is no number, nor is 2024-01-15 10:30:00", []),
        ("card 4111 1111 1111 1111, exp 12/30", [("card", "4111 1111 1111 1111")]),
        ("378282246310005|5555-5555-5555-4444", [("card", "378282246310005"), ("card", "5555-5555-5555-4444")]),
        ("7 4111 1111 1111 1111 9", [("card", "4111 1111 1111 1111")]),
        ("4111111111111112 and 9111111111111111 and x4111111111111111", []),
        ("DE89 3704 0044 0532 0130 00 and GB29NWBK60161331926819", [
            ("iban", "DE89 3704 0044 0532 0130 00"),
            ("iban", "GB29NWBK60161331926819"),
        ]),
        ("DE89 3704 0044 0532 0130 01, XX89 3704 0044 0532 0130 00, DE89 3704", []),
        ("078-05-1120 but not 000-12-3456, 666-12-3456 or 1078-05-1120", [("ssn", "078-05-1120")]),
        ("from 192.0.2.7:443, 2001:db8::17 and ::1.", [("ip", "192.0.2.7"), ("ip", "2001:db8::17"), ("ip", "::1")]),
        ("300.1.1.1, 12:30:45, a::b::c", []),
    ],
)  # fmt: skip
def test_values_of_a_kind_are_found_and_nothing_else_is(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_spellings_of_one_value_are_the_same() -> None:
    assert same("Ada@Example.COM") == same(" ada@example.com ")
    assert same("4111-1111 1111-1111") == same("4111111111111111")
    assert same("de89 3704 0044 0532 0130 00") == same("DE89370400440532013000")
    assert same("(212) 555-0123") == same("+1 212 555 0123") == same("1-212-555-0123")
    assert same("2001:DB8:0::17") == same("2001:db8::17")
    assert same("Ada Lovelace") == "Ada Lovelace"


def test_check_digits_catch_each_single_wrong_digit() -> None:
    card, account = "4539578763621486", "GB29NWBK60161331926819"
    assert luhn(card)
    assert mod97(account)
    for at in range(len(card)):
        assert not luhn(card[:at] + str((int(card[at]) + 1) % 10) + card[at + 1 :])
    for at in range(8, len(account)):
        assert not mod97(account[:at] + str((int(account[at]) + 1) % 10) + account[at + 1 :])


@given(st.text(alphabet="aB1 4.-@+:(é\n", max_size=200))
def test_what_is_found_lies_in_the_text_in_order_and_apart(text: str) -> None:
    end = 0
    for each in find(text, KINDS):
        assert end <= each.start < each.end <= len(text)
        end = each.end
        assert same(text[each.start : each.end]) == each.same


@pytest.mark.parametrize("unit", ["a", "a@", "1", "1 ", "+1", "a.", "DE89 ", "4111 ", "1.", ":", "a:", "(212) ", "@a."])
def test_a_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.process_time()
        find(text, KINDS)
        return time.process_time() - started

    assert min(seconds(160_000) for _ in range(2)) < 40 * max(seconds(16_000), 0.01)


@given(
    st.datetimes(timezones=st.none() | st.timezones()).map(lambda time: time.replace(fold=0)),
    st.sampled_from(["T", " "]),
    st.sampled_from(["", "Z"]),
)
def test_a_time_is_of_no_kind_and_is_not_searched(time: datetime, between: str, zone: str) -> None:
    text = time.replace(tzinfo=None).isoformat(between) + zone if zone else time.isoformat(between)
    if len(text) <= len("2026-01-01T00:00:00.000000+00:00"):  # offsets of seconds are of no calendar in use
        assert not may_hold(text)
    assert not [each for finder in KINDS.values() for each in finder(text)]


def test_what_only_begins_like_a_time_is_searched() -> None:
    assert found("2026-03-04T10:11:12.4111111111111111", "card") == [("card", "4111111111111111")]
    assert found("2026-03-04 ada@example.com", "email") == [("email", "ada@example.com")]
