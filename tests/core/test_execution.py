"""An execution: requests become tasks, outcomes become events, and everything ends with it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from isthmus.errors import NotFound
from isthmus.execution import SURPLUS, Execution
from isthmus.ports import Exchange
from isthmus_sandbox.protocol import GuestLost, Outcome, Program, Request, Step
from tests.simulators.guest import Script, ScriptedGuest, steps
from tests.simulators.journal import recording
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

PROGRAM = Program("", "00", 0.0)


@dataclass
class Recorder:
    """Performs calls by name: `write.*` writes; a gate, where there is one, must open before the call ends."""

    gates: dict[str, anyio.Event] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)

    def writes(self, operation: str) -> bool:
        return operation.startswith("write")

    async def perform(self, request: Request) -> Any:
        self.log.append(f"+{request.operation}")
        try:
            if gate := self.gates.get(request.operation):
                await gate.wait()
            if error := self.errors.get(request.operation):
                raise error
        except BaseException:
            self.log.append(f"!{request.operation}")
            raise
        self.log.append(f"-{request.operation}")
        return request.arguments.get("give")


def execution(script: Script, recorder: Recorder, *, calls: int = 100, parallel: int = 32) -> Execution:
    return Execution(ScriptedGuest(script, Path()), recorder, recording(), calls, parallel)


def request(call: int, operation: str, *, awaited: bool = True, **arguments: Any) -> Request:
    return Request(call, operation, arguments, (), awaited)


async def values(*canned: Step, recorder: Recorder | None = None) -> Any:
    with anyio.fail_after(SOON):
        return (await execution(steps(*canned), recorder or Recorder()).run(PROGRAM)).value


async def test_a_call_comes_back_as_its_value() -> None:
    assert await values(Step((request(7, "read.a", give=42),))) == [[[7, "value", 42]]]


async def test_an_error_comes_back_with_what_the_guest_needs_to_raise_it() -> None:
    recorder = Recorder(errors={"read.a": NotFound("no such thing", status=404, body={"m": 1}, hint="look elsewhere")})
    [[[call, kind, payload]]] = await values(Step((request(1, "read.a"),)), recorder=recorder)
    assert (call, kind) == (1, "error")
    assert payload == {
        "type": "NotFound",
        "message": "no such thing",
        "code": "not_found",
        "hint": "look elsewhere",
        "status": 404,
        "body": {"m": 1},
    }


async def test_a_fault_of_ours_is_told_without_its_details() -> None:
    recorder = Recorder(errors={"read.a": RuntimeError("secret detail")})
    [[[_, kind, payload]]] = await values(Step((request(1, "read.a"),)), recorder=recorder)
    assert kind == "error"
    assert "secret" not in str(payload)
    assert payload["code"] == "internal"


async def test_a_step_wakes_when_its_time_is_up() -> None:
    recorder = Recorder(gates={"read.slow": anyio.Event()})
    assert await values(Step((request(1, "read.slow"),), wake_after_ms=1), recorder=recorder) == [[]]


async def test_a_cancelled_call_is_cancelled_at_the_upstream_and_gives_no_event() -> None:
    recorder = Recorder(gates={"read.slow": anyio.Event()})
    got = await values(
        Step((request(1, "read.slow"),), wake_after_ms=1),
        Step((request(2, "read.b", give=1),), cancellations=(1,)),
        recorder=recorder,
    )
    assert got == [[], [[2, "value", 1]]]
    assert "!read.slow" in recorder.log


async def test_calls_left_behind_are_cancelled_when_the_program_ends() -> None:
    recorder = Recorder(gates={"read.slow": anyio.Event()})
    await values(Step((request(1, "read.slow"),), wake_after_ms=1), recorder=recorder)
    assert recorder.log == ["+read.slow", "!read.slow"]


async def order_of(*requests: Request, gates: list[str]) -> list[str]:
    """What is under way when all that can start has started, with the calls of these names held back."""
    recorder = Recorder(gates={name: anyio.Event() for name in gates})

    async def script(_: Program, exchange: Exchange) -> Outcome:
        await exchange(Step(requests, wake_after_ms=0))
        await anyio.wait_all_tasks_blocked()
        return Outcome(ok=True)

    await execution(script, recorder).run(PROGRAM)
    return [entry for entry in recorder.log if not entry.startswith("!")]


async def test_reads_without_await_overlap() -> None:
    gates = ["read.a", "read.b"]
    assert await order_of(request(1, "read.a", awaited=False), request(2, "read.b", awaited=False), gates=gates) == [
        "+read.a",
        "+read.b",
    ]


async def test_writes_without_await_keep_the_programs_order() -> None:
    gates = ["write.a"]
    assert await order_of(request(1, "write.a", awaited=False), request(2, "write.b", awaited=False), gates=gates) == [
        "+write.a"
    ]


async def test_a_read_without_await_waits_for_the_write_before_it() -> None:
    assert await order_of(
        request(1, "write.a", awaited=False), request(2, "read.b", awaited=False), gates=["write.a"]
    ) == ["+write.a"]


async def test_a_write_without_await_waits_for_the_reads_before_it() -> None:
    assert await order_of(
        request(1, "read.a", awaited=False), request(2, "write.b", awaited=False), gates=["read.a"]
    ) == ["+read.a"]


async def test_awaited_writes_run_at_once() -> None:
    assert await order_of(request(1, "write.a"), request(2, "write.b"), gates=["write.a", "write.b"]) == [
        "+write.a",
        "+write.b",
    ]


async def test_an_awaited_read_waits_for_an_earlier_write_that_nobody_awaits() -> None:
    assert await order_of(request(1, "write.a", awaited=False), request(2, "read.b"), gates=["write.a"]) == ["+write.a"]


async def test_no_more_than_the_limit_run_at_once() -> None:
    recorder = Recorder(gates={"read.a": anyio.Event()})

    async def script(_: Program, exchange: Exchange) -> Outcome:
        await exchange(Step(tuple(request(n, "read.a") for n in range(10)), wake_after_ms=0))
        await anyio.wait_all_tasks_blocked()
        return Outcome(ok=True)

    await execution(script, recorder, parallel=3).run(PROGRAM)
    assert recorder.log.count("+read.a") == 3


async def test_a_call_beyond_the_limit_is_refused_by_name() -> None:
    script = steps(Step((request(1, "read.a"),)), Step((request(2, "read.a"),)))
    outcome = await execution(script, Recorder(), calls=1).run(PROGRAM)
    [[_, kind, payload]] = outcome.value[1]
    assert kind == "error"
    assert payload["type"] == "LimitExceeded"
    assert "limits.calls" in payload["hint"]


async def test_a_program_that_goes_on_calling_beyond_the_limit_is_ended() -> None:
    script = steps(Step(tuple(request(n, "read.a") for n in range(SURPLUS + 2)), wake_after_ms=0))
    with pytest.raises(GuestLost) as lost:
        await execution(script, Recorder(), calls=1).run(PROGRAM)
    assert lost.value.limit == "calls"


async def test_output_is_heard_as_it_comes_and_kept_when_the_guest_is_lost() -> None:
    heard: list[str] = []

    async def printed(text: str) -> None:
        heard.append(text)

    async def script(_: Program, exchange: Exchange) -> Outcome:
        await exchange(Step(output="one\n", wake_after_ms=0))
        raise GuestLost("it crashed")

    running = execution(script, Recorder())
    running.printed = printed
    with pytest.raises(GuestLost):
        await running.run(PROGRAM)
    assert heard == running.output == ["one\n"]


async def test_cancelling_an_execution_cancels_its_calls() -> None:
    recorder = Recorder(gates={"read.slow": anyio.Event()})
    running = execution(steps(Step((request(1, "read.slow"),))), recorder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.run, PROGRAM)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert recorder.log == ["+read.slow", "!read.slow"]


@pytest.mark.parametrize(("asks", "busy"), [(False, 5.0), (True, 3.0)])
async def test_a_program_that_is_stopped_has_computed_until_then_or_until_it_waited(*, asks: bool, busy: float) -> None:
    now, started = [100.0], anyio.Event()
    recorder = Recorder(gates={"read.a": anyio.Event()})

    async def script(_: Program, exchange: Exchange) -> Outcome:
        now[0] += 3.0
        started.set()
        if asks:
            await exchange(Step((request(1, "read.a"),)))
        await anyio.sleep_forever()
        raise AssertionError

    kept = recording()
    kept.clock = lambda: now[0]
    running = Execution(ScriptedGuest(script, Path()), recorder, kept, 100, 32)
    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.run, PROGRAM)
            await started.wait()
            if asks:
                await anyio.wait_all_tasks_blocked()
            now[0] += 2.0
            tasks.cancel_scope.cancel()
    assert running.busy == busy
