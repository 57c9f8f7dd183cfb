"""Requests as an independent judge sees them: openapi-core reads what was sent, and has to find what was meant.

Arguments are made from the raw documents, checked by our validation, sent through the upstream, recorded by a service,
and then validated and read back by openapi-core. What it cannot judge is left out by its cause, and counted.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.simulators.openapi_cases import Case, Tally, origin_of, record, sampled
from tests.simulators.openapi_inputs import makers_for
from tests.simulators.openapi_judge import Judge
from tests.simulators.openapi_service import Reply
from tests.simulators.samples import NoSample

from isthmus.demo.shop import document as shop_document

pytest.importorskip("openapi_core", reason="openapi-core is not installed: pip install 'isthmus[contracts]'")
pytestmark = pytest.mark.anyio

# document: operations in the sample, requests that must have been judged in full, parameters that must be read back
SAMPLES = {
    "asana": (12, 20, 40),
    "circleci": (8, 14, 20),
    "cloudflare": (25, 20, 30),
    "digitalocean": (20, 34, 30),
    "discourse": (12, 20, 15),
    "gcalendar": (8, 14, 60),
    "github": (25, 40, 60),
    "gitlab": (12, 20, 25),
    "notion": (14, 24, 20),
    "openai": (20, 30, 20),
    "spotify": (14, 10, 8),
    "stripe": (30, 6, 15),
    "tmdb": (12, 20, 15),
    "trello": (12, 20, 10),
    "twilio__api_v2010": (16, 26, 40),
}


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_judge_accepts_and_reads_what_is_sent_to_real_apis(
    up: Any, real_root: Callable[[str], dict[str, Any]], name: str
) -> None:
    root = real_root(name)
    operations, judged, read_back = SAMPLES[name]
    schemes = dict.fromkeys(root.get("components", {}).get("securitySchemes", {}), "user:secret")
    async with up(root, base_url=None, **({"auth": {"schemes": schemes}} if schemes else {})) as running:
        tally = await tallied(running, root, operations)
    assert tally.disagreements == []
    assert tally.judged >= judged, tally
    assert tally.read_back >= read_back, tally


async def test_a_judge_accepts_and_reads_all_that_is_sent_to_the_shop(up: Any) -> None:
    root = dict(shop_document())
    async with up(root, base_url=root["servers"][0]["url"], auth={"bearer": "secret"}) as running:
        count = len(running.operations)
        tally = await tallied(running, root, count)
    assert tally.disagreements == []
    assert (tally.judged, tally.partly, tally.left_out) == (2 * count, 0, Counter())


async def test_the_judge_complains_of_requests_that_are_wrong(up: Any) -> None:
    root = dict(shop_document())
    async with up(root, base_url=root["servers"][0]["url"], auth={"bearer": "secret"}) as running:
        await running.call("customers/list", limit=3)
        await running.call("customers/create", name="A", email="a@example.com", country="DE")
        listed, created = running.service.requests
    judge = Judge(root, origin_of(root))
    assert judge.complaints(listed) == []
    assert judge.complaints(created) == []
    assert judge.parameters(listed)["query", "limit"] == 3
    wrong = [
        replace(listed, query="limit=many"),
        replace(listed, path="/clients"),
        replace(listed, headers={}),
        replace(created, body=b'{"name": "A"}'),
        replace(created, headers={**created.headers, "content-type": "text/plain"}),
    ]
    assert all(judge.complaints(request) for request in wrong)


async def tallied(running: Any, root: Mapping[str, Any], count: int) -> Tally:
    """Call `count` operations, each with all that it takes and with only what it needs, and judge the requests."""
    judge, makers, tally = Judge(root, origin_of(root)), makers_for(root), Tally()
    for operation in sampled(running.snapshot.operations, count):
        for generous in (True, False):
            try:
                case = Case(root, operation, makers.such(generous=generous))
            except NoSample:
                tally.left_out["no value was found that fits"] += 1
                continue
            tally.disagreements += case.misfits
            if not case.misfits:
                running.service.answer(case.place, Reply(204))
                await running.call(operation.original, **case.arguments)
                record(tally, case, judge, running.service.requests[-1])
    return tally
