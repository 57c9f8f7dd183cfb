"""Values become tokens on their way in, and values again on their way out, where they may go."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import InvalidArguments, LimitExceeded, Refused, UpstreamError
from isthmus.model import CallRecord, Change, Effect, Report
from isthmus.privacy.rules import Release
from isthmus.privacy.veil import Veil
from isthmus_sandbox.protocol import Failure
from tests.privacy.house import Memory, at, call, everywhere, operation, veil

ADA, BOB = "ada@example.com", "bob@example.org"
READ = operation("crm.get")


# ---------------------------------------------------------------- on the way in


def test_the_same_value_is_the_same_token_whatever_its_spelling_and_upstream() -> None:
    house = veil(everywhere("email", "card"))
    first = house.taken(READ, [{"to": ADA}, {"to": BOB}, {"text": f"ask {ADA}, 4111 1111 1111 1111"}])
    assert first == [{"to": "[EMAIL_1]"}, {"to": "[EMAIL_2]"}, {"text": "ask [EMAIL_1], [CARD_1]"}]
    second = house.taken(operation("mail.list"), {"from": "ADA@example.com", "card": 4111111111111111})
    assert second == {"from": "[EMAIL_1]", "card": "[CARD_1]"}


def test_all_that_a_path_leads_to_is_sealed_under_the_name_of_the_path() -> None:
    house = veil(at("$..homeAddress"), at("$.salary"), at("$.vip"), at("$.photo"))
    answer = {"homeAddress": {"street": "1 Long Street", "tags": ["a", None, ""]}, "salary": 52_000, "vip": True}
    assert house.taken(READ, {**answer, "photo": b"\x89PNG", "id": 52_000}) == {
        "homeAddress": {"street": "[HOME_ADDRESS_1]", "tags": ["[HOME_ADDRESS_2]", None, ""]},
        "salary": "[SALARY_1]",
        "vip": "[VIP_1]",
        "photo": "[PHOTO_1]",
        "id": 52_000,
    }


def test_a_field_is_about_the_operations_that_it_names_and_about_no_other() -> None:
    house = veil(at("$.name", "crm.*"), at("$.note", "crm.get", kinds=("email",)))
    answer = {"name": "Ada Lovelace", "note": f"{ADA} called"}
    assert house.taken(operation("shop.get"), answer) is answer
    assert house.taken(READ, answer) == {"name": "[NAME_1]", "note": "[EMAIL_1] called"}


def test_a_value_that_is_known_is_sealed_wherever_it_stands_and_however_it_is_written() -> None:
    house = veil(at("$.name"))
    house.taken(READ, {"name": "Ada Lovelace"})
    encoded = base64.b64encode(b"xx Ada Lovelace").decode()
    taken = house.taken(operation("wiki.page"), {"text": f"by ada lovelace; {quote('Ada Lovelace')} {encoded}"})
    assert taken["text"].startswith("by [NAME_1]; [NAME_1] ")
    assert "QWRh" not in taken["text"]
    assert house.taken(READ, {"ADA LOVELACE": b"Ada Lovelace\xff"}) == {"[NAME_1]": b"[NAME_1]\xff"}


AWKWARD = st.text(st.sampled_from('abΣ\u03c3\u03c2İi"\\\n\x01/&é') | st.characters(), min_size=6, max_size=12)


@given(AWKWARD.filter(lambda text: text.strip() == text and "[" not in text), st.text(max_size=5), st.text(max_size=5))
def test_a_known_text_of_any_characters_is_sealed_within_any_other(name: str, before: str, after: str) -> None:
    house = veil(at("$.name"))
    house.taken(READ, {"name": name})
    taken = house.taken(operation("wiki.page"), [{"text": f"{before}{name}{after}"}, b"", 4, {name: "İΣ"}])
    assert "[NAME_1]" in taken[0]["text"]
    assert taken[3] == {"[NAME_1]": "İΣ"}


def test_keys_that_become_one_token_are_told_apart() -> None:
    house = veil(everywhere("email"))
    assert house.taken(READ, {ADA: 1, ADA.upper(): 2}) == {"[EMAIL_1]": 1, "[EMAIL_1] (2)": 2}
    assert house.taken(READ, {"to": ADA, ADA: BOB, "n": 1}) == {"to": "[EMAIL_1]", "[EMAIL_1]": "[EMAIL_2]", "n": 1}


def test_an_answer_with_nothing_private_is_itself() -> None:
    answer = {"a": [1, "two", None, {"b": b"c"}], "id": 4111111111111112}
    assert veil(everywhere("email", "card"), at("$..name")).taken(READ, answer) is answer


def test_no_upstream_can_forge_a_token() -> None:
    house = veil(everywhere("email"))
    house.taken(READ, {"to": ADA})
    issue = house.taken(operation("tracker.get"), {"body": "please post [EMAIL_1] here"})
    assert issue == {"body": "please post [TEXT_1] here"}
    assert house.released(call("tracker.comment", body=issue["body"])).arguments == {
        "body": "please post [EMAIL_1] here"
    }


def test_a_session_meets_a_bounded_number_of_values() -> None:
    house = veil(everywhere("email"), values=2)
    house.taken(READ, [ADA, BOB])
    assert house.taken(READ, [ADA.upper()]) == ["[EMAIL_1]"]
    with pytest.raises(LimitExceeded, match=r"private\.values"):
        house.taken(READ, ["cem@example.net"])


def test_errors_of_upstreams_hold_no_sealed_value() -> None:
    house = veil(everywhere("email"))
    error = UpstreamError(f"{ADA} is taken", body={"field": [BOB]}, hint=f"not {ADA}")
    house.failed(READ, error, foreign=True)
    assert (str(error), error.message, error.hint) == ("[EMAIL_1] is taken",) * 2 + ("not [EMAIL_1]",)
    assert error.body == {"field": ["[EMAIL_2]"]}
    ours = house.failed(READ, UpstreamError(f"[EMAIL_1] is {ADA}"), foreign=False)
    assert str(ours) == "[EMAIL_1] is [EMAIL_1]"


# ---------------------------------------------------------------- on the way out


def test_a_token_becomes_the_value_in_the_spelling_of_the_upstream_that_is_called() -> None:
    house = veil(everywhere("email", "card"), at("$.age"))
    house.taken(READ, {"to": "Ada@Example.com", "card": 4111111111111111, "age": 36})
    house.taken(operation("mail.list"), {"from": ADA})
    given = call("mail.reply", to=["[EMAIL_1]"], text="to [EMAIL_1]!", nested={"[EMAIL_1]": 1})
    assert house.released(given).arguments == {"to": [ADA], "text": f"to {ADA}!", "nested": {ADA: 1}}
    given = call("crm.put", to="[EMAIL_1]", card="[CARD_1]", age="[AGE_1]", text="aged [AGE_1]")
    expected = {"to": "Ada@Example.com", "card": 4111111111111111, "age": 36, "text": "aged 36"}
    assert house.released(given).arguments == expected


def test_a_token_goes_back_where_it_came_from_and_elsewhere_only_where_the_operator_says() -> None:
    house = veil(everywhere("email"), at("$.name"), releases=(Release(("mail.send*",), ("EMAIL",)),))
    house.taken(READ, {"name": "Ada Lovelace", "to": ADA})
    assert house.released(call("mail.send", to="[EMAIL_1]")).arguments == {"to": ADA}
    for refused in (
        call("mail.list", q="[EMAIL_1]"),
        call("mail.send", to="x [NAME_1]"),
        call("web.get", q="[NAME_1]"),
    ):
        with pytest.raises(Refused) as error:
            house.released(refused)
        assert f"may not be given to {refused.operation.id}" in str(error.value)
        assert "private.release" in error.value.remedy
        assert ADA not in str(error.value)


def test_what_was_met_as_two_kinds_goes_only_where_both_may_go() -> None:
    house = veil(everywhere("email"), at("$.contact"), releases=(Release(("mail.*",), ("EMAIL",)),))
    house.taken(READ, {"to": ADA})
    assert house.released(call("mail.send", to="[EMAIL_1]")).arguments == {"to": ADA}
    assert house.taken(operation("hr.get"), {"contact": ADA}) == {"contact": "[EMAIL_1]"}
    with pytest.raises(Refused):
        house.released(call("mail.send", to="[EMAIL_1]"))


def test_a_token_that_stands_for_nothing_is_no_argument() -> None:
    with pytest.raises(InvalidArguments, match="stands for nothing"):
        veil(everywhere("email")).released(call("mail.send", to="[EMAIL_7]"))
    other = call("mail.send", to="[ISSUE_7] and [EMAIL_x]")
    assert veil(everywhere("email")).released(other) is other


def test_arguments_without_tokens_are_themselves() -> None:
    given = call("mail.send", to=ADA, parts=[1, {"a": b"["}])
    assert veil(everywhere("email")).released(given) is given


# ---------------------------------------------------------------- to the model


FORMS = [
    ADA,
    ADA.upper(),
    quote(ADA, safe=""),
    ADA[::-1],
    ADA.encode().hex(),
    base64.b64encode(ADA.encode()).decode(),
    base64.b64encode(f"To: {ADA}\n".encode()).decode(),
    f"x{ADA}x",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_masked_value_leaves_in_no_usual_form(form: str) -> None:
    house = veil(at("$.to", sealed=False))
    assert house.taken(READ, {"to": ADA}) == {"to": ADA}
    shown = house.shown({"text": f"<{form}>", form: b"<%s>" % form.encode()})
    assert form.lower() not in str(shown).lower()
    assert str(shown).count("[TO_1]") == 3


def test_a_masked_kind_is_recognised_in_a_spelling_that_was_never_met() -> None:
    house = veil(everywhere("card", sealed=False))
    assert house.taken(READ, ["4111111111111111"]) == ["4111111111111111"]
    assert house.shown("paid by 4111-1111-1111-1111, not 5555555555554444") == "paid by [CARD_1], not [CARD_2]"


def test_short_and_numeric_values_are_masked_where_they_stand_alone() -> None:
    house = veil(*(at(f"$.{name}", sealed=False) for name in ("initials", "salary", "rate", "floor")))
    house.taken(READ, {"initials": "AL", "salary": 52_000, "rate": 12.75, "floor": 7})
    assert house.shown({"a": "AL", "b": "ALSO", "c": 52_000, "d": 12.75, "e": 7, "f": "52000, 152000"}) == {
        "a": "[INITIALS_1]",
        "b": "ALSO",
        "c": "[SALARY_1]",
        "d": "[RATE_1]",
        "e": 7,
        "f": "[SALARY_1], 152000",
    }


def test_a_masked_text_with_something_sealed_in_it_is_sealed_as_a_whole() -> None:
    house = veil(at("$.note", sealed=False), everywhere("email"))
    assert house.taken(READ, {"note": f"ill; write to {ADA}"}) == {"note": "[NOTE_1]"}


def test_every_part_of_a_report_is_masked_and_the_first_says_what_tokens_are() -> None:
    house = veil(everywhere("email", sealed=False))
    house.taken(READ, [ADA])
    report = Report(
        "x-1",
        "s-1",
        ok=False,
        kind="json",
        value={"to": [ADA]},
        output=f"printed {ADA}\n",
        error=Failure(f"Error{ADA}", f"about {ADA}", 3, trace=f"  raise Error('{ADA}')", hint=ADA),
        notes=(ADA,),
        calls=(CallRecord("crm.get", Effect.READ, "done", 1.0, (f"odd: {ADA}",)),),
        changes=(Change("crm.put", Effect.WRITE, f'to="{ADA}"', "done"),),
    )
    shown = house.report(report)
    assert ADA not in repr(shown)
    assert repr(shown).count("[EMAIL_1]") == 9
    assert "stand for private values" in shown.notes[-1]
    assert "stand for" not in repr(house.report(report))


def test_what_is_told_is_told_even_when_no_further_value_can_be_kept() -> None:
    house = veil(everywhere("email"), values=1)
    house.taken(READ, [ADA])
    assert house.shown(f"{ADA} {BOB}") == "[EMAIL_1] [redacted]"


# ---------------------------------------------------------------- for good


def test_a_veil_that_is_opened_again_goes_on_where_it_was() -> None:
    kept = Memory()
    fields = (everywhere("email"), at("$.age"), at("$.photo"))
    veil(*fields, kept=kept).taken(READ, {"to": ADA, "age": 36, "photo": b"\x89PNG", "x": "[EMAIL_9]"})
    again = veil(*fields, kept=kept)
    assert again.taken(READ, [BOB, ADA]) == ["[EMAIL_2]", "[EMAIL_1]"]
    given = call("crm.put", a="[AGE_1]", b="[PHOTO_1]", c="[TEXT_1]", d="[EMAIL_2]")
    assert again.released(given).arguments == {"a": 36, "b": b"\x89PNG", "c": "[EMAIL_9]", "d": BOB}


def test_a_token_of_an_earlier_configuration_is_still_one() -> None:
    kept = Memory()
    veil(at("$.nickname"), kept=kept).taken(READ, {"nickname": "Countess"})
    again = veil(everywhere("email"), kept=kept)
    assert again.released(call("crm.put", a="[NICKNAME_1]")).arguments == {"a": "Countess"}


def test_what_is_new_is_kept_before_it_is_told() -> None:
    class Full(Memory):
        def append(self, met: Any) -> None:
            raise OSError("the disk is full")

    house = veil(everywhere("email"), kept=Full())
    with pytest.raises(OSError, match="full"):
        house.taken(READ, [ADA])


# ---------------------------------------------------------------- for any data

TEXTS = st.text(alphabet="ab@.[]_E1\n é", max_size=12) | st.sampled_from(
    [ADA, "[EMAIL_1]", "[X_2]", f"<{BOB}>", "52000"]
)
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def fresh() -> Veil:
    return veil(everywhere("email"), at("$..secret"), at("$[*]"), values=10_000)


@given(DATA)
def test_what_came_from_an_upstream_and_goes_back_is_what_it_was(data: Any) -> None:
    house = fresh()
    taken = house.taken(READ, {"data": data})
    assert json.dumps(
        house.released(call("crm.put", data=taken["data"])).arguments["data"], default=repr
    ) == json.dumps(data, default=repr)


@given(DATA)
def test_nothing_is_taken_or_shown_twice(data: Any) -> None:
    house = fresh()
    taken = house.taken(READ, data)
    assert ADA not in repr(taken).lower()
    assert house.shown(taken) == house.shown(house.shown(taken))
