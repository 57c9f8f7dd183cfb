import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.chains import Chains, described
from isthmus.catalog.producers import phrases, singular
from isthmus.model import Effect, Operation, Parameter, Route, SchemaDocument
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.render.stubs import stub
from tests.simulators.operations import tool_lists

ITEM = {"type": "object", "properties": {"id": {"type": "string"}, "title": {"type": "string"}}}


def listing(item: Any = ITEM, *, under: str = "") -> dict[str, Any]:
    found = {"type": "array", "items": item}
    return {"type": "object", "properties": {under: found}} if under else found


def operation(route: str, output: Any = None, *, name: str = "", required: str = "") -> Operation:
    method, _, path = route.partition(" ")
    placeholders = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [Parameter(one.lower(), one, "path", True, {"type": "string"}) for one in placeholders]
    parameters += [Parameter(one, one, "query", True, {"type": "string"}) for one in required.split()]
    return Operation(
        id=f"up.{name or f'{method}_{path}'.lower().translate({47: '_', 123: None, 125: None})}",
        upstream="up",
        original=route,
        effect=Effect.READ if method == "GET" else Effect.WRITE,
        parameters=tuple(parameters),
        output=output,
        route=Route(method, path),
    )


def lines(wanted: Operation, *others: Operation) -> list[str]:
    return described(Chains.build([wanted, *others]).sources(wanted))


def test_what_stands_behind_a_collection_is_listed_by_it() -> None:
    get = operation("GET /zones/{zone_id}/dns", name="dns")
    zones = operation("GET /zones", listing(under="result"), name="zones")
    assert lines(get, zones) == ["zone_id: from up.zones().result[].id"]


def test_a_search_for_the_noun_is_preferred_and_says_what_it_needs() -> None:
    lead = operation("GET /movie/{movie_id}/credits", name="credits")
    search = operation("GET /search/movie", listing(under="results"), name="search_movie", required="query")
    popular = operation("GET /popular/movie", listing(under="results"), name="popular_movie")
    assert lines(lead, popular, search) == ["movie_id: from up.search_movie(query).results[].id"]


def test_a_listing_in_the_same_place_is_preferred_to_one_elsewhere() -> None:
    put = operation("PUT /orgs/{org}/security/teams/{team_slug}", name="put")
    item = {"properties": {"slug": {"type": "string"}}}
    mine = operation("GET /user/teams", listing(item), name="mine")
    ours = operation("GET /orgs/{org}/teams", listing(item), name="ours")
    assert lines(put, mine, ours) == ["team_slug: from up.ours(org)[].slug"]


def test_things_of_several_kinds_in_one_answer_are_told_apart() -> None:
    page = {"type": "object", "properties": {"items": listing()}}
    search = operation("GET /search", {"type": "object", "properties": {"albums": page, "artists": page}}, name="find")
    assert lines(operation("GET /albums/{id}"), search) == ["id: from up.find().albums.items[].id"]
    assert lines(operation("GET /artists/{id}/albums"), search) == ["id: from up.find().artists.items[].id"]


@pytest.mark.parametrize(
    "other",
    [
        operation("GET /projects", listing(), name="others"),
        operation("GET /zones", listing({"properties": {"title": {"type": "string"}}}), name="no_identifier"),
        operation("POST /zones", ITEM, name="makes"),
        operation("GET /zones/{zone_id}", ITEM, name="needs_it_itself"),
        operation("GET /zones", {"type": "string"}, name="no_list"),
    ],
)
def test_what_is_not_plain_is_not_said(other: Operation) -> None:
    assert lines(operation("DELETE /zones/{zone_id}/cache", name="purge"), other) == []


def test_what_has_its_values_in_its_schema_or_is_optional_has_no_source() -> None:
    zones = operation("GET /zones", listing(), name="zones")
    chosen = Parameter("zone_id", "zone_id", "path", True, {"enum": ["a", "b"]})
    optional = Parameter("zone_id", "zone_id", "query", False, {"type": "string"})
    for parameter in (chosen, optional):
        wanted = Operation("up.get", "up", "get", Effect.READ, (parameter,), route=Route("GET", "/zones/{zone_id}/x"))
        assert lines(wanted, zones) == []


def test_what_may_not_be_seen_is_no_source() -> None:
    get, zones = operation("GET /zones/{zone_id}/x", name="get"), operation("GET /zones", listing(), name="zones")
    assert Chains.build([get, zones]).sources(get, lambda each: each is not zones) == {}


def test_upstreams_do_not_feed_one_another() -> None:
    get = operation("GET /zones/{zone_id}/x", name="get")
    zones = Operation("b.zones", "b", "zones", Effect.READ, (), output=listing(), route=Route("GET", "/zones"))
    assert Chains.build([get, zones]).sources(get) == {}


EXPECTED = {
    ("tmdb", "GET /tv/{tv_id}/reviews"): {"tv_id": "GET /search/tv"},
    ("tmdb", "GET /company/{company_id}/images"): {"company_id": "GET /search/company"},
    ("spotify", "GET /albums/{id}/tracks"): {"id": "GET /search"},
    ("spotify", "POST /users/{user_id}/playlists"): {"user_id": "GET /me"},
    ("cloudflare", "GET /zones/{zone_id}/api_gateway/configuration"): {"zone_id": "GET /zones"},
    ("cloudflare", "DELETE /accounts/{account_id}/tunnels/{tunnel_id}/connections"): {
        "account_id": "GET /accounts",
        "tunnel_id": "GET /accounts/{account_id}/tunnels",
    },
    ("github", "DELETE /repos/{owner}/{repo}/releases/{release_id}"): {
        "release_id": "GET /repos/{owner}/{repo}/releases"
    },
    ("github", "GET /gists/{gist_id}/comments/{comment_id}"): {
        "gist_id": "GET /gists",
        "comment_id": "GET /gists/{gist_id}/comments",
    },
    ("gmail", "GET /gmail/v1/users/{userId}/messages/{id}"): {"id": "GET /gmail/v1/users/{userId}/messages"},
    ("kubernetes", "GET /api/v1/namespaces/{namespace}/pods/{name}"): {
        "name": "GET /api/v1/namespaces/{namespace}/pods",
        "namespace": "GET /api/v1/namespaces",
    },
    ("twilio__api_v2010", "DELETE /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json"): {
        "account_sid": "GET /2010-04-01/Accounts.json",
        "sid": "GET /2010-04-01/Accounts/{AccountSid}/Messages.json",
    },
    ("asana", "GET /tasks/{task_gid}/subtasks"): {"task_gid": "GET /tasks"},
}


@pytest.mark.parametrize("document", sorted({document for document, _ in EXPECTED}))
def test_real_documents_show_where_identifiers_come_from(test_data: Path, document: str) -> None:
    content = (test_data / "specs" / f"{document}.json.gz").read_bytes()
    operations = compile_operations(read_document(content, document), document).operations
    chains = Chains.build(operations)
    by_route = {f"{one.route.method} {one.route.path}": one for one in operations if one.route}
    for (_, route), expected in EXPECTED.items():
        if route in by_route:
            sources = chains.sources(by_route[route])
            found = {name: source.operation.route for name, source in sources.items()}
            assert {name: f"{at.method} {at.path}" for name, at in found.items() if at} == expected


TOOLS = {
    "arxiv.read_paper": ["paper_id: from arxiv.search_papers(query)"],
    "arxiv.read_paper_section": [
        "paper_id: from arxiv.search_papers(query)",
        "section_id: from arxiv.list_paper_latex_sections(paper_id)",
    ],
    "chrome_devtools.close_page": ["page_id: from chrome_devtools.list_pages()"],
    "github.get_commit": ["sha: from github.list_commits(owner, repo)"],
    "github.get_gist": ["gist_id: from github.list_gists()"],
    "github.set_issue_fields": [],
    "mongodb.find": ["connection_id: from mongodb.list_connections().connections[].connectionId"],
    "slack.post_message": ["channel_id: from slack.list_channels()"],
}


def test_tools_without_types_are_joined_by_their_names_alone(test_data: Path) -> None:
    tools = tool_lists(test_data)
    chains = Chains.build(tools)
    found = {one.id: described(chains.sources(one)) for one in tools}
    assert {name: found[name] for name in TOOLS} == TOOLS
    assert 70 <= sum(map(bool, found.values())) <= 90  # all of which were read, and are right


WORDS = st.sampled_from(
    ["type", "properties", "items", "id", "$ref", "allOf", "anyOf", "zone", "a'\n#", "\u202eid", ""]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.text(max_size=30), st.text(alphabet="{}/zones_id.\n", max_size=30))
def test_whatever_documents_say_sources_are_comments(output: Any, wire: str, path: str) -> None:
    root: Mapping[str, Any] = {"zone": output}
    taker = Operation(
        "up.take", "up", "take", Effect.READ, (Parameter("zone_id", f"{wire}id", "path", True, {}),),
        route=Route("GET", path),
    )  # fmt: skip
    giver = Operation(
        "up.zones", "up", "zones", Effect.READ, (), output={"$ref": "#/zone"}, document=SchemaDocument(root),
        route=Route("GET", path.rpartition("/")[0]),
    )  # fmt: skip
    remarks = described(Chains.build([taker, giver]).sources(taker))
    text = stub(taker, sources=remarks).text
    assert len(ast.parse(text).body) == 1
    assert "\u202e" not in text


def test_plurals_of_english_names_become_singular() -> None:
    assert [singular(each) for each in ("zones", "policies", "boxes", "branches", "addresses", "status", "ios")] == [
        "zone", "policy", "box", "branch", "address", "status", "io",
    ]  # fmt: skip
    assert phrases("dns_records") == ("dns record", "record")
