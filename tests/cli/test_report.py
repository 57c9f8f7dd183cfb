"""`isthmus report`, and the audit log beside it, on what `exec` has recorded in real WebAssembly."""

import json
from pathlib import Path

import pytest

from isthmus.cli import main
from isthmus_sandbox.component import shipped
from isthmus_sandbox.protocol import SandboxUnavailable
from tests.simulators.ledger import Ledger, ledger

pytestmark = pytest.mark.slow

SECRET = "canary-5d1c9b7a"
Out = pytest.CaptureFixture[str]
CONTINUED = "for n in range(3):\n    await ledger.add(n=n)\nawait ledger.get(n=1)"
REFUSED = f"note = '{SECRET}<script>'\nawait call('ledger.' + 'add', dict(n=1, note=note))"
STOPPED = "ledger.add(n=1)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with executions on record: one writes, one never ran, one is refused, one calls nothing."""
    try:
        shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("reported")
    with ledger() as book:
        for allow, code in (
            (["read", "write"], CONTINUED),
            (["read"], STOPPED),
            (["read"], REFUSED),
            (["read"], "1 + 1"),
        ):
            main(["exec", configured(book, folder, allow), "-c", code])
        main(["search", configured(book, folder, ["read"]), f"add {SECRET}"])
    return folder


def configured(book: Ledger, folder: Path, allow: list[str]) -> str:
    upstream = {**book.configuration(folder), "auth": {"bearer": SECRET}, "allow": allow}
    told = {"data": str(folder / "data"), "upstreams": {"ledger": upstream}, "limits": {"spare_workers": 0}}
    (folder / "isthmus.json").write_text(json.dumps(told))
    return f"--config={folder / 'isthmus.json'}"


def test_the_audit_log_has_each_call_before_and_after_and_no_secret(folder: Path) -> None:
    text = (folder / "data" / "audit.jsonl").read_text()
    assert SECRET not in text
    records = [json.loads(line) for line in text.splitlines()]
    calls = [(each["event"], each["operation"], each["call"]) for each in records if "call" in each]
    before = [each[1:] for each in calls if each[0] == "before"]
    assert before == [each[1:] for each in calls if each[0] == "after"]
    assert [name for name, _ in before[:4]] == ["ledger.add", "ledger.add", "ledger.add", "ledger.get"]
    refused = next(each for each in records if each.get("verdict") == "refused")
    assert (refused["operation"], refused["arguments"]) == ("ledger.add", ["n", "note"])
    [search] = [each for each in records if each["event"] == "search"]
    assert search["queries"] == ["add [redacted]"]
    [stopped] = [each for each in records if each["event"] == "stopped"]
    assert stopped["calls"][0].startswith("line 1: ledger.add is a write operation")
    assert {each["upstream"] for each in records if each["event"] == "operations"} == {"ledger"}


def test_the_page_tells_what_was_written_and_what_was_refused(folder: Path, capsys: Out) -> None:
    page = folder / "page.html"
    assert main(["report", f"--config={folder / 'isthmus.json'}", "--output", str(page)]) == 0
    assert page.as_uri() in capsys.readouterr().err
    assert page.stat().st_mode & 0o077 == 0
    text = page.read_text()
    assert SECRET not in text
    assert "<script" not in text
    assert "3 calls that change something" in text
    assert "ledger.add is a write operation" in text
    assert "3 executions, from " in text
    assert "1 program refused before running" in text
    assert "1 search and the results" in text


def test_a_page_without_data_has_neither_programs_nor_arguments(folder: Path, capsys: Out) -> None:
    config = f"--config={folder / 'isthmus.json'}"
    assert main(["report", config, "--output", "-", "--without-data", "--limit", "2"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("<!DOCTYPE html>")
    assert "ledger.add" in text
    assert "range(3)" not in text
    assert "[redacted]" not in text
    assert "Earlier ones are kept" in text


def test_a_page_that_cannot_be_written_is_said_to_be(folder: Path, capsys: Out) -> None:
    config = f"--config={folder / 'isthmus.json'}"
    assert main(["report", config, "--output", str(folder / "nowhere" / "page.html")]) == 2
    assert "name another file: --output FILE" in capsys.readouterr().err
