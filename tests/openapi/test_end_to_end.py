"""Real APIs, called through the upstream, against services that behave as their documents say."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.simulators.openapi_service import Reply

from isthmus.validation import Validation

pytestmark = pytest.mark.anyio

RealRoot = Callable[[str], dict[str, Any]]


async def test_cloudflare_purges_a_cache(up: Any, real_root: RealRoot) -> None:
    auth = {"bearer": "cf-token"}
    async with up(real_root("cloudflare"), base_url="https://api.test/client/v4", auth=auth) as cloudflare:
        cloudflare.service.answer(
            "POST /zones/{zone_id}/purge_cache", Reply(200, {"success": True, "result": {"id": "z"}})
        )
        operation = next(
            one for one in cloudflare.snapshot.operations if one.route and one.route.path.endswith("/purge_cache")
        )
        assert [parameter.name for parameter in operation.parameters if parameter.required] == ["zone_id"]
        value = await cloudflare.call(operation.original, zone_id="z", purge_everything=True)
    request = cloudflare.service.requests[-1]
    assert (request.method, request.path, request.query) == ("POST", "/client/v4/zones/z/purge_cache", "")
    assert request.json == {"purge_everything": True}
    assert request.headers["authorization"] == "Bearer cf-token"
    assert request.headers["content-type"] == "application/json"
    assert value == {"success": True, "result": {"id": "z"}}


async def test_github_creates_an_issue_from_path_and_body(up: Any, real_root: RealRoot) -> None:
    async with up(real_root("github"), base_url="https://api.test", auth={"bearer": "gh"}) as github:
        arguments = {"owner": "o", "repo": "a b", "title": "t", "labels": ["bug", {"name": "x"}]}
        assert Validation().arguments_problems(github.operations["issues/create"], arguments) == []
        issue = await github.call("issues/create", **arguments)
    request = github.service.requests[-1]
    assert (request.method, request.path) == ("POST", "/repos/o/a%20b/issues")
    assert request.json == {"title": "t", "labels": ["bug", {"name": "x"}]}
    assert request.headers["authorization"] == "Bearer gh"
    assert isinstance(issue["title"], str)


async def test_stripe_creates_a_customer_as_a_nested_form(up: Any, real_root: RealRoot) -> None:
    async with up(real_root("stripe"), base_url="https://api.test/", auth={"bearer": "sk"}) as stripe:
        await stripe.call(
            "PostCustomers",
            name="Ada & Co",
            metadata={"plan": "a=b"},
            expand=["subscriptions", "tax"],
            address={"city": "London", "line1": "1 é"},
            tax_id_data=[{"type": "eu_vat", "value": "DE1"}],
        )
    request = stripe.service.requests[-1]
    assert (request.method, request.path) == ("POST", "/v1/customers")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sorted(request.form) == sorted(
        [
            ("name", "Ada & Co"),
            ("metadata[plan]", "a=b"),
            ("expand[]", "subscriptions"),
            ("expand[]", "tax"),
            ("address[city]", "London"),
            ("address[line1]", "1 é"),
            ("tax_id_data[0][type]", "eu_vat"),
            ("tax_id_data[0][value]", "DE1"),
        ]
    )


async def test_stripe_lists_customers_with_deep_objects(up: Any, real_root: RealRoot) -> None:
    async with up(real_root("stripe"), base_url="https://api.test/", auth={"bearer": "sk"}) as stripe:
        await stripe.call("GetCustomers", created={"gte": 5, "lt": 9}, limit=3, expand=["data.x"])
        await stripe.call("GetCustomers", created=7)
    first, second = stripe.service.requests
    assert sorted(first.pairs) == [("created[gte]", "5"), ("created[lt]", "9"), ("expand[]", "data.x"), ("limit", "3")]
    assert second.query == "created=7"
    assert first.body == b""
    assert first.headers["authorization"] == "Bearer sk"


async def test_kubernetes_takes_a_json_patch_where_it_is_a_list(up: Any, real_root: RealRoot) -> None:
    async with up(real_root("kubernetes"), base_url="https://api.test") as kubernetes:
        operation = kubernetes.operations["patchCoreV1NamespacedPod"]
        body = next(parameter.name for parameter in operation.parameters if parameter.location == "body")
        patch = [{"op": "remove", "path": "/metadata/labels/a"}]
        await kubernetes.call(operation.original, name="p", namespace="n", **{body: patch})
        await kubernetes.call(operation.original, name="p", namespace="n", **{body: {"metadata": {"labels": None}}})
    listed, merged = kubernetes.service.requests
    assert listed.headers["content-type"] == "application/json-patch+json"
    assert merged.headers["content-type"] == "application/merge-patch+json"
    assert json.loads(listed.body) == patch
    assert merged.json == {"metadata": {"labels": None}}
    assert "845 operations" in kubernetes.snapshot.warnings[0]
