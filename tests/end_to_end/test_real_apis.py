"""Three real documents behind one server: search finds the operation, a program calls it, the service saw it."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulators.openapi_service import OpenApiService, Recorded, Reply
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import Served, serving

pytestmark = pytest.mark.anyio

HIT = re.compile(r"^# (\w+(?:\.\w+)+)", re.MULTILINE)
TOKENS = {"CLOUDFLARE_TOKEN": "cf-token-7", "GITHUB_TOKEN": "gh-token-8", "STRIPE_KEY": "sk-test-9"}


@dataclass
class House:
    """The server, and the services behind it."""

    server: Served
    services: dict[str, OpenApiService]

    async def requests(self, upstream: str, code: str) -> list[Recorded]:
        """What the service saw of a program, which has to succeed."""
        before = len(self.services[upstream].requests)
        told = await self.server.execute(code)
        assert not told.is_error, told.text
        return self.services[upstream].requests[before:]

    async def request(self, upstream: str, code: str) -> Recorded:
        """The same, of a program that makes one call."""
        (request,) = await self.requests(upstream, code)
        return request

    async def hits(self, query: str, **more: Any) -> list[str]:
        """The ids of the operations that search gives, best first."""
        return HIT.findall(await self.server.search(query, **more))


@pytest.fixture(scope="module")
async def house(
    real_document: Callable[[str], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("apis")
    upstreams: dict[str, Any] = {}
    services: dict[str, OpenApiService] = {}
    with ExitStack() as ports:
        for name, token, path in (
            ("cloudflare", "CLOUDFLARE_TOKEN", "/client/v4"),
            ("github", "GITHUB_TOKEN", ""),
            ("stripe", "STRIPE_KEY", "/"),
        ):
            root = real_document(name)
            services[name] = OpenApiService(root)
            (folder / f"{name}.json").write_text(json.dumps(root))
            origin = ports.enter_context(service_on_a_port(services[name]))
            upstreams[name] = {
                "openapi": f"{name}.json",
                "base_url": origin + path,
                "auth": {"bearer": f"${{{token}}}"},
                "allow": ["read", "write", "destructive"],
            }
        async with serving({"upstreams": upstreams}, folder, **TOKENS) as server:
            await server.connected()
            counts = [await server.execute(f"len(dir({name}))") for name in upstreams]
            assert not any(told.is_error for told in counts), counts
            yield House(server, services)


async def test_the_cache_of_a_zone_is_purged_with_what_search_found_among_3208_operations(house: House) -> None:
    assert "cloudflare.zone_purge" in (await house.hits("purge the cache of a zone"))[:3]
    house.services["cloudflare"].answer(
        "POST /zones/{zone_id}/purge_cache", Reply(200, {"success": True, "result": {"id": "z7"}})
    )
    told = await house.server.execute(
        'answer = await cloudflare.zone_purge(zone_id="z 7/é", files=["https://a.example/x"])\nanswer.result.id'
    )
    assert told.text.startswith("result: z7\n")
    request = house.services["cloudflare"].requests[-1]
    assert (request.method, request.path, request.query) == ("POST", "/client/v4/zones/z%207%2F%C3%A9/purge_cache", "")
    assert request.json == {"files": ["https://a.example/x"]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {TOKENS['CLOUDFLARE_TOKEN']}"
    assert [(call["operation"], call["effect"], call["status"]) for call in told.facts["calls"]] == [
        ("cloudflare.zone_purge", "write", "done")
    ]


async def test_an_issue_is_created_from_path_and_body(house: House) -> None:
    assert (await house.hits("create an issue", upstream="github"))[0] == "github.issues.create"
    house.services["github"].answer("POST /repos/{owner}/{repo}/issues", Reply(201, {"number": 5, "title": "t"}))
    request = await house.request(
        "github",
        'issue = await github.issues.create(owner="o", repo="a b", title="t", labels=["bug", {"name": "x"}])\n'
        "assert issue.number == 5 and issue['title'] == 't'",
    )
    assert (request.method, request.path, request.query) == ("POST", "/repos/o/a%20b/issues", "")
    assert request.json == {"title": "t", "labels": ["bug", {"name": "x"}]}
    assert request.headers["authorization"] == f"Bearer {TOKENS['GITHUB_TOKEN']}"


async def test_issues_are_listed_with_a_query(house: House) -> None:
    assert "github.issues.list_for_repo" in (await house.hits("list the issues of a repository"))[:3]
    request = await house.request(
        "github", 'await github.issues.list_for_repo("o", "r", state="closed", labels="bug,ui", per_page=100, page=2)'
    )
    assert (request.method, request.path, request.body) == ("GET", "/repos/o/r/issues", b"")
    assert sorted(request.pairs) == [("labels", "bug,ui"), ("page", "2"), ("per_page", "100"), ("state", "closed")]


async def test_a_customer_is_created_as_a_nested_form(house: House) -> None:
    assert (await house.hits("create a customer", upstream="stripe"))[0] == "stripe.post_customers"
    request = await house.request(
        "stripe",
        """await stripe.post_customers(
            name="Ada & Co", metadata={"plan": "a=b"}, expand=["subscriptions", "tax"],
            address={"city": "London", "line1": "1 é"}, tax_id_data=[{"type": "eu_vat", "value": "DE1"}])""",
    )
    assert (request.method, request.path) == ("POST", "/v1/customers")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == f"Bearer {TOKENS['STRIPE_KEY']}"
    assert sorted(request.form) == [
        ("address[city]", "London"),
        ("address[line1]", "1 é"),
        ("expand[]", "subscriptions"),
        ("expand[]", "tax"),
        ("metadata[plan]", "a=b"),
        ("name", "Ada & Co"),
        ("tax_id_data[0][type]", "eu_vat"),
        ("tax_id_data[0][value]", "DE1"),
    ]


async def test_customers_are_listed_by_a_range_of_dates(house: House) -> None:
    ranged, exact = await house.requests(
        "stripe",
        "await stripe.get_customers(created={'gte': 5, 'lt': 9}, limit=3)\nawait stripe.get_customers(created=7)",
    )
    assert sorted(ranged.pairs) == [("created[gte]", "5"), ("created[lt]", "9"), ("limit", "3")]
    assert exact.query == "created=7"


async def test_one_program_joins_all_three(house: House) -> None:
    for service, operation, body in (
        ("github", "GET /repos/{owner}/{repo}/issues", [{"number": 1, "title": "down"}, {"number": 2, "title": "up"}]),
        ("stripe", "GET /v1/customers", {"data": [{"id": "c1", "email": "down"}], "has_more": False}),
        ("cloudflare", "GET /zones", {"success": True, "result": [{"id": "z", "name": "up"}]}),
    ):
        house.services[service].answer(operation, Reply(200, body))
    told = await house.server.execute(
        """import asyncio
issues, customers, zones = await asyncio.gather(
    github.issues.list_for_repo("o", "r"), stripe.get_customers(), cloudflare.zones_get())
names = {c.email for c in customers.data} | {z.name for z in zones.result}
sorted(i.number for i in issues if i.title in names)"""
    )
    assert told.value == [1, 2]
    assert {call["operation"].partition(".")[0] for call in told.facts["calls"]} == {"github", "stripe", "cloudflare"}


async def test_an_upstream_sees_no_other_upstreams_credential(house: House) -> None:
    told = await house.server.execute("[len(await f()) for f in (github.meta.get, stripe.get_customers)]")
    assert not told.is_error, told.text
    assert not (await house.server.execute("await cloudflare.zones_get()")).is_error
    owners = {"cloudflare": "CLOUDFLARE_TOKEN", "github": "GITHUB_TOKEN", "stripe": "STRIPE_KEY"}
    for name, service in house.services.items():
        seen = "".join(f"{each.path}{each.query}{each.headers}{each.body!r}" for each in service.requests)
        assert [variable for variable, token in TOKENS.items() if token in seen] == [owners[name]]
