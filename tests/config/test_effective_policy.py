"""What a configuration's rules come to, for operations of each effect."""

import pytest

from isthmus.compose import policy_of
from isthmus.model import Effect, Operation
from isthmus.policy import Allow, Ask
from tests.config.conftest import Load

UPSTREAM = "upstreams: {demo: {url: 'https://e', ONLY}}\n"


def operation(name: str, effect: Effect) -> Operation:
    return Operation(f"demo.{name}", "demo", name.title(), effect, ())


OPERATIONS = [
    operation("list", Effect.READ),
    operation("create", Effect.WRITE),
    operation("delete_all", Effect.DESTRUCTIVE),
]


def verdicts(loaded: Load, rules: str, only: str = "timeout: 9") -> list[str]:
    policy = policy_of(loaded(UPSTREAM.replace("ONLY", only) + f"policy: {rules}").configuration)
    names = {Allow: "allow", Ask: "ask"}
    return [names.get(type(policy.standing(one)), "deny") for one in OPERATIONS]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("{allow: [read]}", ["allow", "deny", "deny"]),
        ("{allow: []}", ["deny", "deny", "deny"]),
        ("{allow: [read, demo.create]}", ["allow", "allow", "deny"]),
        ("{allow: [demo.Create]}", ["deny", "allow", "deny"]),
        ("{allow: ['*']}", ["allow", "allow", "allow"]),
        ("{allow: [demo.delete_all, '*'], deny: ['demo.*']}", ["deny", "deny", "deny"]),
        ("{deny: ['demo.*'], allow: [demo.delete_all, '*']}", ["deny", "deny", "deny"]),
        ("{allow: [read, write, destructive], deny: [demo.delete_all]}", ["allow", "allow", "deny"]),
        ("{allow: ['*'], approve: [destructive]}", ["allow", "allow", "ask"]),
    ],
)
def test_deny_wins_whatever_the_order_and_names_open_single_operations(
    loaded: Load, rules: str, expected: list[str]
) -> None:
    assert verdicts(loaded, rules) == expected


def test_what_is_left_out_is_not_opened_by_its_name(loaded: Load) -> None:
    assert verdicts(loaded, "{allow: [read, demo.create]}", "only: [list]") == ["allow", "deny", "deny"]
