"""The demo's scenes, with the customers of its shop private: all work, and no customer is told of."""

import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.demo import data
from isthmus.demo.play import configured
from isthmus.demo.scenes import SCENES
from isthmus.demo.shop_service import Service, served
from tests.simulators.served import serving

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PEOPLE = [data.customer(number) for number in range(1, data.CUSTOMERS + 1)]


@pytest.mark.parametrize("mode", ["seal", "mask"])
async def test_every_scene_works_and_tells_of_no_customer(mode: str, tmp_path: Path) -> None:
    service = Service("a key of the demo")
    with served(service) as address:
        fields = [{"operations": ["shop.customers.*"], "paths": ["$..name"]}]
        private: dict[str, Any] = {"private": {"mode": mode, "kinds": ["email"], "fields": fields}}
        async with serving({**configured(address, service.token), **private}, tmp_path) as server:
            told = [await server.call(scene.tool, **scene.arguments) for scene in SCENES]
            whole = await server.execute("print(shop.customers.list()); shop.customers.get(customer='cus_7')")
    assert [each.is_error for each in told] == [scene.fails for scene in SCENES]
    assert "[EMAIL_" in whole.text
    assert "[NAME_" in whole.text
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.parent.name != "files"]
    left = b"".join([server.wire(), server.log().encode(), *(path.read_bytes() for path in kept)]).decode(
        errors="replace"
    )
    assert [person["email"] for person in PEOPLE if person["email"] in left] == []
    seen = {person["name"] for person in PEOPLE if json.dumps(person["name"]) in left}
    assert seen == set()
