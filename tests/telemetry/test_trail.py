"""The audit of an execution's calls, through the gateway: before and after each, allowed or refused."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from isthmus.audit import After, Before, Record, Stopped
from isthmus.catalog.catalog import Catalog
from isthmus.credentials.static import StaticCredentials
from isthmus.errors import InternalError, InvalidArguments, IsthmusError, Refused, UpstreamUnavailable
from isthmus.gateway import Gateway
from isthmus.model import Effect, Principal, UpstreamSnapshot, UpstreamState
from isthmus.policy import Policy, UpstreamRules
from isthmus.recording import Recording
from isthmus.redaction import Redactor
from isthmus.trail import Trail, note_stopped
from isthmus.validation import Validation
from tests.simulators.journal import recording
from tests.simulators.upstream import Handler, SimulatedUpstream, operation
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

GET = operation("tracker.get", required={"number": {"type": "integer"}})
CLOSE = operation("tracker.close", Effect.WRITE, required={"number": {"type": "integer"}})


class Kept:
    """An audit in memory, which can be full."""

    def __init__(self, *, wants_text: bool = False) -> None:
        self.wants_text = wants_text
        self.records: list[Record] = []
        self.full = False

    def note(self, record: Record) -> None:
        if self.full:
            raise InternalError("the audit log cannot be written, so nothing was sent")
        self.records.append(record)

    def close(self) -> None:
        pass


class Catalogs:
    catalog = Catalog.build((GET, CLOSE))

    def snapshot(self, upstream: str) -> UpstreamSnapshot:
        return UpstreamSnapshot(upstream, UpstreamState.READY)

    async def connected(self, upstream: str, seconds: float) -> None:
        pass


class House:
    """A gateway to a tracker of which only reads are allowed, unless `effects` says more."""

    def __init__(self, *effects: Effect, wants_text: bool = False) -> None:
        self.audit = Kept(wants_text=wants_text)
        self.order: list[str] = []
        self.handlers: dict[str, Handler] = {"get": self._answer, "close": self._answer}
        self.tracker = SimulatedUpstream("tracker", (GET, CLOSE), self.handlers)
        rules = {"tracker": UpstreamRules(allow=frozenset({Effect.READ, *effects}))}
        self.gateway = Gateway(
            Catalogs(),
            {"tracker": self.tracker},
            Policy(upstreams=rules),
            StaticCredentials({}),
            Redactor(),
            Validation().check,
        )
        self.recording: Recording = recording()
        self.recording.trail = Trail(self.recording.began, self.audit, time.time)

    def _answer(self, given: Mapping[str, Any]) -> Any:
        self.order.append(f"answered after {len(self.audit.records)} records")
        if given["number"] == 503:
            raise UpstreamUnavailable("the tracker said: Bob's card is 4111")
        return given["number"]

    async def call(self, name: str, **arguments: Any) -> Any:
        with anyio.fail_after(SOON):
            return await self.gateway.call(name, (), arguments, Principal("alice"), self.recording, 1)

    async def told(self, name: str, **arguments: Any) -> tuple[Before, After]:
        with contextlib.suppress(IsthmusError):
            await self.call(name, **arguments)
        first, second = self.audit.records
        assert isinstance(first, Before)
        assert isinstance(second, After)
        return first, second


async def test_an_allowed_call_is_on_record_before_it_is_sent_and_after() -> None:
    house = House()
    first, second = await house.told("tracker.get", number=7)
    assert house.order == ["answered after 1 records"]
    assert (first.verdict, first.operation, first.effect, first.arguments) == (
        "allowed",
        "tracker.get",
        Effect.READ,
        ("number",),
    )
    assert (first.execution, first.session, first.principal, first.call) == ("x-1", "s-1", "alice", 1)
    assert first.program == "e3b0c44298fc1c14", "the SHA-256 of the empty program begins so"
    assert first.digest
    assert first.text == ""
    assert (second.status, second.error, second.why) == ("done", "", "")
    assert second.ms >= 0


async def test_a_refused_call_is_on_record_with_the_reason() -> None:
    first, second = await House().told("tracker.close", number=7)
    assert first.verdict == "refused"
    assert (second.status, second.error) == ("refused", "refused")
    assert "tracker.close" in second.why


async def test_a_call_whose_arguments_do_not_fit_is_on_record_as_never_sent() -> None:
    house = House()
    first, second = await house.told("tracker.get", number="seven")
    assert (first.verdict, second.status, second.error) == ("invalid", "failed", "invalid_arguments")
    assert second.why == "", "what was wrong may quote a value"
    assert house.tracker.calls == []


async def test_what_an_upstream_says_is_told_only_where_texts_are_wanted() -> None:
    _, second = await House(Effect.WRITE).told("tracker.close", number=503)
    assert (second.status, second.error, second.why) == ("unknown", "unavailable", "")
    first, second = await House(Effect.WRITE, wants_text=True).told("tracker.close", number=503)
    assert first.text == '{"number": 503}'
    assert "Bob's card" in second.why


async def test_nothing_is_sent_that_cannot_be_put_on_record() -> None:
    house = House()
    house.audit.full = True
    with pytest.raises(InternalError, match="nothing was sent"):
        await house.call("tracker.get", number=7)
    assert house.tracker.calls == []
    assert [record.status for record in house.recording.calls()] == ["failed"]


async def test_a_log_that_is_full_afterwards_takes_nothing_from_the_program() -> None:
    house = House()

    def fill(given: Mapping[str, Any]) -> str:
        house.audit.full = True
        return "done"

    house.handlers["get"] = fill
    assert (await house.call("tracker.get", number=7)).value == "done"
    assert len(house.audit.records) == 1


async def test_a_cancelled_call_has_its_end() -> None:
    house = House(Effect.WRITE)

    async def hang(given: Mapping[str, Any]) -> None:
        await anyio.sleep_forever()

    house.handlers["close"] = hang
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: house.call("tracker.close", number=7))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert isinstance(house.audit.records[-1], After)
    assert house.audit.records[-1].status == "unknown"


async def test_a_refusal_is_raised_though_its_record_cannot_be_kept() -> None:
    house = House()
    house.audit.full = True
    with pytest.raises(Refused):
        await house.call("tracker.close", number=7)


async def test_bad_arguments_are_told_though_their_record_cannot_be_kept() -> None:
    house = House()
    house.audit.full = True
    with pytest.raises(InvalidArguments):
        await house.call("tracker.get", number="seven")


def test_a_program_that_never_ran_is_on_record_with_what_policy_said_and_no_more() -> None:
    found = [(1, "refused", "shop.drop is denied"), (2, "invalid_arguments", "card: '4111' is no number")]
    for wants_text, second in ((False, "line 2: invalid_arguments"), (True, "line 2: card: '4111' is no number")):
        audit = Kept(wants_text=wants_text)
        note_stopped(audit, 5.0, ("alice", "s-1", "x-1"), "shop.drop()", found)
        [record] = audit.records
        assert isinstance(record, Stopped)
        assert record.calls == ("line 1: shop.drop is denied", second)
        assert (record.principal, record.session, record.execution) == ("alice", "s-1", "x-1")
        assert (record.written, record.told) == (11, sum(len(message) for _, _, message in found))
