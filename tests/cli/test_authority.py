"""`isthmus policy explain` and `isthmus approve`, as commands."""

import time
from pathlib import Path

import pytest

from isthmus.cli import main
from isthmus.model import Effect, Question, Reply
from isthmus.stores.approvals import ApprovalFile
from isthmus.stores.data import prepared

DOCUMENT = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /refunds:
    post:
      operationId: refunds.create
      requestBody:
        content: {application/json: {schema: {type: object, properties: {amount: {type: integer}}, required: [amount]}}}
      responses: {"200": {description: done}}
"""
CONFIGURATION = """\
upstreams:
  shop: {openapi: shop.yaml, base_url: "https://shop.example"}
policy:
  rules:
    - {name: small, operations: ["shop.refunds.*"], then: allow, arguments: {amount: {maximum: 100}}, calls: 5}
data: ./data
"""
ASKED = Question("q-abc", "x-1", "s-1", "local", "shop.pay", "shop", Effect.WRITE, {"amount": 5, "to": "bob"}, "why")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.yaml").write_text(DOCUMENT)
    (tmp_path / "isthmus.yaml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_call_that_fits_is_allowed_and_one_that_does_not_is_refused_with_the_rule(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "explain", "shop.refunds.create", "amount=50"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("shop.refunds.create: allowed\n")
    assert "rule 'small' says allow; 5 calls for each execution: fits" in said
    assert main(["policy", "explain", "shop.refunds.create", '{"amount": 250}']) == 1
    said = capsys.readouterr().out
    assert "refused by the rule 'small': amount: 250 is more than 100" in said
    assert "remedy: stay within the rule" in said


def test_without_arguments_it_tells_how_the_operation_stands(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "explain", "shop.refunds.create"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("shop.refunds.create: allowed, with arguments that fit\n")
    assert "rule 'small' says allow where amount fit; 5 calls for each execution" in said


def test_a_call_that_is_none_is_told_as_that(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "isthmus.yaml").write_text(
        CONFIGURATION.replace("then: allow, arguments: {amount: {maximum: 100}}", "then: allow")
    )
    assert main(["policy", "explain", "shop.refunds.create", "amont=5"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("shop.refunds.create: not made: its arguments do not fit\n")
    assert "did you mean amount?" in said


def test_what_is_held_back_is_told_as_refused(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock"]) == 0
    (house / "shop.yaml").write_text(DOCUMENT.replace("amount: {type: integer}", "amount: {type: boolean}"))
    assert main(["policy", "explain", "shop.refunds.create", "amount=5"]) == 1
    assert "refused outright: shop.refunds.create is held back" in capsys.readouterr().out


def test_what_is_only_simulated_is_told_so(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "isthmus.yaml").write_text(
        CONFIGURATION.split("policy:")[0] + "policy: {writes: simulate}\ndata: ./data\n"
    )
    assert main(["policy", "explain", "shop.refunds.create", "amount=5"]) == 0
    assert "simulated (policy.writes); sent, it would be refused: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shop.refunds.creat"], "did you mean shop.refunds.create?"),
        (["shopp.refunds.create"], "there is no upstream 'shopp'"),
        (["shop.refunds.create", "amount"], "is no argument"),
        (["shop.refunds.create", "{amount"], "are no JSON"),
    ],
)
def test_what_cannot_be_explained_is_a_clear_error(
    house: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["policy", "explain", *words]) == 2
    assert said in capsys.readouterr().err


def test_questions_are_listed_answered_and_remembered(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ApprovalFile(prepared(house / "data") / "approvals.db", time.time)
    assert main(["approve"]) == 0
    assert capsys.readouterr().out == "nothing waits for approval\n"
    store.opened(ASKED)
    assert main(["approve"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("q-abc  since ")
    assert "operation: shop.pay (write)" in shown
    assert "amount = 5" in shown
    assert main(["approve", "q-abc", "--remember", "too"]) == 2
    assert "the call has no argument 'too'" in capsys.readouterr().err
    assert main(["approve", "q-abc", "--remember", "to"]) == 0
    assert store.reply("q-abc") == Reply(approved=True, keep=("to",))
    assert main(["approve", "q-abc"]) == 2
    assert "nothing waits for 'q-abc'" in capsys.readouterr().err
    store.close()


def test_what_was_approved_for_good_is_listed_and_forgotten(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ApprovalFile(prepared(house / "data") / "approvals.db", time.time)
    store.keep("local", "shop.pay", {"to": "bob"})
    store.close()
    assert main(["approve", "--kept"]) == 0
    assert capsys.readouterr().out == '   1  local  shop.pay(to="bob", ...)\n'
    assert main(["approve", "--forget", "1"]) == 0
    assert main(["approve", "--forget", "1"]) == 2
