"""What doctor makes of what it finds."""

import json
from dataclasses import replace

import yaml

from isthmus.cli.diagnosis import (
    Diagnosis,
    OperationFinding,
    SandboxFinding,
    as_data,
    idle_rules,
    operation_finding,
    told,
    upstream_finding,
)
from isthmus.compose import policy_of
from isthmus.config.model import Configuration, UpstreamConfig
from isthmus.model import Effect, Operation, UpstreamSnapshot, UpstreamState
from isthmus.policy import Policy, UpstreamRules


def operation(name: str, effect: Effect) -> Operation:
    return Operation(f"demo.{name}", "demo", name, effect, ())


OPERATIONS = (
    operation("list", Effect.READ),
    operation("get", Effect.READ),
    operation("create", Effect.WRITE),
    operation("delete_all", Effect.DESTRUCTIVE),
)
READY = UpstreamSnapshot("demo", UpstreamState.READY, OPERATIONS, warnings=tuple(f"w{n}" for n in range(7)))
POLICY = Policy(frozenset({Effect.READ}), frozenset({Effect.WRITE}), ("demo.delete*",))


def test_operations_are_counted_by_effect_and_by_verdict() -> None:
    found = upstream_finding(READY, "OpenAPI", 1.25, POLICY)
    assert found.operations == {"read": 2, "write": 1, "destructive": 1}
    assert found.verdicts == {"allowed": 2, "asked": 1, "hidden": 1}
    assert (found.state, found.seconds) == ("ready", 1.25)


def test_the_effect_that_the_operator_gave_counts() -> None:
    policy = Policy(upstreams={"demo": UpstreamRules(effects={"list": Effect.WRITE})})
    assert upstream_finding(READY, "OpenAPI", 1.0, policy).operations == {"read": 1, "write": 2, "destructive": 1}
    assert operation_finding(policy, OPERATIONS[0]).verdict == "refused"


def test_a_verdict_has_its_reason() -> None:
    assert operation_finding(POLICY, OPERATIONS[0]) == OperationFinding("demo.list", "read", "allowed")
    assert "the rule 'demo.delete*'" in operation_finding(POLICY, OPERATIONS[3]).reason
    assert "needs the user's approval" in operation_finding(POLICY, OPERATIONS[2]).reason


def test_what_only_the_upstream_says_of_its_reads_is_told_with_the_lines_to_add() -> None:
    claims = tuple(replace(operation(name, Effect.WRITE), claim=Effect.READ) for name in ("find", "get.one"))
    snapshot = replace(READY, operations=(*claims, operation("create", Effect.WRITE)), warnings=())
    found = upstream_finding(snapshot, "MCP over stdio", 1.0, Policy())
    assert found.doubted == ("find", "get.one")
    text = "\n".join(told(Diagnosis("isthmus.yaml", {}, upstreams=(found,)), verdicts=False))
    assert "  2 of them only read by their server's word, which counts once you say so;" in text
    as_json = "\n".join(told(Diagnosis("isthmus.json", {}, upstreams=(found,)), verdicts=False))
    assert '      "believe": true\n      "effects": {"find": "read", "get.one": "read"}' in as_json
    for added in ("believe: true", "effects: {find: read, get.one: read}"):
        assert f"    {added}" in text
        config = UpstreamConfig.model_validate({"command": ["x"], **yaml.safe_load(added)})
        policy = policy_of(Configuration(upstreams={"demo": config}))
        believed = upstream_finding(snapshot, "MCP over stdio", 1.0, policy)
        assert (believed.operations, believed.doubted) == ({"read": 2, "write": 1}, ())


def test_what_would_not_be_allowed_though_it_were_believed_is_not_told() -> None:
    claimed = replace(operation("find", Effect.WRITE), claim=Effect.READ)
    snapshot = replace(READY, operations=(claimed,))
    for policy in (Policy(deny=("demo.*",)), Policy(allow=frozenset({Effect.WRITE})), Policy(allow=frozenset())):
        assert upstream_finding(snapshot, "MCP over stdio", 1.0, policy).doubted == ()


def test_an_upstream_that_is_still_connecting_has_no_time() -> None:
    connecting = UpstreamSnapshot("demo", UpstreamState.CONNECTING)
    assert upstream_finding(connecting, "OpenAPI", 30.0, POLICY).seconds is None


def test_what_an_upstream_said_of_its_end_is_told_with_the_problem() -> None:
    failed = UpstreamSnapshot("demo", UpstreamState.FAILED, problem="it ended", detail="it last wrote: no")
    assert upstream_finding(failed, "OpenAPI", 1.0, POLICY).problem == "it ended; it last wrote: no"


def configured(**policy: list[str]) -> Configuration:
    return Configuration.model_validate(
        {
            "upstreams": {"demo": {"url": "https://e", "only": ["list", "lst"], "effects": {"gte": "read"}}},
            "policy": policy,
        }
    )


def test_rules_that_match_nothing_are_told_with_what_is_near() -> None:
    configuration = configured(deny=["demo.delete_al", "demo.*"], allow_operations=["*.create", "nosuch.tool"])
    assert list(idle_rules(configuration, [READY])) == [
        "policy.deny: 'demo.delete_al' matches no operation; did you mean 'demo.delete_all'?",
        "policy.allow_operations: 'nosuch.tool' matches no operation",
        "upstreams.demo.only: 'lst' matches no operation; did you mean 'list'?",
        "upstreams.demo.effects: 'gte' matches no operation; did you mean 'get'?",
    ]


def test_rules_for_upstreams_that_are_not_there_now_are_not_judged() -> None:
    failed = UpstreamSnapshot("demo", UpstreamState.FAILED)
    assert list(idle_rules(configured(deny=["demo.x", "*.x"]), [failed])) == []


FOUND = Diagnosis(
    "/etc/isthmus.yaml",
    {"isthmus": "0.1.0", "Python": "3.11.7"},
    {"allow": ["read"], "approve": [], "deny": ["demo.delete*"]},
    (upstream_finding(READY, "OpenAPI", 1.25, POLICY),),
    tuple(operation_finding(POLICY, one) for one in OPERATIONS),
    SandboxFinding(True, 12.3, layers={"seccomp": "active", "landlock": "not in this kernel"}),
    remarks=("policy.deny: 'x' matches no operation",),
)


def test_it_is_told_in_lines() -> None:
    assert list(told(FOUND, verdicts=False)) == [
        "configuration  /etc/isthmus.yaml",
        "  allow      read",
        "  deny       demo.delete*",
        "upstreams",
        "  demo             ready in 1.2 s  (OpenAPI)",
        "    4 operations: 2 read, 1 write, 1 destructive; 2 allowed, 1 asked, 1 hidden",
        "    warning: w0",
        "    warning: w1",
        "    warning: w2",
        "    warning: w3",
        "    warning: w4",
        "    and 2 more warnings: see --json",
        "sandbox        works, the first 1 + 1 took 12 ms",
        "  seccomp   active",
        "  landlock  not in this kernel",
        "versions       isthmus 0.1.0, Python 3.11.7",
        "remark         policy.deny: 'x' matches no operation",
        "all is well",
    ]


def test_verdicts_are_told_when_asked_for() -> None:
    lines = list(told(FOUND, verdicts=True))
    assert "  allowed  read         demo.list" in lines
    assert any(line.startswith("  hidden   destructive  demo.delete_all   ") for line in lines)


def test_as_data_it_is_plain() -> None:
    data = json.loads(json.dumps(as_data(FOUND)))
    assert data["upstreams"][0]["verdicts"] == {"allowed": 2, "asked": 1, "hidden": 1}
    assert len(data["upstreams"][0]["warnings"]) == 7
