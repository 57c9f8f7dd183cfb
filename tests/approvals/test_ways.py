"""A call that needs a person's consent, asked for in each of the ways that clients know."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from isthmus.compose import APPROVALS, Application, application
from isthmus.config.model import Configuration
from isthmus.front.consent import ALWAYS, NO, ONCE
from isthmus.front.server import build
from isthmus.model import Effect, Principal, Reply
from isthmus.stores.approvals import ApprovalFile
from tests.simulators.upstream import SimulatedUpstream, operation
from tests.simulators.waiting import SOON

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LIST = operation("shop.orders.list")
CLOSE = operation("shop.orders.close", Effect.WRITE, required={"order": {"type": "string"}}, note={"type": "string"})
ONE = "await shop.orders.close(order='o1')"
BOTH = """\
import asyncio
await asyncio.gather(shop.orders.close(order="o1"), shop.orders.list(), shop.orders.close(order="o2"))
"""
CAUGHT = """\
try:
    await shop.orders.close(order="o1")
except Refused as refused:
    print("refused:", refused)
len(await shop.orders.list())
"""


class Shop:
    """An application in front of one shop whose writes need consent."""

    def __init__(self, folder: Path, **policy: Any) -> None:
        self.folder = folder
        self.configuration = Configuration.model_validate(
            {
                "upstreams": {"shop": {"command": ["none"]}},
                "policy": {"approve": ["write"], **policy},
                "limits": {"wall": 5, "spare_workers": 1},
                "data": str(folder / "data"),
            }
        )
        answers = {"orders.list": lambda _: [1, 2, 3], "orders.close": lambda given: f"closed {given['order']}"}
        self.upstream = SimulatedUpstream("shop", (LIST, CLOSE), answers)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Application]:
        with anyio.fail_after(60):
            async with application(
                self.configuration, base=self.folder, log=lambda _: None, upstreams={"shop": self.upstream}
            ) as app:
                await app.settled(10)
                yield app

    @property
    def closed(self) -> list[str]:
        return sorted(given["order"] for name, given in self.upstream.calls if name == "orders.close")


class Person:
    """Answers elicitations as told, and remembers what was shown."""

    def __init__(self, answer: str | None, seconds: float = 0.0) -> None:
        self.answer = answer
        self.seconds = seconds
        self.shown: list[str] = []

    async def __call__(self, _: Any, params: Any) -> types.ElicitResult:
        self.shown.append(params.message)
        await anyio.sleep(self.seconds)
        if self.answer is None:
            return types.ElicitResult(action="decline")
        assert self.answer in params.requested_schema["properties"]["answer"]["enum"]
        return types.ElicitResult(action="accept", content={"answer": self.answer})


async def executed(app: Application, mode: str, code: str, person: Person | None, **more: Any) -> tuple[str, Any]:
    async def opened() -> Application:
        return app

    async with Client(build(opened), mode=mode, elicitation_callback=person) as client:  # type: ignore[arg-type]
        result = await client.call_tool("execute", {"code": code, **more})
        [content] = result.content
        assert isinstance(content, types.TextContent)
        return content.text, (result.meta or {})["isthmus"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_person_is_shown_each_call_and_agrees(tmp_path: Path, mode: str) -> None:
    """`legacy` is an elicitation, `auto` a result of 2026-07-28 that asks for input."""
    shop, person = Shop(tmp_path), Person(ONCE)
    async with shop.open() as app:
        text, facts = await executed(app, mode, BOTH, person)
    assert '["closed o1",[1,2,3],"closed o2"]' in text
    assert 'changes:\n  shop.orders.close(order="o1")\n  shop.orders.close(order="o2")' in text
    assert [change["status"] for change in facts["changes"]] == ["done", "done"]
    assert shop.closed == ["o1", "o2"]
    assert sorted(person.shown) == [
        "Allow this call?\n  operation: shop.orders.close (write)\n  upstream:  shop\n  arguments:\n"
        f'    order = "{order}"\n  asked because: shop.orders.close (write) needs the user\'s approval'
        for order in ("o1", "o2")
    ]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("answer", [None, NO])
async def test_what_a_person_refuses_is_an_exception_and_the_program_goes_on(
    tmp_path: Path, mode: str, answer: str | None
) -> None:
    shop = Shop(tmp_path)
    async with shop.open() as app:
        text, facts = await executed(app, mode, CAUGHT, Person(answer))
    assert "refused: shop.orders.close was not approved: the user declined" in text
    assert "result: 3" in text
    assert [(call["operation"], call["status"]) for call in facts["calls"]] == [
        ("shop.orders.close", "refused"),
        ("shop.orders.list", "done"),
    ]
    assert shop.closed == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_is_approved_for_good_is_not_asked_again_with_the_same_arguments(tmp_path: Path, mode: str) -> None:
    shop, person = Shop(tmp_path), Person(ALWAYS)
    async with shop.open() as app:
        for order in ("o1", "o1", "o2"):
            await executed(app, mode, f"await shop.orders.close(order='{order}')", person)
    assert shop.closed == ["o1", "o1", "o2"]
    assert len(person.shown) == 2


async def test_the_persons_time_counts_against_no_limit(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open() as app:
        text, _ = await executed(app, "legacy", ONE, Person(ONCE, seconds=2.5), timeout=2)
    assert "closed o1" in text


async def test_a_client_that_can_do_neither_is_told_what_waits_and_how_it_goes_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open() as app:
        text, facts = await executed(app, "legacy", BOTH, None)
        assert text.startswith("waiting: for the user's approval of 2 calls; not made yet:")
        assert "isthmus approve q-" in text
        assert shop.upstream.calls == [("orders.list", {})], "what needs no consent went on"
        elsewhere = ApprovalFile(tmp_path / "data" / APPROVALS, time.time)
        for question in facts["waits"]:
            assert elsewhere.answer(question, Reply(approved=True))
        elsewhere.close()
        again, _ = await executed(app, "legacy", "", None, session=facts["execution"])
    assert '["closed o1",[1,2,3],"closed o2"]' in again
    assert shop.closed == ["o1", "o2"]


@pytest.mark.parametrize("answered", ["before", "after"])
async def test_it_is_resumed_from_its_journal_where_its_server_has_ended(tmp_path: Path, answered: str) -> None:
    shop = Shop(tmp_path)
    code = f"n = len(await shop.orders.list())\nx = {ONE}\n(n, x)"
    async with shop.open() as app:
        _, facts = await executed(app, "legacy", code, None)
    store = ApprovalFile(tmp_path / "data" / APPROVALS, time.time)
    if answered == "before":
        assert store.answer(facts["waits"][0], Reply(approved=True))
    async with shop.open() as app:
        text, later = await executed(app, "legacy", "", None, session=facts["execution"])
        if answered == "after":
            assert later["waits"] == facts["waits"], "the same call asks the same question"
            assert store.answer(facts["waits"][0], Reply(approved=True))
            text, later = await executed(app, "legacy", "", None, session=facts["execution"])
    store.close()
    assert '[3,"closed o1"]' in text
    assert shop.upstream.calls == [("orders.list", {}), ("orders.close", {"order": "o1"})], "nothing was called twice"


async def test_one_that_nobody_comes_back_to_is_put_aside_and_resumed_later(tmp_path: Path) -> None:
    shop = Shop(tmp_path, patience=0.2)
    async with shop.open() as app:
        _, facts = await executed(app, "legacy", ONE, None)
        with anyio.fail_after(SOON):
            while app.executing.detached.find(Principal(), facts["execution"]) is not None:  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.05)
        app.answer({facts["waits"][0]: Reply(approved=True)})
        text, _ = await executed(app, "legacy", "", None, session=facts["execution"])
    assert "closed o1" in text
    assert shop.closed == ["o1"]


async def test_approvals_are_worth_nothing_to_another_principal(tmp_path: Path) -> None:
    shop, mallory = Shop(tmp_path), Principal("mallory")
    async with shop.open() as app:
        _, facts = await executed(app, "legacy", ONE, None)
        assert app.questions(mallory) == ()
        app.answer({facts["waits"][0]: Reply(approved=True)}, mallory)
        stolen = await app.execute("", session=facts["execution"], principal=mallory, consent="later")
        assert "there is no execution" in stolen.text
        assert shop.closed == []


async def test_another_program_ends_the_one_that_waits_and_its_questions(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open() as app:
        _, facts = await executed(app, "legacy", ONE, None)
        text, _ = await executed(app, "legacy", "1 + 1", None, session=facts["execution"])
        assert "result: 2" in text
        assert app.questions() == ()
        assert shop.closed == []


async def test_other_programs_of_a_session_that_waits_are_told_so_at_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open() as app:
        _, facts = await executed(app, "legacy", ONE, None)
        text, _ = await executed(app, "legacy", "1 + 1", None)
        assert f'go on with session="{facts["execution"]}"' in text
        text, _ = await executed(app, "legacy", "1 + 1", None, session="new")
        assert "result: 2" in text


async def test_without_anybody_to_ask_such_a_call_is_refused_with_the_remedy(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.open() as app:
        rendered = await app.execute(ONE)
    assert rendered.is_error
    assert "take 'write' out of policy.approve" in rendered.text


async def test_a_dry_run_reads_and_lists_what_it_would_have_changed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, writes="simulate")
    async with shop.open() as app:
        rendered = await app.execute(BOTH)
    assert 'simulated (not sent; answered by examples):\n  shop.orders.close(order="o1")' in rendered.text
    assert "changes:" not in rendered.text
    assert [change["status"] for change in rendered.facts["changes"]] == ["simulated", "simulated"]
    assert shop.upstream.calls == [("orders.list", {})]


async def test_a_dry_run_needs_no_write_to_be_allowed_and_says_what_would_be_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path, approve=[], writes="simulate", deny=["shop.hidden"])
    async with shop.open() as app:
        rendered = await app.execute(BOTH)
        assert "shop.orders.close [write, simulated]" in await app.search("shop.orders.close")
    assert [change["status"] for change in rendered.facts["changes"]] == ["simulated", "simulated"]
    assert "it would be refused: shop.orders.close is a write operation, and only read is allowed" in rendered.text
    assert "add 'write' to upstreams.shop.allow" in rendered.text
    assert shop.upstream.calls == [("orders.list", {})]


async def test_a_program_can_try_what_it_is_not_allowed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, approve=[])
    async with shop.open() as app:
        rendered = await app.execute(f"simulate()\n{ONE}\nlen(await shop.orders.list())")
        assert "simulated (not sent; answered by examples):\n  shop.orders.close" in rendered.text
        assert "it would be refused" in rendered.text
        real = await app.execute(ONE)
    assert "Refused" in real.text
    assert "simulate()" in real.text
    assert shop.closed == []


async def test_what_is_denied_by_name_is_refused_in_a_dry_run_too(tmp_path: Path) -> None:
    shop = Shop(tmp_path, approve=[], writes="simulate", rules=[{"operations": ["*.close"], "then": "deny"}])
    async with shop.open() as app:
        rendered = await app.execute(f"n = await shop.orders.list()\n{ONE}")
    assert "is refused by the rule" in rendered.text
    assert shop.upstream.calls == []


async def test_a_program_can_ask_that_its_own_writes_be_simulated(tmp_path: Path) -> None:
    shop = Shop(tmp_path, approve=[], allow=["read", "write"])
    async with shop.open() as app:
        rendered = await app.execute(f"simulate()\n{ONE}\nlen(await shop.orders.list())")
        assert 'shop.orders.close(order="o1")' in rendered.text
        assert shop.closed == []
        real = await app.execute(ONE)
    assert "changes:" in real.text
    assert shop.closed == ["o1"], "it is for one execution"
