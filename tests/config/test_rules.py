"""Rules and labels in a configuration: read whole, and refused where they would rule nothing."""

from pathlib import Path

import pytest

from isthmus.compose import policy_of
from isthmus.config.faults import InvalidConfiguration
from isthmus.config.loader import load
from isthmus.model import Call, Effect, Principal
from isthmus.policy import Allow, Ask, Deny
from tests.simulators.upstream import operation

HEAD = """\
upstreams:
  my-shop: {url: "https://shop.example/mcp"}
policy:
"""


def written(folder: Path, policy: str) -> Path:
    path = folder / "isthmus.yaml"
    path.write_text(HEAD + policy)
    return path


def test_rules_are_read_with_their_names_schemas_and_budgets(tmp_path: Path) -> None:
    text = """\
  approve: [destructive, "my-shop.refunds.*"]
  writes: simulate
  flow: {untrusted: ["my-shop.mail.*"], sink: ["my-shop.post"]}
  rules:
    - {name: small, operations: ["my-shop.pay.*"], then: allow, arguments: {amount: {maximum: 100}}, calls: 2}
    - {principals: ["ci-*"], then: deny}
"""
    policy = policy_of(load(written(tmp_path, text), {}).configuration)
    pay = operation("my_shop.pay.send", Effect.WRITE, amount={})
    refund = operation("my_shop.refunds.create", Effect.WRITE)
    assert policy.simulate
    assert policy.decide(Call(pay, {"amount": 100}, Principal())) == Allow()
    assert isinstance(policy.decide(Call(pay, {"amount": 101}, Principal())), Deny)
    assert isinstance(policy.decide(Call(refund, {}, Principal())), Ask)
    denied = policy.decide(Call(pay, {"amount": 1}, Principal("ci-1")))
    assert isinstance(denied, Deny)
    assert "policy.rules[1]" in denied.reason
    assert policy.flow.labels(operation("my_shop.post"))


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        ("  rules: [{then: maybe}]\n", "one of allow, approve, deny is wanted"),
        ("  rules: [{operation: x}]\n", "did you mean 'operations'?"),
        ("  rules: [{operations: [refunds]}]\n", "the rule would match nothing"),
        ("  rules: [{arguments: {amount: {maximum: x}}}]\n", "this is no JSON Schema that can be used"),
        ("  rules: [{arguments: {amount: {$ref: 'https://example.com/x'}}}]\n", "this is no JSON Schema"),
        ("  rules: [{name: a}, {name: a}]\n", "another rule has this name"),
        ("  rules: [{calls: -1}]\n", "at least 0"),
        ("  flow: {sinks: []}\n", "did you mean 'sink'?"),
        ("  flow: {sink: [post]}\n", "the rule would match nothing"),
        ("  writes: never\n", "one of send, simulate is wanted"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_a_fault_with_its_line(tmp_path: Path, policy: str, fault: str) -> None:
    with pytest.raises(InvalidConfiguration) as found:
        load(written(tmp_path, policy), {})
    assert fault in str(found.value)
    assert "isthmus.yaml:" in str(found.value)


def test_a_rule_on_an_upstream_that_is_not_there_is_remarked(tmp_path: Path) -> None:
    warnings = load(written(tmp_path, '  rules: [{operations: ["my_shopp.pay"]}]\n'), {}).warnings
    assert "there is no upstream 'my_shopp'; did you mean my_shop?" in "\n".join(warnings)
