"""Policy: deny wins, default is read, and every refusal says who can change that."""

import pytest

from isthmus.model import Effect, Principal
from isthmus.policy import Allow, Ask, Deny, Policy, UpstreamRules
from isthmus.rules import Rule, Verdict
from tests.simulators.upstream import operation

READ = operation("github.issues.get")
WRITE = operation("github.issues.create", Effect.WRITE)
DELETE = operation("github.repos.delete", Effect.DESTRUCTIVE)


def test_reads_go_and_writes_do_not_by_default() -> None:
    policy = Policy()
    assert policy.standing(READ) == Allow()
    assert isinstance(policy.standing(WRITE), Deny)
    assert isinstance(policy.standing(DELETE), Deny)


def test_a_refusal_names_the_setting_that_would_allow_it() -> None:
    decision = Policy().standing(WRITE)
    assert isinstance(decision, Deny)
    assert "only read is allowed" in decision.reason
    assert "add 'write' to upstreams.github.allow" in decision.remedy


def test_allowing_writes_does_not_allow_destruction() -> None:
    policy = Policy(upstreams={"github": UpstreamRules(allow=frozenset({Effect.READ, Effect.WRITE}))})
    assert policy.standing(WRITE) == Allow()
    assert isinstance(policy.standing(DELETE), Deny)


def test_an_upstream_may_narrow_what_is_allowed_everywhere() -> None:
    policy = Policy(allow=frozenset(Effect), upstreams={"github": UpstreamRules(allow=frozenset())})
    decision = policy.standing(READ)
    assert isinstance(decision, Deny)
    assert "only nothing is allowed" in decision.reason


def test_deny_wins_over_allow_and_hides() -> None:
    policy = Policy(allow=frozenset(Effect), deny=("github.repos.*",))
    assert isinstance(policy.standing(DELETE), Deny)
    assert not policy.visible(DELETE)
    assert policy.visible(WRITE)


def test_an_operation_that_has_changed_is_judged_anew_and_each_principal_by_himself() -> None:
    rule = Rule("nobody", Verdict.DENY, principals=("ci-*",))
    policy = Policy(rules=(rule,))
    assert policy.standing(READ) == Allow()
    assert isinstance(policy.standing(READ, Principal("ci-1")), Deny)
    assert isinstance(policy.standing(READ.having(held="has changed")), Deny)
    assert policy.standing(READ) == Allow()


def test_deny_matches_the_upstreams_own_name_too() -> None:
    policy = Policy(allow=frozenset(Effect), deny=("github.issues.create",))
    assert not policy.visible(WRITE)


def test_only_hides_all_else() -> None:
    policy = Policy(upstreams={"github": UpstreamRules(only=("issues.*",))})
    assert policy.visible(READ)
    assert not policy.visible(DELETE)
    decision = policy.standing(DELETE)
    assert isinstance(decision, Deny)
    assert "upstreams.github.only" in decision.remedy


def test_approval_is_asked_even_where_the_effect_is_allowed() -> None:
    policy = Policy(allow=frozenset(Effect), approve=frozenset({Effect.DESTRUCTIVE}))
    assert isinstance(policy.standing(DELETE), Ask)
    assert policy.standing(WRITE) == Allow()


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ({"issues.create": Effect.READ}, Effect.READ),
        ({"issues.*": Effect.READ, "*": Effect.DESTRUCTIVE}, Effect.READ),
        ({"pulls.*": Effect.READ}, Effect.WRITE),
    ],
)
def test_the_operators_word_on_an_effect_counts(globs: dict[str, Effect], expected: Effect) -> None:
    policy = Policy(upstreams={"github": UpstreamRules(effects=globs)})
    assert policy.classify(WRITE).effect is expected
