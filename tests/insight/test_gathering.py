"""A report's facts, from the journals as they are kept and the audit log as it was written."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import Refused
from isthmus.insight.facts import Definitions, Insight, RunFact, SkillFact
from isthmus.journal import Answered, Began, Ended, Entry, Resumed, Sent
from isthmus.model import CallStatus, Effect
from isthmus.recording import Recording
from isthmus.redaction import Redactor
from isthmus.render.tokens import estimate
from isthmus.service.insight import Wanted, gathered, run_of
from isthmus_sandbox.frames import decode_step
from isthmus_sandbox.protocol import Event, Outcome, Program
from tests.simulators.journal import journal
from tests.simulators.upstream import operation

pytestmark = pytest.mark.anyio

SECRET = "canary-5d1c9b7a"
NOW = datetime(2026, 11, 22, 21, 56, 40, tzinfo=UTC)
GET = operation("shop.get")
NEW = operation("shop.new", Effect.WRITE)


class Tape:
    """Records an execution as a server does, with a clock that a test sets."""

    def __init__(self, execution: str = "x-1", at: float = 0.0, **began: Any) -> None:
        self.entries: list[Entry] = []
        self.now = 100.0
        facts = {"session": "s-1", "principal": "alice", "source": "shop.get()"} | began
        program = Program(facts["source"], "00", 0.0)
        head = Began(execution, facts["session"], facts["principal"], program, NOW.timestamp() + at)
        self.recording = Recording(head, self._append, lambda: self.now)

    async def _append(self, _execution: str, first: int, entries: Sequence[Entry]) -> None:
        assert first == len(self.entries)
        self.entries.extend(entries)

    def step(self, *requests: tuple[int, str, list[Any], dict[str, Any]]) -> None:
        asked = [[call, name, named, positional, True, []] for call, name, positional, named in requests]
        step: dict[str, Any] = {
            "requests": asked,
            "cancellations": [],
            "output": "",
            "wake_after_ms": None,
            "clock": [0, []],
        }
        self.recording.stepped(decode_step(json.dumps(step).encode()))

    def call(
        self,
        number: int,
        what: Any = GET,
        *,
        ms: float = 10.0,
        status: CallStatus = "done",
        event: Event | None = None,
        taken: str = "",
    ) -> None:
        self.recording.sent(number, what, {"n": number})
        self.now += ms / 1000
        self.recording.ended(number, status, taken=taken)
        self.recording.answered(event or Event(number, "value", {"n": number}))

    async def ended(self) -> list[Entry]:
        outcome = Outcome(ok=True, kind="none", value=None, output="", error=None, notes=())
        self.recording.finished(outcome, ok=True, code="", message="", ms=50.0, busy=5.0)
        self.recording.shown(42, ["/workspace/result.json"])
        await self.recording.flush()
        return self.entries


def told(entries: Sequence[Entry], **more: Any) -> RunFact:
    return run_of(entries, Redactor([SECRET]).data, NOW, **more)


async def test_an_execution_is_told_with_its_calls_in_time() -> None:
    tape = Tape(source=f"key = '{SECRET}'\nshop.get()")
    tape.step((1, "shop.get", [], {"n": 1}), (2, "shop.new", ["a"], {"note": SECRET}))
    tape.call(1, ms=10)
    tape.now += 0.005
    tape.call(2, NEW, ms=20)
    run = told(await tape.ended())
    first, second = run.calls
    assert (first.operation, first.effect, first.status, first.start) == ("shop.get", Effect.READ, "done", 0.0)
    assert [round(each) for each in (first.ms, second.start, second.ms)] == [10, 15, 20]
    assert second.arguments == '"a", {"note": "[redacted]"}'
    assert run.source == "key = '[redacted]'\nshop.get()"
    assert (run.ok, run.shown_tokens, run.files, run.at) == (True, 42, ("/workspace/result.json",), NOW)
    assert run.source_tokens > 5
    assert first.argument_tokens > 0
    assert first.answer_tokens > 0


async def test_without_data_no_word_of_it_is_told_and_tokens_still_are() -> None:
    tape = Tape(source="private()")
    tape.step((1, "shop.get", [], {"n": "private"}))
    tape.call(1, status="failed", event=Event(1, "error", {"type": "NotFound", "message": "private", "hint": ""}))
    run = told(await tape.ended(), with_data=False)
    assert "private" not in repr(run)
    assert run.calls[0].argument_tokens > 0
    assert run.source_tokens > 0


async def test_why_a_call_was_refused_is_told_as_the_program_heard_it() -> None:
    tape = Tape()
    refusal = Refused("shop.new is denied", remedy="ask the user")
    error = {"type": "Refused", "message": refusal.message, "code": "refused", "hint": refusal.hint}
    tape.call(1, NEW, status="refused", event=Event(1, "error", error))
    assert told(await tape.ended()).calls[0].why == "shop.new is denied (ask the user)"


async def test_an_execution_without_an_end_is_told_as_far_as_it_went() -> None:
    tape = Tape()
    tape.recording.sent(1, NEW, {})
    await tape.recording.flush()
    run = told(tape.entries)
    assert run.ok is None
    assert [call.status for call in run.calls] == ["unknown"]


async def test_another_machines_clock_does_not_tear_the_timeline() -> None:
    tape = Tape()
    tape.now = 90_000.0
    tape.call(1)
    tape.now = 3.0
    tape.call(2)
    starts = [call.start for call in told(await tape.ended()).calls]
    assert starts == [0.0, 0.0]


async def test_many_answers_are_estimated_by_how_dense_the_first_were() -> None:
    tape = Tape()
    for number in range(1, 41):
        tape.call(number, event=Event(number, "value", "lorem ipsum dolor " * 1_000))
    tokens = [call.answer_tokens for call in told(await tape.ended()).calls]
    assert max(tokens) < 1.1 * min(tokens)


@pytest.mark.parametrize(
    ("event", "read"),
    [
        (Event(1, "value", {"id": 1, "name": "Ada, B"}), '{"id":1,"name":"Ada, B"}'),
        (Event(1, "value", "a, b,[]]"), '"a, b,[]]"'),
        (Event(1, "value", {"picture": b"x" * 9_000, "id": 1}), '{"picture":null,"id":1}'),
        (Event(1, "error", {"type": "NotFound", "message": "no such order", "hint": "look"}), "no such order"),
        (Event(1, "value", None), "null"),
    ],
)
async def test_a_model_would_read_the_data_of_an_answer_and_nothing_of_how_it_travels(event: Event, read: str) -> None:
    tape = Tape()
    tape.call(1, event=event)
    assert told(await tape.ended()).calls[0].answer_tokens == estimate(read)


async def test_a_program_costs_what_it_does_as_the_argument_of_a_tool() -> None:
    source = 'print("a")\nprint("b")'
    assert told(await Tape(source=source).ended()).source_tokens == estimate(json.dumps({"code": source}))


async def test_skills_are_told_with_what_programs_say_of_their_calls() -> None:
    tape = Tape()
    tape.step(
        (1, "isthmus.skills.load", [], {"name": "clean"}),
        (2, "isthmus.skills.load", [], {"name": "other"}),
        (3, "isthmus.skills.used", [], {"uses": [["clean", "sha256:00", True, 4, 1], "nonsense", ["x"], 7]}),
    )
    run = told(await tape.ended())
    assert set(run.skills) == {SkillFact("clean", 4, 1), SkillFact("other")}
    assert run.calls == ()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(arguments=st.dictionaries(st.text(max_size=8) | st.just("uses"), PLAIN, max_size=4), text=st.binary(max_size=40))
def test_whatever_a_program_asked_for_can_be_told(arguments: dict[str, Any], text: bytes) -> None:
    tape = Tape()
    tape.step((1, "isthmus.skills.used", [], arguments), (2, "shop.get", [arguments], arguments))
    entries = [*tape.recording._pending, Sent(2, "shop.get", Effect.READ, "00", 0, 1.0), Answered(2, text)]
    run = told([*entries, Ended(2, "failed", 2.0), Resumed("other", 5.0)])
    assert [call.operation for call in run.calls] == ["shop.get"]


# ---------------------------------------------------------------- several


async def gathered_of(*tapes: Tape, audit: Sequence[Mapping[str, Any]] = (), **wanted: Any) -> Insight:
    async with journal() as store:
        for tape in tapes:
            await store.append(tape.recording.began.execution, 0, await tape.ended())
        return await gathered(store, Wanted(**wanted), audit, lambda _session, data: data, 650, NOW)


def search(at: float, principal: str = "alice", characters: Any = 1_000) -> dict[str, Any]:
    return {"event": "search", "at": NOW.timestamp() + at, "principal": principal, "characters": characters}


def listed(tokens: Any, operations: Any = 20) -> dict[str, Any]:
    return {
        "event": "operations",
        "at": 0.0,
        "upstream": "shop",
        "operations": operations,
        "tokens": tokens,
        "measured": 20,
    }


async def test_the_latest_come_first_and_older_ones_are_said_to_be_there() -> None:
    tapes = [Tape(f"x-{n}", at=n) for n in range(3)]
    insight = await gathered_of(*tapes, limit=2)
    assert [run.execution for run in insight.runs] == ["x-2", "x-1"]
    assert insight.older
    assert not (await gathered_of(Tape(), limit=1)).older


async def test_one_session_or_one_principal_can_be_asked_for() -> None:
    tapes = [Tape("x-1"), Tape("x-2", session="s-2"), Tape("x-3", principal="bob")]
    assert [run.execution for run in (await gathered_of(*tapes, session="s-2")).runs] == ["x-2"]
    assert [run.execution for run in (await gathered_of(*tapes, principal="bob")).runs] == ["x-3"]


async def test_searches_of_that_time_and_those_principals_are_counted() -> None:
    records = [search(-5_000), search(-60), search(30), search(30, "mallory"), search(30, characters="many")]
    insight = await gathered_of(Tape(), audit=records, principal="alice")
    assert (insight.searches, insight.search_tokens) == (2, 560)
    assert insight.audited


async def test_the_last_word_on_an_upstreams_operations_counts() -> None:
    insight = await gathered_of(Tape(), audit=[listed(900), listed(1_200), listed("lots"), listed(1, None)])
    assert insight.definitions == {"shop": Definitions("shop", 20, 1_200, 20)}


async def test_without_an_audit_log_it_is_said() -> None:
    assert not (await gathered_of(Tape())).audited


async def test_a_journal_without_executions_gives_an_empty_report() -> None:
    insight = await gathered_of()
    assert insight.runs == ()


async def test_programs_that_were_refused_before_they_ran_are_told_the_latest_first() -> None:
    def stopped(at: float, session: str = "s-1") -> dict[str, Any]:
        said = {"execution": f"x-{at:.0f}", "session": session, "principal": "alice", "calls": ["line 1: no"]}
        return {"event": "stopped", "at": NOW.timestamp() + at, **said}

    records = [stopped(1), stopped(2), stopped(3, "s-2")]
    insight = await gathered_of(Tape(), audit=records, session="s-1")
    assert [(each.execution, each.calls) for each in insight.stopped] == [
        ("x-2", ("line 1: no",)),
        ("x-1", ("line 1: no",)),
    ]
    assert insight.searches == 0
    assert len((await gathered_of(audit=records)).stopped) == 3
