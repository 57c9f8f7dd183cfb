"""Recorded executions as contract tests: kept from the journal, and run again with nobody on the other side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from isthmus.compose import application
from isthmus.compose.rehearsal import grounds_of
from isthmus.config.loader import load
from isthmus.contracts.recorded import RecordedCall
from isthmus_sandbox.component import shipped
from isthmus_sandbox.protocol import SandboxUnavailable
from tests.simulators.project import EMAIL, ORDERS, SECRET, Project, project
from tests.simulators.recordings import keep_recording
from tests.simulators.report_formats import junit_problems, sarif_problems

pytestmark = pytest.mark.slow

TOTAL = "orders = await shop.list_orders(status='open')\nsum(order.total for order in orders)"
ALL = """\
import asyncio, random, time, uuid

orders, greeting = await asyncio.gather(shop.list_orders(status="open"), desk.echo("hello"))
try:
    await shop.get_order(id="ord_9")
except NotFound as gone:
    print(gone.status, gone.body["message"])
print("get_order" in search("one order"))
[greeting, [order.total for order in orders], uuid.uuid4().hex, random.random(), time.time()]
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with three recordings, which has been cut off from everything since."""
    try:
        shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with project(tmp_path_factory.mktemp("kept")) as here:
        here.recorded(ALL, "everything")
        here.recorded(TOTAL, "total")
        here.recorded("(await shop.create_order(item='tea')).id", "write")
        assert here.isthmus("lock") == 0
    here.lose_everything()
    return here


@pytest.fixture
def here(kept: Project) -> Iterator[Project]:
    """The same, put in order after a test has changed something."""
    settings, document = kept.settings, json.loads(json.dumps(kept.document))
    yield kept
    kept.document = document
    kept.describe()
    kept.settings = settings
    kept.configure(policy=settings.get("policy"))


def rules(found: Any, name: str) -> set[str]:
    """The rules of what was found in a recording and fails it."""
    [result] = [one for one in found["results"] if one["name"] == name]
    return {one["rule"] for one in result["findings"] if one["fails"]}


def test_recordings_replay_to_the_byte_with_nothing_there(here: Project) -> None:
    found = here.replayed()
    assert (found["code"], found["counts"]) == (0, {"passed": 3, "failed": 0, "unchecked": 0}), found
    assert found["schemas"]["shop"] == "its document, shop.json"
    assert found["schemas"]["desk"].startswith("as it is locked (it is failed")
    assert here.replayed("total", "--offline")["schemas"] == {"shop": "its document, shop.json"}


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], str, set[str]]] = [
    (lambda it: it["paths"].pop("/orders"), "total", {"operation-gone", "program-fails"}),
    (
        lambda it: it["paths"]["/orders"]["get"]["parameters"][0].update(name="state"),
        "total",
        {"arguments-refused", "program-fails"},
    ),
    (
        lambda it: it["paths"]["/orders"]["get"]["parameters"].append(
            {"name": "shop", "in": "query", "required": True, "schema": {"type": "string"}}
        ),
        "total",
        {"arguments-refused", "program-fails"},
    ),
    (
        lambda it: it["paths"]["/orders"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"][
            "properties"
        ]["total"].update(type="string"),
        "total",
        {"answer-departs"},
    ),
]


@pytest.mark.parametrize(("change", "name", "expected"), CHANGES)
def test_a_change_of_the_document_fails_the_recordings_that_it_breaks_at_the_line(
    here: Project, change: Callable[[dict[str, Any]], Any], name: str, expected: set[str]
) -> None:
    here.describe(change)
    found = here.replayed("total", "write")
    assert found["code"] == 1
    assert rules(found, name) == expected
    [result] = [one for one in found["results"] if one["name"] == name]
    assert {one["line"] for one in result["findings"]} == {1}
    assert result["findings"][0]["file"].endswith("recordings/total/program.py")


def test_openapi_core_judges_beside_our_own_validation_which_says_nothing_here(here: Project) -> None:
    def hide(document: dict[str, Any]) -> None:
        answer = document["paths"]["/orders/{id}"]["get"]["responses"]["200"]["content"]["application/json"]
        answer["schema"] = {**answer["schema"], "properties": {"total": {"type": "integer", "writeOnly": True}}}

    execution = here.folder / "recordings" / "one"
    keep_recording(execution, [RecordedCall("shop.get_order", {"id": "ord_1"}, answered=1, answer=ORDERS[0])])
    try:
        assert rules(here.replayed("one"), "one") == {"call-missing"}  # by a program that does nothing
        here.describe(hide)
        found = here.replayed("one")
    finally:
        shutil.rmtree(execution)
    assert rules(found, "one") == {"call-missing", "answer-departs"}
    assert "write-only" in here.out


def test_without_openapi_core_it_is_said_what_is_not_judged(here: Project) -> None:
    found = load(here.folder / "isthmus.json", {})
    grounding = partial(
        grounds_of, found.configuration, found.base, ["shop"], None, offline=True, judging=False, seconds=5.0
    )
    grounds = anyio.run(grounding)
    assert grounds.documents == {}
    assert grounds.sources["shop"].endswith("(openapi-core is not installed: pip install 'isthmus[contracts]')")


def test_a_change_of_the_policy_shows_as_the_rule_that_refuses(here: Project) -> None:
    here.configure(policy={"deny": ["shop.create_order"]})
    found = here.replayed("write", "total")
    assert (rules(found, "write"), rules(found, "total")) == ({"program-fails"}, set())
    assert "denied by the rule 'shop.create_order'" in here.out


def test_a_rule_for_one_principal_counts_where_recordings_are_run_as_that_one(here: Project) -> None:
    here.configure(policy={"allow": ["read", "write"], "rules": [{"principals": ["intern"], "then": "deny"}]})
    assert rules(here.replayed("write"), "write") == set()
    assert rules(here.replayed("write", "--principal", "intern"), "write") == {"program-fails"}
    assert here.isthmus("check", "--principal", "intern") == 2
    assert "--principal means nothing without --replay" in here.err


def test_a_call_that_a_person_would_be_asked_about_is_remarked_and_goes_on(here: Project) -> None:
    here.configure(policy={"approve": ["shop.create_order"]})
    found = here.replayed("write")
    assert found["code"] == 0
    assert [one["rule"] for one in found["results"][0]["findings"]] == ["not-checked", "asks-first"]


def test_a_program_that_is_edited_is_run_as_it_stands(here: Project) -> None:
    program = here.folder / "recordings" / "total" / "program.py"
    source = program.read_text()
    try:
        program.write_text(source.replace("status='open'", "status='paid'"))
        assert rules(here.replayed("total"), "total") == {"program-fails", "call-unknown"}
        program.write_text(source.replace("sum(", "max("))
        assert rules(here.replayed("total"), "total") == {"result-differs"}
        program.write_text("0")
        assert rules(here.replayed("total"), "total") == {"result-differs", "call-missing"}
        program.write_text(f"print('more')\n{source}")
        assert rules(here.replayed("total"), "total") == {"output-differs"}
    finally:
        program.write_text(source)


def test_what_is_known_of_nowhere_is_not_checked_and_that_is_no_success(here: Project) -> None:
    (here.folder / "isthmus.lock").rename(here.folder / "put-aside")
    try:
        found = here.replayed("everything", "total")
    finally:
        (here.folder / "put-aside").rename(here.folder / "isthmus.lock")
    assert (found["code"], found["counts"]) == (2, {"passed": 1, "failed": 0, "unchecked": 1})
    assert "nothing is known of desk" in found["results"][0]["unchecked"]
    assert "the lock has nothing of it" in found["schemas"]["desk"]


def test_replays_are_reported_in_the_formats_of_others(here: Project) -> None:
    here.describe(lambda it: it["paths"].pop("/orders/{id}"))
    for form, problems in (("junit", junit_problems), ("sarif", sarif_problems)):
        assert here.isthmus("check", "--replay", "--format", form) == 1
        assert problems(here.out) == []
    log = json.loads(here.out)
    [gone] = [one for one in log["runs"][0]["results"] if one["ruleId"] == "operation-gone"]
    place = gone["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("recordings/everything/program.py")
    assert (place["region"]["startLine"], gone["level"]) == (5, "error")
    assert here.isthmus("check", "--replay", "--fail-on", "never") == 0
    assert "failed     everything: 3 calls" in here.out


def test_recordings_hold_no_secret_and_are_plain_files(here: Project) -> None:
    texts = [file.read_text() for file in (here.folder / "recordings").rglob("*") if file.is_file()]
    assert not any(SECRET in text for text in texts)
    assert any("[redacted]" in text for text in texts)
    assert (here.folder / "recordings/total/program.py").read_text() == TOTAL
    calls = json.loads((here.folder / "recordings/everything/recording.json").read_text())["runs"][0]["calls"]
    assert [(one["operation"], one["status"]) for one in calls] == [
        ("shop.list_orders", "done"),
        ("desk.echo", "done"),
        ("shop.get_order", "failed"),
        ("isthmus.search", "done"),
    ]


@pytest.fixture
def alive(tmp_path: Path, kept: Project) -> Iterator[Project]:
    """A project of the test's own, whose shop is there."""
    with project(tmp_path, desk=False) as here:
        yield here


def test_private_values_are_tokens_in_recordings_and_replay_as_tokens(alive: Project) -> None:
    for mode in ("seal", "mask"):
        alive.configure(private={"kinds": ["email"], "mode": mode})
        alive.recorded("[order.customer for order in await shop.list_orders(status='open')]", mode)
        text = (alive.folder / "recordings" / mode / "recording.json").read_text()
        assert EMAIL not in text
        assert "[EMAIL_1]" in text
    found = alive.replayed()
    assert found["code"] == 0, found
    remarks = [one["rule"] for result in found["results"] for one in result["findings"]]
    assert remarks == ["not-checked", "not-checked"]


def test_the_programs_that_led_to_an_execution_are_kept_with_it(alive: Project) -> None:
    found = load(alive.folder / "isthmus.json", {})

    async def conversation() -> str:
        async with application(found.configuration, base=found.base, log=lambda _: None) as app:
            await app.settled(30)
            await app.execute("orders = await shop.list_orders(status='open')\nlen(orders)", session="new")
            latest = await app.journals.summaries(limit=1)
            await app.execute(
                "from pathlib import Path\nPath('/workspace/a').write_text('b')", session=latest[0].session
            )
            told = await app.execute("[orders[0].total, Path('/workspace/a').read_text()]", session=latest[0].session)
            return str(told.facts["execution"])

    execution = anyio.run(conversation)
    assert alive.isthmus("record", execution, "--name", "led") == 0
    names = sorted(file.name for file in (alive.folder / "recordings/led").iterdir())
    assert names == ["program.py", "program_1.py", "program_2.py", "recording.json"]
    assert alive.isthmus("record", execution, "--name", "alone", "--alone") == 0
    found_now = alive.replayed()
    assert rules(found_now, "led") == set()
    assert rules(found_now, "alone") == {"program-fails"}  # it was not, and that is seen


def test_recordings_are_listed_kept_replaced_and_removed(alive: Project) -> None:
    assert alive.isthmus("record") == 0
    assert (alive.out, "0 recordings in" in alive.err) == ("", True)
    assert alive.isthmus("check", "--replay") == 2
    assert "there are no recordings" in alive.err
    one, other = alive.ran("1"), alive.ran("raise ValueError('no')")
    assert alive.isthmus("record", one, other) == 0
    assert alive.isthmus("record") == 0
    assert [line.split()[0] for line in alive.out.splitlines()] == sorted([one, other])
    assert alive.isthmus("record", other, "--name", one) == 2
    assert "--replace" in alive.err
    assert alive.isthmus("record", other, "--name", one, "--replace") == 0
    assert "ValueError" in (alive.folder / "recordings" / one / "program.py").read_text()
    assert alive.replayed()["code"] == 0
    assert alive.isthmus("record", "--remove", one) == 0
    assert alive.isthmus("record", "--remove", one) == 2
    assert f"there are: {other}" in alive.err
    for bad in ("../up", "a/b", ".hidden", "x" * 65):
        assert alive.isthmus("record", other, "--name", bad) == 2
        assert "cannot be called" in alive.err
    assert sorted(path.name for path in (alive.folder / "recordings").iterdir()) == [other]


def test_what_is_too_large_or_has_no_end_is_not_recorded_and_told_why(alive: Project) -> None:
    large = alive.ran("'x' * 300_000")
    assert alive.isthmus("record", large, "--kb", "100") == 2
    assert "more than 100 KiB (--kb)" in alive.err
    stopped = alive.ran("while True: pass", "--timeout", "0.5")
    assert alive.isthmus("record", stopped) == 2
    assert "is not whole" in alive.err
    assert alive.isthmus("record", "x-none") == 2
    assert not (alive.folder / "recordings").exists()


def test_failures_of_upstreams_and_calls_that_were_given_up_replay_as_they_went(alive: Project) -> None:
    down = "try:\n    await shop.get_order(id='ord_5')\nexcept UpstreamUnavailable as down:\n    print(down.status)"
    folder = alive.recorded(down, "down")
    assert '"output": "503' in (folder / "recording.json").read_text()
    given_up = (
        "import asyncio\n"
        "tasks = [asyncio.ensure_future(shop.get_order(id='ord_1')) for _ in range(2)]\n"
        "tasks[1].cancel()\n"
        "(await tasks[0]).total"
    )
    alive.recorded(given_up, "given-up")
    found = alive.replayed()
    assert found["code"] == 0, found


def test_a_call_that_was_refused_is_refused_again_and_noticed_where_it_is_not(alive: Project) -> None:
    alive.configure(policy={"deny": ["shop.create_order"]})
    program = (
        "name = 'shop.create_order'\ntry:\n    await call(name, {'item': 'tea'})\nexcept Refused:\n    print('no')"
    )
    alive.recorded(program, "refused")
    assert alive.replayed()["code"] == 0
    alive.configure(policy=None)
    found = alive.replayed()
    assert rules(found, "refused") == {"program-fails"}
    assert "is allowed today" in alive.out
