"""Canaries are planted as every kind of credential; everything that comes out anywhere is searched for them."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.openapi_service import OpenApiService, Recorded, Reply
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import Served, serving, simulator

pytestmark = pytest.mark.anyio

CANARIES = {
    "BEARER": "canary-bearer-8f3a61c0d2",
    "HEADER_KEY": "canary-header-key-5b9e",
    "QUERY_KEY": "canary query/key+77",
    "PASSWORD": "canary-pass:word-é-31",
    "EXTRA": "canary-extra-header-0c4d",
    "ENV_TOKEN": "canary-environment-token-91ab",
    "LEFT_OUT": "canary-of-the-servers-own-environment",
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Mirror", "version": "1"},
    "paths": {
        f"/{name}": {"get": {"operationId": name, "responses": {"200": {"description": "ok"}}}}
        for name in ("mirror", "fail", "away", "nowhere")
    },
}


def mirrored(status: int) -> Any:
    """A service that tells all that it was sent, in its headers, its body and its status."""

    def answer(request: Recorded) -> Reply:
        seen = {"query": request.query, "headers": dict(request.headers), "pairs": request.pairs}
        echoed = request.headers.get("authorization", "-").encode().decode("latin-1")
        return Reply(status, {"message": json.dumps(seen), "seen": seen}, {"x-echo": echoed})

    return answer


def upstreams(origin: str) -> dict[str, Any]:
    def http(**auth: Any) -> dict[str, Any]:
        return {"openapi": "mirror.json", "base_url": origin, "auth": auth}

    key = {"value": "${HEADER_KEY}", "name": "X-Key"}
    return {
        "bearer": http(bearer="${BEARER}"),
        "header": http(api_key=key, headers={"X-Extra": "${EXTRA}"}),
        "query": http(api_key={"value": "${QUERY_KEY}", "name": "key", "in": "query"}),
        "basic": http(basic={"username": "ada", "password": "${PASSWORD}"}),
        "gone": {**http(bearer="${BEARER}"), "base_url": "http://127.0.0.1:9"},
        "witness": simulator("mcp_server_witness", "/dev/null", ENV_TOKEN="${ENV_TOKEN}"),
        "telltale": simulator("mcp_server_odd", "telltale", ENV_TOKEN="${ENV_TOKEN}"),
        "sulky": simulator("mcp_server_odd", "sulky", ENV_TOKEN="${ENV_TOKEN}"),
    }


@dataclass
class House:
    """The server, and the service that its HTTP upstreams share."""

    server: Served
    service: OpenApiService


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "mirror.json").write_text(json.dumps(DOCUMENT))
    service = OpenApiService(DOCUMENT)
    service.answer("GET /mirror", mirrored(200))
    service.answer("GET /fail", mirrored(422))
    service.answer("GET /away", Reply(302, None, {"location": "http://127.0.0.1:9/?key=x"}))
    with service_on_a_port(service) as origin:
        async with serving({"upstreams": upstreams(origin)}, folder, **CANARIES) as server:
            yield House(server, service)


def forms(secret: str) -> Iterator[bytes]:
    """The ways in which a secret travels."""
    yield secret.encode()
    yield json.dumps(secret)[1:-1].encode()
    yield secret.replace(" ", "%20").replace("/", "%2F").replace("+", "%2B").replace(":", "%3A").encode()
    yield secret.replace(" ", "+").replace("/", "%2F").replace("+", "%2B").encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")
    yield base64.b64encode(f"ada:{secret}".encode()).rstrip(b"=")


def canaries_in(where: bytes) -> list[str]:
    return [name for name, secret in CANARIES.items() if any(form in where for form in forms(secret))]


CALLS = """
import os, traceback
for client in (bearer, header, query, basic, gone):
    for name in ("mirror", "fail", "away", "nowhere"):
        try:
            print(getattr(client, name)())
        except UpstreamError as error:
            print(name, error, error.body, error.hint, error.status)
            traceback.print_exc()
for call in (witness.environment, witness.quarrel, telltale.tell, lambda: sulky.anything()):
    try:
        print(call())
    except UpstreamError as error:
        print(error, error.body, error.hint)
print(os.environ, dict(globals()))
open("/workspace/all.txt", "w").write(str([bearer.mirror(), query.mirror(), witness.environment()]))
"""


async def test_what_the_upstreams_get_is_the_credential(house: House) -> None:
    told = await house.server.execute("[len(client.mirror().seen) for client in (bearer, header, query, basic)]")
    assert told.value == [3, 3, 3, 3], told.text
    bearer, header, query, basic = house.service.requests[-4:]
    assert bearer.headers["authorization"] == f"Bearer {CANARIES['BEARER']}"
    assert (header.headers["x-key"], header.headers["x-extra"]) == (CANARIES["HEADER_KEY"], CANARIES["EXTRA"])
    assert query.pairs == [("key", CANARIES["QUERY_KEY"])]
    password = base64.b64encode(f"ada:{CANARIES['PASSWORD']}".encode()).decode()
    assert basic.headers["authorization"] == f"Basic {password}"


async def test_no_canary_is_in_anything_that_comes_out(house: House) -> None:
    server = house.server
    told = [await server.execute(CALLS, session="new"), await server.execute("1/0; bearer.mirror()")]
    assert "[redacted]" in told[0].text
    assert "ConnectionError" in told[0].text or "Unavailable" in told[0].text
    programs = (
        "help(telltale.tell)",
        "help(sulky)",
        "help(bearer.mirror)",
        "[open(f'/servers/{name}/__init__.py').read() for name in ('telltale', 'bearer')]",
        "await bearer.mirror(authorization='x')",
        "raise Exception(basic.fail())",
        "telltale.tell(word='none of these')",
    )
    told.extend([await server.execute(program) for program in programs])
    for query in ("", "tell", "telltale", "sulky", "telltale.tell"):
        for detail in ("names", "full"):
            await server.search(query, detail=detail)
    assert "async def tell(" in await server.search("telltale.tell")
    assert canaries_in(server.wire()) == []
    assert canaries_in(server.log().encode()) == []


async def test_no_canary_is_in_a_workspace(house: House) -> None:
    told = await house.server.execute(CALLS + "\nprint('x' * 100_000)\n[bearer.mirror() for _ in range(500)]")
    handle = told.facts["session"]
    files = (await house.server.execute("import os; os.listdir('/workspace')", session=handle)).value
    assert "all.txt" in files
    # The canaries travel backwards, so that the program itself holds none of them.
    backwards = [secret[::-1] for secret in CANARIES.values()]
    told = await house.server.execute(
        f"""texts = [open(f'/workspace/{{name}}', errors='replace').read() for name in {files!r} if '.' in name]
sum(map(len, texts)) > 200_000, [secret for secret in {backwards!r} if any(secret[::-1] in text for text in texts)]""",
        session=handle,
    )
    assert told.value == [True, []]


async def test_a_worker_knows_no_canary_and_no_environment(house: House) -> None:
    handles = [(await house.server.execute("bearer.mirror()", session="new")).facts["session"] for _ in range(2)]
    assert len(set(handles)) == 2
    server, *below = house.server.processes()
    sandbox = [pid for pid in below if b"isthmus_sandbox" in _read(pid, "cmdline")]
    assert len(sandbox) >= 3  # the zygote, and a worker for each session
    assert canaries_in(_read(server, "environ")), "the canaries are planted"
    for pid in sandbox:
        assert canaries_in(_read(pid, "environ") + _read(pid, "cmdline")) == []
        assert canaries_in(_memory(pid)) == []


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _memory(pid: int) -> bytes:
    """What a process has written in memory of its own, as far as it may be read."""
    found = []
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in _read(pid, "maps").decode().splitlines():
                span, rights, _, _, inode = line.split()[:5]
                if rights.startswith("rw") and inode == "0":
                    start, end = (int(part, 16) for part in span.split("-"))
                    memory.seek(start)
                    found.append(memory.read(min(end - start, 64 * 2**20)))
    except (OSError, OverflowError):
        pass  # a worker may not be looked into, which is as good
    return b"".join(found)


async def test_no_canary_is_in_what_is_kept_for_later(house: House) -> None:
    told = await house.server.execute(CALLS)
    data = house.server.config.parent / "data"
    content = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    journal = b"".join(text for path, text in content.items() if path.name.startswith("journal.db"))
    assert told.facts["execution"].encode() in journal
    assert b"[redacted]" in journal
    assert {str(path): found for path, text in content.items() if (found := canaries_in(text))} == {}
