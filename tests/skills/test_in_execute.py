"""Skills in whole executions: real Wasm, simulated upstreams, several sessions, servers and principals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from isthmus.compose import LOCAL, Application, application
from isthmus.config.loader import load
from isthmus.model import Effect, Principal, UpstreamState
from isthmus.render.results import Rendered
from tests.simulators.upstream import SimulatedUpstream, operation
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

ALICE, BOB = Principal("alice"), Principal("bob")
TEXT, INTEGER = {"type": "string"}, {"type": "integer"}
LIST = operation("shop.orders", required={"status": TEXT}, limit=INTEGER)
CANCEL = operation("shop.cancel", Effect.WRITE, required={"order": INTEGER})
LATE = """\
async def late_orders(status: str) -> list:
    found = await shop.orders(status=status)
    return [order.id for order in found if order.late]
print(await late_orders("paid"))
await save_skill(late_orders, "Ids of the orders that are late.")
"""
DOUBLE = "def double(n):\n    return 2 * n\nsave_skill(double, 'Twice a number.')"
CONFIGURATION = """\
upstreams:
  shop: {{url: "http://127.0.0.1:9/mcp"}}
policy: {{allow: [read]}}
data: {data}
{more}
"""


def shop(*operations: Any) -> SimulatedUpstream:
    orders = [{"id": 1, "late": True}, {"id": 2, "late": False}, {"id": 3, "late": True}]
    answers = {"orders": lambda _: orders, "cancel": lambda _: {"done": True}}
    return SimulatedUpstream("shop", operations or (LIST, CANCEL), answers)


@asynccontextmanager
async def server(folder: Path, upstream: SimulatedUpstream | None = None, more: str = "") -> AsyncIterator[Application]:
    path = folder / "isthmus.yaml"
    path.write_text(CONFIGURATION.format(data=folder / "data", more=more))
    configuration = load(path, {}).configuration
    upstreams = {"shop": upstream or shop()}
    async with application(configuration, base=folder, log=lambda _: None, upstreams=upstreams) as app:
        await app.settled(10)
        yield app


async def ran(app: Application, code: str, principal: Principal = LOCAL, session: str = "new") -> str:
    told = await app.execute(code, principal=principal, session=session)
    assert told.facts["ok"], told.text
    return told.text


async def failed(app: Application, code: str, principal: Principal = LOCAL) -> str:
    told = await app.execute(code, principal=principal, session="new")
    assert not told.facts["ok"], told.text
    return told.text


def calls(told: Rendered) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = told.facts["calls"]
    return found


async def test_a_skill_is_saved_found_imported_and_tracked_across_sessions_and_servers(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        assert "saved late_orders, version 1" in await ran(app, LATE)
        assert "saved already, as version 1" in await ran(app, LATE)
    async with server(tmp_path) as app:
        found = await app.search("orders that are late")
        assert found.split("\n")[1:6] == [
            "# skills.late_orders [reads; version 1; not used yet; not reviewed by a person]",
            "from skills import late_orders",
            "async def late_orders(status: str) -> list:",
            '    """Ids of the orders that are late."""',
            "    # for example: late_orders('paid')",
        ]
        assert "shop.orders" in found
        told = await app.execute("from skills import late_orders\nawait late_orders('paid')", session="new")
        assert "[1,3]" in told.text.replace(" ", "")
        assert [call["operation"] for call in calls(told)] == ["shop.orders"]
        await failed(app, "from skills import late_orders\nawait late_orders(5, 6)")
        assert "2 calls, 1 failed" in await app.search("late orders")
        assert "late_orders" in await ran(app, "print(search('late orders'))")
        assert "late_orders" in await app.search("")


async def test_what_a_skill_says_of_its_place_is_in_its_file(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        await ran(app, LATE)
    [file] = (tmp_path / "data" / "skills").rglob("*.py")
    text = file.read_text()
    assert "# uses: shop.orders\n# example: late_orders('paid')\n# saved: 20" in text
    assert " by local in x-" in text
    assert '"shop.orders"' in file.with_suffix(".lock").read_text()


async def test_an_example_comes_from_an_earlier_program_of_the_session(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        told = await app.execute("def double(n):\n    return 2 * n\ndouble(21)", session="new")
        await ran(app, "save_skill(double, 'Twice a number.')", session=told.facts["session"])
        assert "# for example: double(21)" in await app.search("skills.double")


async def test_another_principal_neither_sees_nor_loads_it(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        await ran(app, DOUBLE, ALICE)
        assert "there is no skill 'double'" in await failed(app, "from skills import double", BOB)
        assert "double" not in await app.search("twice a number", principal=BOB)
        assert "double" not in await app.search("", upstream="skills", principal=BOB)
        assert "[]" in await ran(app, "import skills\nprint(dir(skills))", BOB)
        await ran(app, DOUBLE.replace("2 *", "3 *"), BOB)
        assert "8" in await ran(app, "from skills import double\ndouble(4)", ALICE)
        assert "12" in await ran(app, "from skills import double\ndouble(4)", BOB)


async def test_a_skill_has_no_more_authority_than_the_program_that_imports_it(tmp_path: Path) -> None:
    upstream = shop()
    more = "skills: {folder: team}"
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "cancel_all.py").write_text(
        'async def cancel_all(n):\n    """Cancel orders."""\n    return await shop.cancel(order=n)\n'
    )
    async with server(tmp_path, upstream, more) as app:
        text = await failed(app, "from skills import cancel_all\nawait cancel_all(1)", ALICE)
        assert "Refused" in text
        assert 'File "<skill cancel_all>", line 3' in text
    assert upstream.calls == []


async def test_a_changed_operation_is_told_where_the_skill_is_found_and_where_it_is_used(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        await ran(app, LATE)
        assert "BROKEN" not in await app.search("late orders")
    changed = operation("shop.orders", required={"status": INTEGER, "region": TEXT}, limit=INTEGER)
    async with server(tmp_path, shop(changed, CANCEL)) as app:
        assert "BROKEN: shop.orders changed: " in await app.search("late orders")
        text = (await app.execute("from skills import late_orders\n1", session="new")).text
        assert "the skill late_orders may be broken: shop.orders changed: " in text
    harmless = operation("shop.orders", required={"status": TEXT}, limit=INTEGER, region=TEXT)
    async with server(tmp_path, shop(harmless, CANCEL)) as app:
        assert "BROKEN" not in await app.search("late orders")
    async with server(tmp_path, shop(CANCEL)) as app:
        assert "BROKEN: shop.orders is gone" in await app.search("late orders")


async def test_an_upstream_that_is_away_breaks_no_skill(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        await ran(app, LATE)
    upstream = shop()
    async with server(tmp_path, upstream) as app:
        upstream.change(UpstreamState.FAILED, (), "down")
        with anyio.fail_after(SOON):
            while app.upstreams()[0].state is UpstreamState.READY:
                await anyio.lowlevel.checkpoint()
        assert "BROKEN" not in await app.search("late orders", upstream="skills")


async def test_a_skill_whose_skill_is_broken_is_broken(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        await ran(app, LATE)
        await ran(
            app,
            "async def count_late():\n    from skills import late_orders\n    return len(await late_orders('paid'))\n"
            "save_skill(count_late, 'How many are late.')",
        )
        assert "2" in await ran(app, "from skills import count_late\nawait count_late()")
    async with server(tmp_path, shop(CANCEL)) as app:
        assert "BROKEN: the skill late_orders, which it needs, is broken" in await app.search("skills.count_late")


async def test_what_a_person_has_reviewed_no_program_replaces(tmp_path: Path) -> None:
    more = "skills: {folder: team}"
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "double.py").write_text('def double(n):\n    """Twice."""\n    return 2 * n\n')
    async with server(tmp_path, more=more) as app:
        text = await failed(app, DOUBLE.replace("2 *", "3 *"))
        assert "reviewed by a person" in text
        own = "def double(n):\n    return n\nsave_skill(double, 'x')"
        assert "reviewed by a person" in await failed(app, own, ALICE)
        assert "4" in await ran(app, "from skills import double\ndouble(2)")


REFUSED = [
    ("K = 3\ndef f(n):\n    return n * K\nsave_skill(f, 'x')", "`K` is neither its own"),
    (
        "await call('isthmus.skills.save', {'name': '../f', 'source': 'def f(): pass', 'description': 'x'})",
        "no name",
    ),
    ("await call('isthmus.skills.save', {'name': 'f', 'source': 'import os', 'description': 'x'})", "one function"),
    ("await call('isthmus.skills.save', {'name': 'f', 'source': 1, 'description': 'x'})", "source: a string"),
    ("await call('isthmus.skills.load', {'name': '../../etc/passwd'})", "no name of a skill"),
    ("await call('isthmus.skills.delete', {'name': 'f'})", "no operation"),
    ("from skills import nothing", "there is no skill 'nothing'"),
]


async def test_what_cannot_be_is_refused_at_the_door(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        told = [(program, await failed(app, program)) for program, _ in REFUSED]
    assert [program for (program, text), (_, words) in zip(told, REFUSED, strict=True) if words not in text] == []
    assert list((tmp_path / "data").rglob("*.py")) == []


async def test_a_record_of_use_that_is_made_up_counts_for_nothing(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        await ran(app, DOUBLE)
        for uses in (
            "[['double', 'sha256:0', True, 999, 0]]",
            "[['../x', 'h', True, 1, 0]]",
            "[['double', 1]]",
            "[['double', 'x', True, 10**15, 0]]",
            "5",
            "None",
        ):
            await ran(app, f"await call('isthmus.skills.used', {{'uses': {uses}}})")
        assert "not used yet" in await app.search("skills.double")


async def test_saving_can_be_switched_off(tmp_path: Path) -> None:
    async with server(tmp_path, more="skills: {save: false}") as app:
        assert "no skills are saved here" in await failed(app, DOUBLE)


async def test_a_simulation_saves_nothing(tmp_path: Path) -> None:
    async with server(tmp_path) as app:
        assert "would save double, version 1" in await ran(app, f"await simulate()\n{DOUBLE}")
        assert "there is no skill 'double'" in await failed(app, "from skills import double")


async def test_a_replay_has_the_skills_that_the_execution_had(tmp_path: Path) -> None:
    from isthmus.compose import records

    async with server(tmp_path) as app:
        await ran(app, DOUBLE)
        told = await app.execute("from skills import double\nprint(double(4))\n" + "double(5)", session="new")
        await ran(app, DOUBLE.replace("2 *", "3 *"))
        execution = told.facts["execution"]
    files = {path: path.read_bytes() for path in (tmp_path / "data" / "skills").rglob("*.py")}
    configuration = load(tmp_path / "isthmus.yaml", {}).configuration
    async with records(configuration, base=tmp_path, log=lambda _: None) as kept:
        sandbox = kept.sandbox()
        await sandbox.start()
        try:
            again = await kept.archive.replay(await kept.archive.transcript(execution), sandbox, kept.keep_files)
        finally:
            await sandbox.close()
    assert (again.report.ok, again.report.value, again.report.output) == (True, 10, "8\n")
    assert {path: path.read_bytes() for path in files} == files


async def test_a_credential_in_a_function_is_not_kept(tmp_path: Path) -> None:
    more = ""
    path = tmp_path / "isthmus.yaml"
    async with server(tmp_path, more=more):
        pass
    secret = "canary-4f1c9e7a55"
    path.write_text(
        f'upstreams: {{shop: {{url: "http://127.0.0.1:9/mcp", auth: {{bearer: {secret}}}}}}}\ndata: {tmp_path}/data\n'
    )
    configuration = load(path, {}).configuration
    async with application(configuration, base=tmp_path, log=lambda _: None, upstreams={"shop": shop()}) as app:
        text = await failed(app, f"def f():\n    return '{secret}'\nsave_skill(f, 'A value.')")
        assert "holds a credential" in text
    assert all(
        secret.encode() not in file.read_bytes() for file in (tmp_path / "data").rglob("skills*") if file.is_file()
    )
