from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import InitializeResult
from tests.simulators.mcp_server import Reply, SimulatedServer, invoke, running, tool, upstream_of

from isthmus.errors import UpstreamUnavailable
from isthmus.upstreams.mcp_session import mended_greeting

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tools", "name", "version", "listChanged", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)

DISCOVERED = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "public",
}


@given(
    st.fixed_dictionaries(
        {"protocolVersion": st.just("2025-06-18")},
        optional={"capabilities": anything, "serverInfo": anything, "instructions": anything, "x": anything},
    )
)
def test_whatever_else_a_greeting_says_its_version_is_enough(greeting: dict[str, Any]) -> None:
    assert InitializeResult.model_validate(mended_greeting(greeting)).protocol_version == "2025-06-18"


@given(anything)
def test_a_greeting_without_a_known_version_is_refused_in_one_line(version: Any) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        mended_greeting({"protocolVersion": version})
    assert caught.value.message.isprintable()


@pytest.mark.anyio
async def test_each_request_of_the_newer_protocol_says_which_it_is() -> None:
    def discover(_: Any) -> Reply:
        return DISCOVERED

    server = SimulatedServer([tool("t")])
    server.replies["server/discover"] = discover
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        await invoke(upstream, await watch.ready(), "t")
    for method in ("tools/list", "tools/call"):
        meta = (await server.until(method))["params"]["_meta"]
        assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
        assert meta["io.modelcontextprotocol/clientCapabilities"] == {}
    assert not [item for item in server.received if item["method"] == "initialize"]
