"""Rules by operation, effect, principal and arguments, with budgets; and where data may go."""

from dataclasses import replace
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import Call, Effect, Operation, Principal
from isthmus.policy import Allow, Ask, Decision, Deny, Policy, UpstreamRules
from isthmus.rules import Flow, Rule, Tally, Verdict
from isthmus.validation import argument_check
from tests.simulators.upstream import operation

REFUND = operation("shop.refunds.create", Effect.WRITE, amount={}, repo={})
LIST = operation("shop.refunds.list")
MAIL = operation("mail.messages.list")
CRM = operation("crm.people.get")
POST = operation("web.post", Effect.WRITE, text={})


def rule(name: str, verdict: Verdict = Verdict.BOUND, **more: Any) -> Rule:
    strictly = verdict in (Verdict.ALLOW, Verdict.BOUND)
    arguments = {key: argument_check(each, strictly=strictly) for key, each in more.pop("arguments", {}).items()}
    return Rule(name, verdict, arguments=arguments, **more)


def refund(amount: Any, who: str = "local") -> Call:
    return Call(REFUND, {"amount": amount}, Principal(who))


def reason(decision: Decision) -> str:
    assert isinstance(decision, Deny)
    return f"{decision.reason} | {decision.remedy}"


SMALL = rule("small", Verdict.ALLOW, operations=("shop.refunds.*",), arguments={"amount": {"maximum": 100}})


def test_a_write_is_allowed_up_to_the_amount_that_the_rule_names() -> None:
    policy = Policy(rules=(SMALL,))
    assert policy.decide(refund(100)) == Allow()
    said = reason(policy.decide(refund(101)))
    assert "'small'" in said
    assert "amount: 101 is more than 100" in said
    assert "policy.rules in isthmus.yaml" in said


def test_a_bound_holds_even_where_the_effect_is_allowed() -> None:
    policy = Policy(allow=frozenset(Effect), rules=(SMALL,))
    assert isinstance(policy.decide(refund(101)), Deny)
    assert policy.decide(Call(POST, {}, Principal())) == Allow()


@pytest.mark.parametrize("value", ["1000", "100", True, None, [1000], {"amount": 1}])
def test_a_bound_on_numbers_lets_no_other_type_pass(value: object) -> None:
    assert isinstance(Policy(rules=(SMALL,)).decide(refund(value)), Deny)


def test_an_argument_that_a_rule_names_has_to_be_given() -> None:
    said = reason(Policy(rules=(SMALL,)).decide(Call(REFUND, {}, Principal())))
    assert "amount has to be given" in said


def test_what_one_rule_leaves_another_may_ask_about() -> None:
    policy = Policy(rules=(SMALL, rule("large", Verdict.APPROVE, operations=("shop.refunds.*",))))
    assert isinstance(policy.decide(refund(500)), Ask)
    assert isinstance(policy.decide(refund(5)), Ask), "approve wins over allow"
    over = rule("large", Verdict.APPROVE, operations=("shop.*",), arguments={"amount": {"exclusiveMinimum": 100}})
    assert Policy(rules=(SMALL, over)).decide(refund(5)) == Allow()
    assert isinstance(Policy(rules=(SMALL, over)).decide(refund(500)), Ask)


def test_deny_wins_over_approve_and_allow_and_gives_its_reason() -> None:
    never = rule("never", Verdict.DENY, operations=("shop.*",), effects=frozenset({Effect.WRITE}), reason="closed")
    said = reason(Policy(rules=(SMALL, never)).decide(refund(5)))
    assert "by the rule 'never': closed" in said
    assert Policy(rules=(never,)).decide(Call(LIST, {}, Principal())) == Allow()


def test_a_rule_that_denies_some_arguments_denies_no_others() -> None:
    policy = Policy(rules=(rule("prod", Verdict.DENY, arguments={"repo": {"enum": ["production"]}}),))
    assert isinstance(policy.decide(Call(LIST, {"repo": "production"}, Principal())), Deny)
    assert policy.decide(Call(LIST, {"repo": "test"}, Principal())) == Allow()


def test_a_rule_without_a_verdict_bounds_reads_and_allows_nothing() -> None:
    bound = rule("ours", operations=("shop.*",), arguments={"repo": {"enum": ["a", "b"]}})
    policy = Policy(rules=(bound,))
    assert policy.decide(Call(LIST, {"repo": "a"}, Principal())) == Allow()
    assert isinstance(policy.decide(Call(LIST, {"repo": "c"}, Principal())), Deny)
    assert isinstance(policy.decide(Call(REFUND, {"repo": "a"}, Principal())), Deny)


def test_rules_are_for_the_principals_that_they_name() -> None:
    policy = Policy(rules=(rule("crew", Verdict.ALLOW, principals=("ci-*",)),))
    assert policy.decide(refund(5, "ci-7")) == Allow()
    assert isinstance(policy.decide(refund(5, "alice")), Deny)


def test_a_budget_is_used_up_by_the_calls_that_fit() -> None:
    policy = Policy(rules=(rule("few", Verdict.ALLOW, operations=("shop.refunds.create",), calls=2),))
    tally = Tally()
    for _ in range(2):
        assert policy.decide(refund(1), tally) == Allow()
        policy.counts(refund(1), tally)
    said = reason(policy.decide(refund(1), tally))
    assert "2 calls for one execution are used up" in said
    assert "another execution" in said
    assert policy.decide(Call(LIST, {}, Principal()), tally) == Allow()


def test_no_rule_allows_what_is_denied_outright() -> None:
    everything = rule("all", Verdict.ALLOW)
    assert isinstance(Policy(rules=(everything,), deny=("shop.*",)).decide(refund(1)), Deny)
    assert Policy(rules=(everything,)).decide(refund(1)) == Allow()


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8), st.lists, max_leaves=4)
)
def test_only_numbers_up_to_the_bound_are_ever_allowed(value: object) -> None:
    allowed = Policy(rules=(SMALL,)).decide(refund(value)) == Allow()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    assert allowed == (is_number and isfinite(value) and value <= 100)  # type: ignore[arg-type,operator]


FLOW = Policy(
    allow=frozenset(Effect), flow=Flow(untrusted=("mail.*",), private=("crm.*",), sink=("web.post", "mail.send"))
)
SEND = Call(POST, {"text": "hello"}, Principal())


@pytest.mark.parametrize(
    ("read", "asked"), [((MAIL,), False), ((CRM,), False), ((CRM, MAIL), True), ((MAIL, CRM), True)]
)
def test_a_sink_is_asked_about_after_private_and_untrusted_data_were_both_read(read: Any, asked: bool) -> None:
    tally = Tally()
    for each in read:
        FLOW.learned(Call(each, {}, Principal()), tally)
    decision = FLOW.decide(SEND, tally)
    assert isinstance(decision, Ask) == asked
    if isinstance(decision, Ask):
        assert not decision.keeps, "what a person said before was not of this flow"


def test_what_is_no_sink_goes_on_after_such_reads() -> None:
    tally = Tally()
    for each in (CRM, MAIL):
        FLOW.learned(Call(each, {}, Principal()), tally)
    assert FLOW.decide(Call(LIST, {}, Principal()), tally) == Allow()


def told(policy: Policy, asked: Operation, arguments: dict[str, Any] | None = None) -> str:
    return "\n".join(policy.explain(asked, Principal(), arguments))


def test_an_explanation_tells_each_rule_and_what_decided() -> None:
    policy = Policy(rules=(SMALL, rule("few", operations=("shop.*",), calls=3)))
    lines = told(policy, REFUND, {"amount": 500})
    assert "effect: write" in lines
    assert "rule 'small' says allow: does not fit, amount: 500 is more than 100" in lines
    assert "rule 'few' only bounds; 3 calls for each execution: fits" in lines
    assert "its effect decides" not in lines
    whatever = told(policy, REFUND)
    assert "rule 'small' says allow where amount fit" in whatever
    assert "its effect decides: only read is allowed" in whatever, "of calls that no rule judges"


@pytest.mark.parametrize(
    ("policy", "asked", "line"),
    [
        (Policy(), LIST, "its effect decides: read is allowed for shop"),
        (Policy(), REFUND, "its effect decides: only read is allowed for shop"),
        (Policy(approve=frozenset({Effect.WRITE})), REFUND, "policy.approve has 'write': asked"),
        (Policy(approve_operations=("*.create",)), REFUND, "policy.approve names it, by '*.create': asked"),
        (Policy(allow_operations=("shop.*",)), REFUND, "policy.allow names it, by 'shop.*': allowed"),
        (Policy(deny=("shop.*",)), REFUND, "refused outright: shop.refunds.create is denied by the rule 'shop.*'"),
        (Policy(), replace(REFUND, held="changed"), "refused outright: shop.refunds.create is held back: it changed"),
        (
            Policy(upstreams={"shop": UpstreamRules(only=("x",))}),
            REFUND,
            "refused outright: shop.refunds.create is not among the operations that are open here",
        ),
        (FLOW, POST, "policy.flow: asked, too, once its session has read what is untrusted and what is private"),
    ],
)
def test_an_explanation_names_what_decides(policy: Policy, asked: Operation, line: str) -> None:
    assert line in policy.explain(asked, Principal(), {})


def test_who_is_refused_whatever_he_gives_is_not_told_to_stay_within_the_rule() -> None:
    never = Policy(rules=(rule("never", Verdict.DENY, operations=("shop.*",)),))
    assert "stay within" not in reason(never.decide(refund(1)))


CLAIMED = replace(LIST, effect=Effect.WRITE, claim=Effect.READ)
"""A tool of a server that says that it only reads."""


def test_an_upstreams_word_that_it_only_reads_counts_only_where_the_operator_believes_it() -> None:
    call = Call(CLAIMED, {}, Principal())
    refused = Policy().decide(call)
    assert isinstance(refused, Deny)
    assert "is a write operation, and only read is allowed (its upstream calls it a read, and is not" in refused.reason
    assert "write effects: {refunds.list: read} under upstreams.shop, or believe: true" in refused.remedy
    believing = Policy(upstreams={"shop": UpstreamRules(believes=True)})
    assert believing.classify(CLAIMED) == LIST
    assert believing.decide(replace(call, operation=believing.classify(CLAIMED))) == Allow()


def test_the_operators_word_goes_before_the_upstreams_whether_it_is_believed_or_not() -> None:
    for believes in (True, False):
        named = Policy(upstreams={"shop": UpstreamRules(believes=believes, effects={"refunds.list": Effect.READ})})
        assert named.classify(CLAIMED) == LIST
        graver = Policy(upstreams={"shop": UpstreamRules(believes=believes, effects={"*": Effect.DESTRUCTIVE})})
        assert graver.classify(CLAIMED).effect is Effect.DESTRUCTIVE
        assert graver.classify(CLAIMED).claim is None


def test_a_person_who_is_asked_about_such_a_call_is_told_what_it_calls_itself() -> None:
    asked = Policy(approve=frozenset({Effect.WRITE})).decide(Call(CLAIMED, {}, Principal()))
    assert isinstance(asked, Ask)
    assert "calls it a read, and is not believed" in asked.question


def test_believing_does_not_touch_what_is_known_without_its_word() -> None:
    for policy in (Policy(), Policy(upstreams={"shop": UpstreamRules(believes=True)})):
        assert policy.classify(LIST) == LIST
        assert policy.classify(REFUND) == REFUND
