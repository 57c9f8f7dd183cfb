"""The gateway: the only way to the world, and everything that must happen on it, in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from isthmus.catalog.catalog import Catalog
from isthmus.errors import InvalidArguments, NotFound, OutcomeUnknown, Refused, UpstreamError, UpstreamUnavailable
from isthmus.gateway import Gateway
from isthmus.journal import Ended, Entry, Past, Sent
from isthmus.model import (
    USES,
    Answer,
    CallStatus,
    Credential,
    Effect,
    Principal,
    UpstreamSnapshot,
    UpstreamState,
    digest,
)
from isthmus.policy import Policy, UpstreamRules
from isthmus.redaction import Redactor
from isthmus.rules import Rule, Verdict
from isthmus.terms import Terms
from isthmus.validation import Validation, argument_check
from tests.simulators.journal import recording
from tests.simulators.upstream import Handler, SimulatedUpstream, operation
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

SECRET = "token-7c1f09ab55"
GET = operation("tracker.issues.get", required={"number": {"type": "integer"}})
CLOSE = operation("tracker.issues.close", Effect.WRITE, required={"number": {"type": "integer"}})
DROP = operation("tracker.drop", Effect.DESTRUCTIVE)


@dataclass
class Catalogs:
    """A fixed view; waiting for a connection makes it `after`, where that is given."""

    catalog: Catalog
    state: UpstreamState = UpstreamState.READY
    after: Catalog | None = None
    waited: list[float] = field(default_factory=list)

    def snapshot(self, upstream: str) -> UpstreamSnapshot | None:
        return UpstreamSnapshot("tracker", self.state, problem="it hangs") if upstream == "tracker" else None

    async def connected(self, upstream: str, seconds: float) -> None:
        self.waited.append(seconds)
        if self.after is not None:
            self.catalog, self.state = self.after, UpstreamState.READY


class Vault:
    """Gives one credential, and remembers who asked for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def credential(self, upstream: str, principal: Principal) -> Credential | None:
        self.asked.append(f"{principal.name}@{upstream}")
        return Credential(headers={"Authorization": f"Bearer {SECRET}"})


class House:
    """A gateway in front of one simulated tracker."""

    def __init__(self, catalogs: Catalogs | None = None, **handlers: Handler) -> None:
        names = {name.replace("__", "."): handler for name, handler in handlers.items()}
        self.tracker = SimulatedUpstream("tracker", (GET, CLOSE, DROP), names)
        self.vault = Vault()
        self.catalogs = catalogs or Catalogs(Catalog.build((GET, CLOSE, DROP)))
        rules = {"tracker": UpstreamRules(allow=frozenset({Effect.READ, Effect.WRITE}))}
        self.gateway = Gateway(
            self.catalogs,
            {"tracker": self.tracker},
            Policy(upstreams=rules),
            self.vault,
            Redactor([SECRET]),
            Validation().check,
        )
        self.kept: list[Entry] = []
        self.recording = recording(self.kept)
        self.calls = 0

    async def call(self, name: str, *positional: Any, terms: Terms | None = None, **arguments: Any) -> Answer:
        self.calls += 1
        who = Principal("alice")
        with anyio.fail_after(SOON):
            return await self.gateway.call(name, positional, arguments, who, self.recording, self.calls, terms)

    @property
    def statuses(self) -> list[CallStatus]:
        return [record.status for record in self.recording.calls()]


async def test_a_call_reaches_its_upstream_with_its_credential_and_is_recorded() -> None:
    house = House(issues__get=lambda given: {"number": given["number"], "open": True})
    answer = await house.call("tracker.issues.get", number=7)
    assert answer.value == {"number": 7, "open": True}
    assert house.tracker.calls == [("issues.get", {"number": 7})]
    assert house.vault.asked == ["alice@tracker"]
    assert house.statuses == ["done"]


async def test_arguments_may_be_given_by_place() -> None:
    house = House(issues__get=lambda given: given["number"])
    assert (await house.call("tracker.issues.get", 7)).value == 7


async def test_a_bad_argument_is_refused_before_anything_is_asked_or_sent() -> None:
    house = House()
    with pytest.raises(InvalidArguments, match="number"):
        await house.call("tracker.issues.get", number="seven")
    assert house.tracker.calls == []
    assert house.vault.asked == []
    assert house.statuses == ["failed"]


async def test_what_policy_denies_is_never_sent_and_no_credential_is_fetched() -> None:
    house = House()
    with pytest.raises(Refused) as refused:
        await house.call("tracker.drop")
    assert "destructive" in refused.value.remedy
    assert (house.tracker.calls, house.vault.asked, house.statuses) == ([], [], ["refused"])


async def test_a_name_that_does_not_exist_brings_the_nearest_ones() -> None:
    with pytest.raises(NotFound) as missing:
        await House().call("tracker.issues.gett")
    assert "tracker.issues.get" in missing.value.hint


async def test_a_suggestion_never_names_what_policy_hides() -> None:
    house = House()
    object.__setattr__(house.gateway, "policy", Policy(deny=("tracker.drop",)))
    with pytest.raises(NotFound) as missing:
        await house.call("tracker.dropp")
    assert "tracker.drop?" not in missing.value.hint


async def test_an_unknown_upstream_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFound) as missing:
        await House().call("trakker.issues.get")
    assert "tracker" in missing.value.hint


async def test_a_call_waits_for_an_upstream_that_is_still_connecting() -> None:
    catalogs = Catalogs(Catalog.build(()), UpstreamState.CONNECTING, after=Catalog.build((GET,)))
    house = House(catalogs, issues__get=lambda _: "here")
    assert (await house.call("tracker.issues.get", number=1)).value == "here"
    assert catalogs.waited == [10.0]


async def test_a_call_to_an_upstream_that_failed_says_why() -> None:
    with pytest.raises(UpstreamUnavailable, match="it hangs"):
        await House(Catalogs(Catalog.build(()), UpstreamState.FAILED)).call("tracker.issues.get", number=1)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UpstreamError("no", status=500), "failed"),
        (UpstreamUnavailable("no answer"), "unknown"),
        (RuntimeError("a fault of ours"), "unknown"),
    ],
)
async def test_the_record_says_only_what_is_certain(error: Exception, status: str) -> None:
    def fail(_: Mapping[str, Any]) -> Any:
        raise error

    house = House(issues__close=fail)
    with pytest.raises(type(error)):
        await house.call("tracker.issues.close", number=1)
    assert house.statuses == [status]


async def test_a_call_cancelled_under_way_has_an_unknown_outcome() -> None:
    async def hang(_: Mapping[str, Any]) -> Any:
        await anyio.sleep_forever()

    house = House(issues__close=hang)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: house.call("tracker.issues.close", number=1))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert house.statuses == ["unknown"]


async def test_an_echoed_secret_is_taken_out_of_answers_and_errors() -> None:
    def echo(_: Mapping[str, Any]) -> Any:
        return {"you sent": [f"Bearer {SECRET}"]}

    def refuse(_: Mapping[str, Any]) -> Any:
        raise UpstreamError(f"bad token {SECRET}", body={"token": SECRET}, hint=f"not {SECRET}")

    house = House(issues__get=echo, issues__close=refuse)
    assert SECRET not in repr(await house.call("tracker.issues.get", number=1))
    with pytest.raises(UpstreamError) as caught:
        await house.call("tracker.issues.close", number=1)
    assert SECRET not in f"{caught.value} {caught.value.args} {caught.value.hint} {caught.value.body}"


async def test_a_call_is_in_the_store_before_it_is_sent() -> None:
    seen: list[list[Entry]] = []
    house = House(issues__close=lambda _: seen.append([*house.kept]))
    await house.call("tracker.issues.close", number=7)
    [sent] = [entry for entry in seen[0] if isinstance(entry, Sent)]
    assert (sent.operation, sent.occurrence) == ("tracker.issues.close", 0)
    assert not any(isinstance(entry, Ended) for entry in seen[0])


async def test_calls_hold_a_digest_of_their_arguments_and_are_told_apart_by_how_many_came_before() -> None:
    kept: list[Entry] = []
    journal = recording(kept)
    for call, number in enumerate((1, 2, 1), 1):
        journal.sent(call, GET, {"number": number})
    journal.sent(4, GET, {"number": SECRET})
    await journal.flush()
    assert [entry.occurrence for entry in kept if isinstance(entry, Sent)] == [0, 0, 1, 0]
    assert SECRET not in repr(kept)


def past(effect: Effect, status: CallStatus, text: bytes = b"") -> Past:
    return Past("x-0", Sent(1, "tracker.issues.close", effect, digest({"number": 7}), 0, 0.0), status, text)


async def continued(known: Past) -> tuple[House, Any]:
    """What a call of issue 7 comes to, in a continuation of an execution that knows of it."""
    house = House(issues__close=lambda _: "sent")
    house.recording.earlier = {known.sent.address: known}
    try:
        return house, (await house.call("tracker.issues.close", number=7)).value
    except OutcomeUnknown as error:
        return house, error


async def test_a_completed_call_of_the_execution_before_is_answered_from_its_journal() -> None:
    house, value = await continued(past(Effect.WRITE, "done", b'[1,"value",{"closed":true},[]]'))
    assert value == {"closed": True}
    assert house.tracker.calls == []
    [record] = house.recording.calls()
    assert (record.status, record.taken) == ("done", True)


@pytest.mark.parametrize("known", [past(Effect.WRITE, "unknown"), past(Effect.DESTRUCTIVE, "done")])
async def test_a_write_whose_answer_was_lost_is_not_sent_again(known: Past) -> None:
    house, error = await continued(known)
    assert isinstance(error, OutcomeUnknown)
    assert "x-0" in error.message
    assert house.tracker.calls == []
    assert [record.status for record in house.recording.calls()] == ["unknown"]


@pytest.mark.parametrize(
    "known", [past(Effect.READ, "unknown"), past(Effect.READ, "done"), past(Effect.WRITE, "failed")]
)
async def test_what_can_be_sent_again_is(known: Past) -> None:
    house, value = await continued(known)
    assert value == "sent"
    assert len(house.tracker.calls) == 1


async def test_rules_are_held_against_the_arguments_as_they_are_sent() -> None:
    """A whole float becomes an integer on its way, and it is the integer that the rule is about."""
    house = House(issues__close=lambda given: given["number"])
    fits = argument_check({"type": "integer", "maximum": 10}, strictly=True)
    object.__setattr__(
        house.gateway, "policy", Policy(rules=(Rule("below", Verdict.ALLOW, arguments={"number": fits}),))
    )
    assert (await house.call("tracker.issues.close", number=7.0)).value == 7
    with pytest.raises(Refused, match="'below': number: 70 is more than 10"):
        await house.call("tracker.issues.close", number=70)
    assert house.tracker.calls == [("issues.close", {"number": 7})]


async def test_a_budget_counts_all_the_calls_of_one_execution() -> None:
    house = House(issues__get=lambda given: given["number"])
    object.__setattr__(house.gateway, "policy", Policy(rules=(Rule("few", calls=2),)))
    terms = Terms()
    for number in range(2):
        await house.call("tracker.issues.get", number=number, terms=terms)
    with pytest.raises(Refused, match="used up"):
        await house.call("tracker.issues.get", number=3, terms=terms)
    assert (await house.call("tracker.issues.get", number=3, terms=Terms())).value == 3


@pytest.mark.parametrize(
    "names", [["tracker.issues.get"], ["tracker.issues"], ["tracker"], ["tracker.*.get"], ["x", "*"]]
)
async def test_what_a_program_says_that_it_uses_it_may_call(names: list[str]) -> None:
    house = House(issues__get=lambda given: given["number"])
    terms = Terms()
    terms.renounce(USES, {"operations": names})
    assert (await house.call("tracker.issues.get", 7, terms=terms)).value == 7


@pytest.mark.parametrize("names", [[], ["tracker.issues.close"], ["tracker.issue"], ["*.issues"], ["issues.get"]])
async def test_all_else_is_refused_and_nothing_is_sent(names: list[str]) -> None:
    house = House()
    terms = Terms()
    terms.renounce(USES, {"operations": names})
    with pytest.raises(Refused, match="has said that it uses") as refused:
        await house.call("tracker.issues.get", 7, terms=terms)
    assert (names[0] if names else "nothing") in str(refused.value)
    assert (house.tracker.calls, house.statuses) == ([], ["refused"])


async def test_a_program_narrows_what_it_may_do_and_never_widens_it() -> None:
    house, terms = House(), Terms()
    for names in (["tracker.issues"], ["tracker.issues.close", "tracker.drop"], ["*"]):
        terms.renounce(USES, {"operations": names})
    for name, given in (("tracker.issues.get", [7]), ("tracker.drop", [])):
        with pytest.raises(Refused, match="has said that it uses"):
            await house.call(name, *given, terms=terms)
    terms = Terms()
    terms.renounce(USES, {"operations": ["tracker.drop"]})
    with pytest.raises(Refused, match="destructive"):
        await house.call("tracker.drop", terms=terms)


@pytest.mark.parametrize("said", [None, "tracker.*", [7], [""], ["a" * 301], ["a"] * 201])
def test_what_cannot_be_names_of_operations_is_an_error_and_gives_nothing_up(said: object) -> None:
    terms = Terms()
    with pytest.raises(InvalidArguments, match="uses"):
        terms.renounce(USES, {"operations": said})
    terms.recall(USES, {"operations": said})
    assert terms.uses == []
