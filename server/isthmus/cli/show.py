"""`isthmus show`: one execution, with its code, its calls and what came of them."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from isthmus.cli.common import add_config, loaded, log, printable, run_async, say
from isthmus.cli.runs import state

if TYPE_CHECKING:
    from isthmus.journal import Transcript

LONGEST = 200
"""Characters of one call's arguments."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which, and in what form."""
    parser.add_argument("execution", metavar="ID", help="the execution's id, or how it begins")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it, redacted."""
    found = loaded(arguments)

    async def facts() -> dict[str, Any]:
        from isthmus.compose import records

        async with records(found.configuration, base=found.base, log=log) as kept:
            transcript = await kept.archive.transcript(arguments.execution)
            shown: dict[str, Any] = kept.shown(transcript.began.session, facts_of(transcript))
            return shown

    shown = run_async(facts)
    if arguments.json:
        say(json.dumps(shown))
    else:
        for line in lines(shown):
            say(line)
    return 0


def facts_of(transcript: Transcript) -> dict[str, Any]:
    """Everything that is told of an execution, as plain data."""
    from isthmus.replay import outcome_of

    began, finished, outcome = transcript.began, transcript.finished, outcome_of(transcript)
    return {
        "execution": began.execution,
        "session": began.session,
        "principal": began.principal,
        "continues": began.continues,
        "at": began.at,
        "code": began.program.source,
        "calls": [asdict(call) for call in calls_of(transcript)],
        "ok": finished.ok if finished else None,
        "failure": finished.code if finished else "",
        "message": finished.message if finished else "",
        "ms": finished.ms if finished else 0.0,
        "busy_ms": finished.busy_ms if finished else 0.0,
        "tokens": transcript.tokens,
        "files": list(transcript.files),
        "value": outcome.value if outcome and outcome.kind != "none" else None,
        "steps": len(transcript.turns),
        "replay": transcript.omitted or "possible",
    }


@dataclass(frozen=True, slots=True)
class ShownCall:
    """One call: when it was sent (ms from the start), what it was, and what came of it."""

    call: int
    at_ms: float
    operation: str
    arguments: str
    effect: str
    status: str
    ms: float
    taken: str
    answer_bytes: int


def calls_of(transcript: Transcript) -> Iterator[ShownCall]:
    """The calls, in the order in which they were sent."""
    from isthmus_sandbox.frames import decode_step

    requests = {each.call: each for turn in transcript.turns for each in decode_step(turn.step).requests}
    start = min((sent.at for sent in transcript.sent.values()), default=0.0)
    for number, sent in transcript.sent.items():
        ended, request = transcript.ended.get(number), requests.get(number)
        yield ShownCall(
            call=number,
            at_ms=round((sent.at - start) * 1000, 1),
            operation=sent.operation,
            arguments=_written(request.positional, request.arguments) if request else "",
            effect=str(sent.effect),
            status=ended.status if ended else "unknown",
            ms=round((ended.at - sent.at) * 1000, 1) if ended else 0.0,
            taken=ended.taken if ended else "",
            answer_bytes=transcript.answers.get(number, 0),
        )


def _written(positional: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    text = ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in named.items())])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}… ({len(text):,} characters)"


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """The facts for people."""
    at = datetime.fromtimestamp(facts["at"]).isoformat(" ", "seconds")
    yield f"{facts['execution']}  {at}  {state(facts['ok'], facts['failure'])}"
    yield f"session {facts['session']}, principal {facts['principal']}" + (
        f", continues {facts['continues']}" if facts["continues"] else ""
    )
    yield f"{facts['ms']:,.0f} ms, {facts['busy_ms']:,.0f} of them computing; {facts['tokens']:,} tokens shown"
    yield "code:"
    yield textwrap.indent(_safe(facts["code"]), "  ")
    if facts["calls"]:
        yield "calls:"
    for call in facts["calls"]:
        taken = f", taken over from {call['taken']}" if call["taken"] else ""
        yield printable(
            f"  {call['at_ms']:>8,.1f} ms  {call['operation']}({call['arguments']})  "
            f"{call['effect']}, {call['status']} after {call['ms']:,.1f} ms{taken}, {call['answer_bytes']:,} bytes"
        )
    if facts["message"]:
        yield f"failure: {printable(facts['message'])}"
    if facts["value"] is not None:
        text = printable(json.dumps(facts["value"], ensure_ascii=False, default=repr))
        yield f"result: {text if len(text) <= 2000 else f'{text[:2000]}… ({len(text):,} characters)'}"
    for name in facts["files"]:
        yield f"file: {printable(name)}"
    yield f"replay: {facts['replay']} ({facts['steps']} steps)"


def _safe(text: str) -> str:
    return "\n".join(printable(line) for line in text.splitlines())
