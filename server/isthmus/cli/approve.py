"""`isthmus approve`: answer what programs wait for, and see or forget what was approved for good."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from isthmus.cli.common import add_config, loaded, printable, say
from isthmus.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from isthmus.model import Question
    from isthmus.ports import Kept, Waiting
    from isthmus.stores.approvals import ApprovalFile

_T = TypeVar("_T")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which question, and the answer."""
    parser.add_argument(
        "question", metavar="ID", nargs="?", help="the question, as q-1c2f…; without it, all are listed"
    )
    parser.add_argument("--refuse", action="store_true", help="refuse the call instead")
    parser.add_argument(
        "--remember",
        metavar="ARGUMENTS",
        help="approve such calls from now on: those with the same 'owner,repo', or 'all' arguments the same, or 'none'",
    )
    parser.add_argument("--kept", action="store_true", help="list what was approved for good")
    parser.add_argument("--forget", metavar="NUMBER", type=int, help="ask again about what was approved for good")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Answer, or list."""
    with _store(arguments) as store:
        if arguments.forget is not None:
            if not store.forget(arguments.forget):
                raise NotFound(f"nothing that is approved for good has the number {arguments.forget}")
        elif arguments.kept:
            _list(store.kept(), kept_line, "nothing is approved for good")
        elif arguments.question is None:
            _list(store.waiting(), waiting_text, "nothing waits for approval")
        else:
            _answer(store, arguments)
    return 0


@contextmanager
def _store(arguments: argparse.Namespace) -> Iterator[ApprovalFile]:
    import time

    from isthmus.compose import APPROVALS, data_of
    from isthmus.stores.approvals import ApprovalFile

    found = loaded(arguments, quiet=True)
    store = ApprovalFile(data_of(found.configuration, found.base) / APPROVALS, time.time)
    try:
        yield store
    finally:
        store.close()


def _list(entries: Sequence[_T], shown: Callable[[_T], str], otherwise: str) -> None:
    for entry in entries:
        say(shown(entry))
    if not entries:
        say(otherwise)


def _answer(store: ApprovalFile, arguments: argparse.Namespace) -> None:
    from isthmus.model import Reply

    waiting = [each.question for each in store.waiting() if each.question.id == arguments.question]
    if not waiting:
        raise NotFound(f"nothing waits for {arguments.question!r}: `isthmus approve` lists what does")
    keep = None if arguments.remember is None else remembered(arguments.remember, waiting[0])
    reply = Reply(approved=False, reason="the user refused") if arguments.refuse else Reply(approved=True, keep=keep)
    if not store.answer(arguments.question, reply):
        raise NotFound(f"{arguments.question} has just been answered otherwise")
    say(f"{arguments.question}: {'refused' if arguments.refuse else 'approved'}")


def remembered(said: str, question: Question) -> tuple[str, ...]:
    """The arguments that are to be the same when an approval counts again.

    Raises:
        ConfigurationError: the call has no such argument, or what is asked is never approved for good.
    """
    if not question.keeps:
        remedy = "approve it without --remember"
        raise ConfigurationError("what is asked because of what was read is asked each time", remedy=remedy)
    given = tuple(question.arguments)
    words = {"all": given, "none": ()}
    names = words[said] if said in words else tuple(name.strip() for name in said.split(","))
    if unknown := [name for name in names if name not in given]:
        remedy = f"name some of {', '.join(given) or 'none'}, or write all or none"
        raise ConfigurationError(f"the call has no argument {unknown[0]!r}", remedy=remedy)
    return names


def waiting_text(waiting: Waiting) -> str:
    """A question in full, with who asks it since when."""
    from isthmus.render.questions import question_text

    question = waiting.question
    at = datetime.fromtimestamp(waiting.at).strftime("%m-%d %H:%M:%S")
    head = f"{question.id}  since {at}, by {printable(question.principal)} in {question.execution}"
    return "\n".join([head, *(f"  {printable(line)}" for line in question_text(question).split("\n")[1:])])


def kept_line(kept: Kept) -> str:
    """`3  local  shop.refunds.create(amount=5, ...)`."""
    from isthmus.render.questions import arguments_text

    pattern = arguments_text(kept.arguments)
    shown = f"{kept.operation}({f'{pattern}, ' if pattern else ''}...)"
    return printable(f"{kept.number:>4}  {kept.principal}  {shown}")
