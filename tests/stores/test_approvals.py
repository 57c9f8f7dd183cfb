"""Questions and replies in a file: what one process asks, another answers; what is kept is for whom it was kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.errors import ConfigurationError
from isthmus.model import Effect, Question, Reply
from isthmus.stores.approvals import DAYS, ApprovalFile

ASKED = Question("q-1", "x-1", "s-1", "alice", "shop.pay", "shop", Effect.WRITE, {"amount": 5, "to": "bob"}, "why")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[ApprovalFile]:
    store = ApprovalFile(tmp_path / "approvals.db", clock)
    yield store
    store.close()


def test_what_one_process_asks_another_sees_and_answers_once(store: ApprovalFile, tmp_path: Path, clock: Clock) -> None:
    assert store.opened(ASKED) is None
    other = ApprovalFile(tmp_path / "approvals.db", clock)
    [waiting] = other.waiting()
    assert (waiting.question, waiting.at) == (ASKED, clock.now)
    assert other.answer("q-1", Reply(approved=True, keep=("to",)))
    assert not other.answer("q-1", Reply(approved=False)), "the first reply counts"
    other.close()
    assert store.reply("q-1") == Reply(approved=True, keep=("to",))
    assert store.opened(ASKED) == Reply(approved=True, keep=("to",)), "who asks again finds it"
    assert store.waiting() == ()
    store.closed("q-1")
    assert store.reply("q-1") is None


def test_a_question_that_nobody_answers_is_forgotten(store: ApprovalFile, clock: Clock) -> None:
    store.opened(ASKED)
    clock.now += DAYS * 86_400 + 1
    store.opened(Question("q-2", "x-2", "s", "alice", "shop.pay", "shop", Effect.WRITE, {}, "why"))
    assert [each.question.id for each in store.waiting()] == ["q-2"]


def test_what_is_kept_is_found_by_principal_and_operation_and_can_be_forgotten(store: ApprovalFile) -> None:
    store.keep("alice", "shop.pay", {"to": "bob"})
    store.keep("alice", "shop.pay", {"to": "bob"})
    [kept] = store.kept("alice", "shop.pay")
    assert kept.arguments == {"to": "bob"}
    assert store.kept("mallory", "shop.pay") == ()
    assert store.forget(kept.number)
    assert not store.forget(kept.number)
    assert store.kept() == ()


def test_the_file_is_its_owners_alone(store: ApprovalFile, tmp_path: Path) -> None:
    assert (tmp_path / "approvals.db").stat().st_mode & 0o077 == 0


def test_a_file_of_another_kind_is_a_clear_error(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "approvals.db").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="approvals cannot be kept"):
        ApprovalFile(tmp_path / "approvals.db", clock)
