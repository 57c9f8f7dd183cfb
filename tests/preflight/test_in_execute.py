"""A program that cannot succeed is refused before it does anything; in its session, all else goes on."""

from pathlib import Path

import pytest

from isthmus.compose import application
from isthmus.config.model import Configuration
from isthmus.model import Effect
from tests.simulators.upstream import SimulatedUpstream, operation

pytestmark = pytest.mark.anyio

LIST = operation("shop.orders.list")
CLOSE = operation("shop.orders.close", Effect.WRITE, required={"order": {"type": "string"}})


@pytest.mark.slow
async def test_nothing_is_called_before_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    shop = SimulatedUpstream("shop", (LIST, CLOSE), {"orders.list": lambda _: [1], "orders.close": lambda _: None})
    configuration = Configuration.model_validate(
        {"upstreams": {"shop": {"command": ["none"], "allow": ["read", "write"]}}, "data": str(tmp_path / "data")}
    )
    async with application(configuration, base=tmp_path, log=lambda _: None, upstreams={"shop": shop}) as app:
        await app.settled(10)
        await app.execute("kept = 41")
        refused = await app.execute("await shop.orders.close(order='o1')\nawait shop.orders.lst()\nshop.orders.close()")
        assert refused.is_error
        assert "line 2: there is no operation 'shop.orders.lst'" in refused.text
        assert "line 3: shop.orders.close" in refused.text
        assert refused.facts["error"] == {"code": "preflight", "type": "PreflightError", "line": 2}
        assert shop.calls == []
        again = await app.execute("await shop.orders.close(order='o1')\nkept + len(await shop.orders.list())")
        assert "result: 42" in again.text
        shadowed = await app.execute("class Own:\n    def lst(self): return 'own'\nshop = Own()\nshop.lst()")
        assert "own" in shadowed.text
        assert "own" in (await app.execute("shop.lst()")).text, "the session's own variable is meant"
