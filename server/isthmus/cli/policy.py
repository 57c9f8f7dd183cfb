"""`isthmus policy explain`: how the verdict on a call comes about."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from isthmus.cli.common import CONNECTING, add_config, loaded, printable, run_async, say
from isthmus.errors import ConfigurationError, InvalidArguments, NotFound

if TYPE_CHECKING:
    from isthmus.model import Operation, UpstreamSnapshot
    from isthmus.policy import Policy

_REMEDY = "write the arguments as one JSON object, or as name=value, the value as JSON or plain text"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to explain."""
    parser.add_argument("what", choices=["explain"], help="say what becomes of a call, and why")
    parser.add_argument("operation", metavar="OPERATION", help="the operation's id, as shop.refunds.create")
    parser.add_argument("arguments", metavar="ARGS", nargs="*", help="its arguments: a JSON object, or name=value ...")
    parser.add_argument("--principal", metavar="NAME", default="local", help="who asks (default: local)")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Explain; 1 where the call would be refused, or is none, 0 where it would be made, simulated, or asked about."""
    found = loaded(arguments)
    given = read_arguments(arguments.arguments)
    upstream = arguments.operation.partition(".")[0]
    only = {name: config for name, config in found.configuration.upstreams.items() if name == upstream}
    if not only:
        raise NotFound(f"there is no upstream {upstream!r}: there are {', '.join(found.configuration.upstreams)}")

    async def listed() -> Sequence[UpstreamSnapshot]:
        from isthmus.compose import listed_whole

        configuration = found.configuration.model_copy(update={"upstreams": only})
        return await listed_whole(configuration, base=found.base, seconds=CONNECTING)

    [snapshot] = run_async(listed)
    from isthmus.compose import holding_of, policy_of
    from isthmus.model import Principal

    operation = _found(snapshot, arguments.operation)
    hold = holding_of(found.configuration, found.base, lambda _: None)
    held = hold(snapshot.name, snapshot.operations, snapshot.operations)
    operation = replace(operation, held=held.get(operation.id, ""))
    policy = policy_of(found.configuration)
    lines, refused = explained(policy, operation, given, Principal(arguments.principal))
    for line in lines:
        say(printable(line))
    return 1 if refused else 0


def _found(snapshot: UpstreamSnapshot, name: str) -> Operation:
    from isthmus.catalog.catalog import Catalog

    catalog = Catalog.build(snapshot.operations)
    if (operation := catalog.resolve(name)) is not None:
        return operation
    if not snapshot.operations:
        raise NotFound(f"{snapshot.name} is {snapshot.state}: {snapshot.problem or 'it lists no operations'}")
    near = catalog.suggest(name)
    raise NotFound(f"there is no operation {name!r}" + (f": did you mean {', '.join(near)}?" if near else ""))


def explained(
    policy: Policy, operation: Operation, given: dict[str, Any] | None, principal: Any
) -> tuple[list[str], bool]:
    """The lines, the verdict first, and whether the call is refused. With no arguments given: whatever they are."""
    from isthmus.catalog.catalog import bind
    from isthmus.model import Call, Effect
    from isthmus.policy import Allow, Ask, Deny
    from isthmus.validation import Validation

    problems: list[str] = []
    call = Call(operation, {}, principal)
    if given is not None:
        try:
            mended, problems = Validation().check(operation, bind(operation, (), given))
            call = Call(operation, mended, principal)
        except InvalidArguments as error:
            problems = [f"{error.message}; {error.hint}"]
    decision = policy.standing(operation, principal) if given is None else policy.decide(call)
    known = None if given is None else call.arguments
    simulated = policy.simulate and operation.effect is not Effect.READ
    match decision:
        case Allow() | Ask() if problems:
            verdict = "\n  ".join(["not made: its arguments do not fit", *problems])
        case Allow():
            fitting = given is None and not isinstance(policy.decide(call), Allow)
            verdict = "allowed" + (", with arguments that fit" if fitting else "") + _simulated(simulated)
        case Ask(question):
            verdict = f"asked: {question}" + (", and simulated unasked (policy.writes)" if simulated else "")
        case Deny(by_effect=True) if simulated:
            verdict = f"simulated (policy.writes); sent, it would be refused: {decision.reason}"
        case _:
            verdict = f"refused: {decision.reason}\n  remedy: {decision.remedy}"
    lines = [
        *f"{operation.id}: {verdict}".split("\n"),
        *(f"  {line}" for line in policy.explain(operation, principal, known)),
    ]
    if isinstance(decision, Deny):
        lines += [f"  the arguments do not fit: {problem}" for problem in problems]
    refused = isinstance(decision, Deny) and not (simulated and decision.by_effect)
    return lines, refused or bool(problems)


def _simulated(simulated: bool) -> str:
    return ", and simulated (policy.writes)" if simulated else ""


def read_arguments(words: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of a call from the command line; None where there are none.

    >>> read_arguments(["amount=50", "note=late"]), read_arguments(['{"amount": 50}']), read_arguments([])
    ({'amount': 50, 'note': 'late'}, {'amount': 50}, None)

    Raises:
        ConfigurationError: they are not written so.
    """
    if not words:
        return None
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        try:
            whole = json.loads(words[0])
        except (ValueError, RecursionError):
            raise ConfigurationError("the arguments are no JSON", remedy=_REMEDY) from None
        return dict(whole)
    pairs: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise ConfigurationError(f"{word[:80]!r} is no argument", remedy=_REMEDY)
        pairs[name] = _value(value)
    return pairs


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
