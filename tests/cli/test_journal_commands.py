"""`isthmus runs`, `show`, `replay` and `resume`, on what `exec` has recorded in real WebAssembly."""

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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A configuration with two executions in its journal, as the argument of `--config`."""
    try:
        shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("recorded")
    with ledger() as book:
        config = configured(book, folder)
        main(
            [
                "exec",
                config,
                "-c",
                "import uuid, time\nx = await ledger.add(n=1, note='for the record')\n[uuid.uuid4().hex, time.time()]",
            ]
        )
        main(["exec", config, "-c", f"ledger.get(n=1)\nraise ValueError('{SECRET}')"])
    return config


def configured(book: Ledger, folder: Path) -> str:
    upstream = {**book.configuration(folder), "auth": {"bearer": SECRET}}
    path = folder / "isthmus.json"
    path.write_text(
        json.dumps({"data": str(folder / "data"), "upstreams": {"ledger": upstream}, "limits": {"spare_workers": 0}})
    )
    return f"--config={path}"


def runs(config: str, capsys: Out, *more: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["runs", config, "--json", *more]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_runs_lists_the_latest_first(recorded: str, capsys: Out) -> None:
    failed, fine = runs(recorded, capsys)
    assert (fine["ok"], fine["calls"], fine["first_line"]) == (True, 1, "import uuid, time")
    assert (failed["ok"], failed["code"]) == (False, "program")
    assert runs(recorded, capsys, "--failed") == [failed]
    assert runs(recorded, capsys, "--limit", "1") == [failed]
    main(["runs", recorded])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{failed['execution']}  ")
    assert "failed (program)" in first
    assert "import uuid, time" in second


def test_show_tells_code_calls_and_what_came_of_them_without_secrets(recorded: str, capsys: Out) -> None:
    failed, fine = runs(recorded, capsys)
    assert main(["show", recorded, str(fine["execution"])]) == 0
    text = capsys.readouterr().out
    assert "ledger.add(n=1, note='for the record')  write, done after" in text
    assert "  x = await ledger.add(n=1" in text
    assert "replay: possible" in text
    assert main(["show", recorded, str(failed["execution"]), "--json"]) == 0
    told = capsys.readouterr().out
    assert json.loads(told)["message"] == "[redacted]"
    assert SECRET not in told


def test_replay_gives_the_same_result_with_no_upstream_there(recorded: str, capsys: Out) -> None:
    for each in runs(recorded, capsys):
        assert main(["replay", recorded, str(each["execution"])]) == 0
        told = capsys.readouterr()
        assert "the same as it was, byte for byte" in told.err
        assert ("result:\n[" in told.out) is each["ok"]


def test_an_id_may_be_given_by_how_it_begins(recorded: str, capsys: Out) -> None:
    first = str(runs(recorded, capsys)[0]["execution"])
    assert main(["show", recorded, first[:12]]) == 0
    assert main(["show", recorded, "x-"]) == 2
    assert "several executions begin with it" in capsys.readouterr().err
    assert main(["replay", recorded, "x-nothing"]) == 2
    assert "isthmus runs lists those that are kept" in capsys.readouterr().err


def test_resume_of_what_has_ended_tells_its_result_again(recorded: str, capsys: Out) -> None:
    failed, fine = runs(recorded, capsys)
    assert main(["resume", recorded, str(fine["execution"])]) == 0
    told = capsys.readouterr().out
    assert "result:\n[" in told
    assert "nothing was run now" in told
    assert main(["resume", recorded, str(failed["execution"])]) == 1
    assert "error: ValueError" in capsys.readouterr().out
