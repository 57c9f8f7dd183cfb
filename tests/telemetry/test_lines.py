"""The audit log as a file: whole lines, without secrets, bounded, moved aside, never silently lost."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.audit import LONGEST, After, Before, Listed, Searched
from isthmus.errors import ConfigurationError, InternalError
from isthmus.model import Effect
from isthmus.redaction import Redactor
from isthmus.telemetry.lines import LOOKED_EVERY, AuditFile, Kept, files_of, line, read

SECRET = "canary-5d1c9b7a"
NOW = 1_763_848_600.25


def before(**changed: Any) -> Before:
    facts: dict[str, Any] = {
        "at": NOW,
        "execution": "x-1",
        "session": "s-1",
        "principal": "alice",
        "program": "0f" * 8,
        "call": 1,
        "operation": "shop.orders.get",
        "effect": Effect.READ,
        "arguments": ("order",),
        "digest": "a1" * 8,
        "verdict": "allowed",
    }
    return Before(**(facts | changed))


def after(**changed: Any) -> After:
    return After(NOW, "x-1", "s-1", "alice", 1, "shop.orders.get", "done", 12.5, **changed)


class House:
    """A file in a folder, its clock, and what the operator hears."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.path = folder / "audit.jsonl"
        self.now = NOW
        self.log: list[str] = []
        self.file = AuditFile(self.path, Redactor([SECRET]), lambda: self.now, self.log.append, **more)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.path.read_text().splitlines()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.file.close()


def test_a_record_is_a_line_that_stands_by_itself(house: House) -> None:
    house.file.note(before())
    house.file.note(after())
    assert house.records == [
        {
            "event": "before",
            "at": "2025-11-22T21:56:40.250000Z",
            "execution": "x-1",
            "session": "s-1",
            "principal": "alice",
            "program": "0f" * 8,
            "call": 1,
            "operation": "shop.orders.get",
            "effect": "read",
            "arguments": ["order"],
            "digest": "a1" * 8,
            "verdict": "allowed",
        },
        {
            "event": "after",
            "at": "2025-11-22T21:56:40.250000Z",
            "execution": "x-1",
            "session": "s-1",
            "principal": "alice",
            "call": 1,
            "operation": "shop.orders.get",
            "status": "done",
            "ms": 12.5,
        },
    ]


def test_it_is_its_owners_alone(house: House) -> None:
    assert stat.S_IMODE(house.path.stat().st_mode) == 0o600


def test_no_secret_is_in_it_in_whatever_form(house: House) -> None:
    quoted = json.dumps({"key": f'say "{SECRET}"'})
    house.file.note(before(arguments=(SECRET,), text=quoted))
    house.file.note(after(why=f"https://example.com/?key={SECRET}", error="upstream"))
    house.file.note(Searched(NOW, "alice", (SECRET,), "", 12))
    assert SECRET not in house.path.read_text()
    assert len(house.records) == 3
    assert house.records[2]["queries"] == ["[redacted]"]


def test_a_secret_that_looks_like_json_leaves_json(tmp_path: Path) -> None:
    text = line({"at": NOW, "call": 12345, "why": "12345"}, Redactor(["12345", '":"', "true"]))
    assert json.loads(text)["why"] == "[redacted]"


def test_a_record_is_bounded_and_says_what_was_cut(house: House) -> None:
    house.file.note(before(arguments=tuple(f"a{n}" for n in range(50)), text="x" * 9_999))
    [told] = house.records
    assert told["arguments"][-1] == "and 30 more"
    assert told["text"] == "x" * LONGEST + "… (9,999 characters)"


@given(text=st.text())
def test_nothing_that_anyone_says_makes_a_second_line(text: str) -> None:
    raw = line({"at": NOW, "event": "after", "why": text}, Redactor())
    assert raw.count(b"\n") == 1
    assert raw.endswith(b"\n")
    assert json.loads(raw)["why"] == text


def test_a_large_file_is_moved_aside_and_the_oldest_goes_with_a_word(tmp_path: Path) -> None:
    house = House(tmp_path, kept=Kept(bytes=400, files=2))
    for n in range(12):
        house.now = NOW + n
        house.file.note(before(call=n))
    names = [each.name for each in files_of(house.path)]
    assert len(names) == 3
    assert names == [*sorted(names[:2]), "audit.jsonl"]
    rotated = house.records[0]
    assert (rotated["event"], rotated["from"]) == ("rotated", names[1])
    assert len(rotated["removed"]) == 1
    calls = [each["call"] for each in read(house.path, ["before"])]
    assert calls == sorted(calls)
    assert calls[-1] == 11
    house.file.close()


def test_two_servers_write_to_one_file_and_follow_it_when_it_is_moved(tmp_path: Path) -> None:
    one, other = (House(tmp_path, kept=Kept(bytes=1_500, files=50)) for _ in range(2))
    for n in range(40):
        one.now = other.now = NOW + n
        (one if n % 2 else other).file.note(before(call=n))
    assert [each["call"] for each in read(one.path, ["before"])] == list(range(40))
    for each in (one, other):
        each.file.close()


def test_a_file_that_a_person_removed_is_made_again(house: House) -> None:
    house.file.note(before())
    house.path.unlink()
    house.now += LOOKED_EVERY
    house.file.note(after())
    assert [each["event"] for each in house.records] == ["after"]


def test_what_cannot_be_written_is_an_error_and_the_operator_hears_of_it_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.file.close()
    house.path.unlink()
    house.path.mkdir()  # nothing can be written to a folder
    for _ in range(2):
        with pytest.raises(InternalError, match="nothing was sent"):
            house.file.note(before())
    [told] = house.log
    assert "until it can, no call is made" in told
    house.path.rmdir()
    house.file.note(before())
    assert len(house.records) == 1
    house.file.close()


def test_a_full_disk_is_an_error_too(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    log: list[str] = []
    full = AuditFile(Path("/dev/full"), Redactor(), lambda: NOW, log.append)
    with pytest.raises(InternalError):
        full.note(before())
    assert "No space left" in log[0]
    full.close()


def test_a_file_that_cannot_be_opened_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written") as raised:
        House(tmp_path / "nowhere")
    assert "audit:" in raised.value.remedy


def test_what_is_no_record_is_left_out_when_it_is_read(house: House) -> None:
    house.file.note(Listed(NOW, "shop", 20, 1_800, 20))
    with house.path.open("ab") as lines:
        lines.write(b'{"event":"operations","at":12}\n{"event":"operations",\n\xff\xfe\n[]\n')
    assert [each["tokens"] for each in read(house.path, ["operations"])] == [1_800]
    assert list(read(house.path, ["search"])) == []


def test_a_log_that_was_never_written_has_no_records(tmp_path: Path) -> None:
    assert list(read(tmp_path / "audit.jsonl", ["before"])) == []
