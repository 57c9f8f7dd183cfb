import keyword
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isthmus.catalog.names import (
    MAX_IDENTIFIER,
    identifier,
    labelled_ids,
    operation_ids,
    parameter_names,
    upstream_name,
)
from isthmus.model import UPSTREAM_RESERVED

ANY_TEXT = st.text(st.characters(), max_size=120)  # lone surrogates too
NAME_LIKE = st.from_regex(r"[a-zA-Z0-9_\-./{} ]{0,30}", fullmatch=True)
TEXT = ANY_TEXT | NAME_LIKE
LOCATION = st.sampled_from(["argument", "path", "query", "header", "cookie", "body"])


def assert_usable(name: str) -> None:
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
    assert not name.startswith("_")
    assert unicodedata.normalize("NFKC", name) == name
    assert len(name) <= MAX_IDENTIFIER + 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("createIssue", "create_issue"),
        ("HTTPServer", "http_server"),
        ("listIPs", "list_ips"),
        ("getIPv4Address", "get_ipv4_address"),
        ("OAuth2Token", "oauth2_token"),
        ("k8sName", "k8s_name"),
        ("EC2", "ec2"),
        ("patchV1alpha1Pod", "patch_v1alpha1_pod"),
        ("HTTP2server", "http2server"),
        ("S3Bucket", "s3_bucket"),
        ("X-Request-Id", "x_request_id"),
        ("$filter", "filter"),
        ("@odata.type", "odata_type"),
        ("filter[status]", "filter_status"),
        ("StartTime<", "start_time_lt"),
        ("StartTime>=", "start_time_gte"),
        ("+1", "plus_1"),
        ("-1", "minus_1"),
        ("3d", "n3d"),
        ("class", "class_"),
        ("__class__", "class_"),
        ("None", "none"),
        ("Größe", "grosse"),
        ("发送email", "发送_email"),
        ("a\u202e\u200bb", "ab"),
        ("", "unnamed"),
        ("\ud800", "unnamed"),
        ('x"): pass\nimport os #', "x_pass_import_os"),
    ],
)
def test_an_identifier_reads_like_its_text(text: str, name: str) -> None:
    assert identifier(text) == name


@given(TEXT)
def test_any_text_has_an_identifier(text: str) -> None:
    assert_usable(identifier(text))


@given(TEXT)
def test_the_identifier_of_an_identifier_is_itself(text: str) -> None:
    assert identifier(identifier(text)) == identifier(text)


def test_long_names_that_differ_only_at_the_end_stay_apart() -> None:
    one, other = identifier("list_" + "very_" * 40 + "one"), identifier("list_" + "very_" * 40 + "other")
    assert one != other
    assert one.startswith("list_very_")


@pytest.mark.parametrize(
    ("upstream", "original", "full"),
    [
        ("github", "issues/create", "github.issues.create"),
        ("gmail", "gmail.users.messages.send", "gmail.users.messages.send"),
        ("slack", "slack_post_message", "slack.post_message"),
        ("slack", "slack", "slack.slack"),
        ("maps", "maps_3d", "maps.maps_3d"),
        ("pets", "GET /pets", "pets.get_pets"),
        ("pets", "GET /pets/{id}", "pets.get_pets_by_id"),
        ("pets", "GET /", "pets.get_root"),
        ("ci", "GET /project/{user}/{project}/key/{print}", "ci.get_project_key_by_print"),
        ("gh", "GET /repos/{owner}/{repo}", "gh.get_repos_by_owner_and_repo"),
        ("tw", "GET /Calls/{Sid}.json", "tw.get_calls_by_sid"),
        ("x", "", "x.unnamed"),
        ("x", "../..", "x.unnamed"),
    ],
)
def test_an_operation_is_named_after_its_original(upstream: str, original: str, full: str) -> None:
    assert operation_ids(upstream, [original]) == (full,)


@given(st.lists(TEXT, max_size=12))
def test_operations_have_ids_of_their_own(originals: list[str]) -> None:
    ids = operation_ids("up", originals)
    assert len(ids) == len(originals) == len(set(ids))
    for full in ids:
        upstream, *parts = full.split(".")
        assert upstream == "up"
        assert parts
        for part in parts:
            assert part.isidentifier()


@given(st.lists(TEXT, unique=True, max_size=8).flatmap(lambda xs: st.tuples(st.just(xs), st.permutations(xs))))
def test_ids_do_not_depend_on_the_order(pair: tuple[list[str], list[str]]) -> None:
    one, other = pair
    assert dict(zip(one, operation_ids("up", one), strict=True)) == dict(
        zip(other, operation_ids("up", other), strict=True)
    )


@given(st.lists(TEXT, unique=True, max_size=8))
def test_an_id_does_not_change_when_unrelated_operations_come(originals: list[str]) -> None:
    before = operation_ids("up", originals)
    assert operation_ids("up", [*originals, "zzz/quite/unrelated"])[: len(before)] == before


def test_of_clashing_operations_the_one_spelt_like_the_id_keeps_it_and_none_takes_what_is_ambiguous() -> None:
    ids = operation_ids("up", ["get-user", "get_user", "getUser", "list-things", "listThings"])
    assert ids[1] == "up.get_user"
    assert len(set(ids)) == 5
    assert all(full.startswith("up.get_user_") for full in (ids[0], ids[2]))
    assert "up.list_things" not in ids


def test_a_stripped_prefix_gives_way_to_the_operation_of_that_name() -> None:
    assert operation_ids("git", ["git_status", "status"]) == ("git.git_status", "git.status")


def test_routes_that_differ_in_the_middle_only_are_told_apart_readably() -> None:
    ids = operation_ids("up", ["GET /a/{x}/b", "GET /a/b"])
    assert ids == ("up.get_a_by_x_b", "up.get_a_b_" + ids[1][-4:])


LABELS = st.lists(st.sampled_from(["r.a", "r.b", "r.c"]), min_size=1, max_size=2)


@given(st.dictionaries(TEXT, LABELS, max_size=8), st.lists(st.sampled_from(["up.r.a", "up.r.b"]), max_size=2))
def test_what_is_named_by_labels_has_ids_of_its_own_in_any_order(
    labels: dict[str, list[str]], taken: list[str]
) -> None:
    ids = labelled_ids("up", labels, taken)
    assert set(ids) == set(labels)
    assert len(set(ids.values()) | set(taken)) == len(ids) + len(set(taken))
    assert all(part.isidentifier() for full in ids.values() for part in full.split("."))
    assert labelled_ids("up", dict(reversed(labels.items())), taken) == ids
    assume("unrelated" not in labels)
    assert ids.items() <= labelled_ids("up", {**labels, "unrelated": ["s.unrelated"]}, taken).items()


@given(st.lists(st.tuples(TEXT, LOCATION), max_size=12))
def test_parameters_have_names_of_their_own(wires: list[tuple[str, str]]) -> None:
    names = parameter_names(wires)  # type: ignore[arg-type]
    assert len(names) == len(wires) == len(set(names))
    for name in names:
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
        assert not name.startswith("_")


def test_the_path_keeps_its_name_and_the_body_says_where_it_is() -> None:
    assert parameter_names([("id", "body"), ("id", "path"), ("id", "query")]) == ("id_body", "id", "id_query")


def test_parameters_that_differ_in_signs_only_are_told_apart() -> None:
    names = parameter_names([("StartTime", "query"), ("StartTime<", "query"), ("start-time", "query")])
    assert names[:2] == ("start_time", "start_time_lt")
    assert names[2] == "start_time_query"


@given(TEXT)
def test_an_upstream_never_takes_a_name_that_programs_use_otherwise(text: str) -> None:
    name = upstream_name(text)
    assert name.isidentifier()
    assert name not in UPSTREAM_RESERVED


def test_reserved_and_builtin_upstream_names_are_suffixed() -> None:
    assert upstream_name("search") == "search_api"
    assert upstream_name("print") == "print_api"
    assert upstream_name("My-Server") == "my_server"


@pytest.mark.parametrize("unit", ["7", "A7", "a", "A", "Aa", "7A7", "OAuth2", "_", "é7"])
def test_a_long_run_of_anything_is_taken_apart_in_a_moment(unit: str) -> None:
    assert identifier(f"gD{unit * 3_000}al-it")  # what backtracks would take years
