import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.catalog import Catalog, bind
from isthmus.catalog.names import operation_ids
from isthmus.errors import InvalidArguments
from isthmus.model import Effect, Operation, Parameter


def parameter(name: str, *, required: bool = False, wire: str = "", schema: dict[str, Any] | None = None) -> Parameter:
    return Parameter(name, wire or name, "query", required, schema or {})


def operation(full: str, original: str = "", parameters: Sequence[Parameter] = (), **more: Any) -> Operation:
    upstream, _, local = full.partition(".")
    return Operation(full, upstream, original or local, Effect.READ, tuple(parameters), **more)


CREATE = operation(
    "github.issues.create",
    "issues/create",
    [
        parameter("owner", required=True),
        parameter("repo", required=True),
        parameter("issue_title", required=True, wire="issueTitle"),
        parameter("labels"),
        parameter("class_", wire="class"),
    ],
)
CATALOG = Catalog.build(
    [
        CREATE,
        operation("github.issues.list_for_repo", "issues/list-for-repo"),
        operation("github.get_root", "GET /"),
        operation("my_server.get_user_5d95", "get-user"),
        operation("my_server.get_user_e28e", "getUser"),
        operation("kube.list_pods", "listPods", tags=("core_v1",)),
        operation("kube.list_jobs", "listJobs", tags=("batch_v1",)),
        operation("kube.version", "version"),
    ]
)


@pytest.mark.parametrize(
    "name",
    [
        "github.issues.create",
        "github.issues/create",
        "github.issues.Create",
        "github.issuesCreate",
        "Github.Issues.create",
    ],
)
def test_an_operation_answers_to_its_id_its_original_name_and_other_spellings(name: str) -> None:
    assert CATALOG.resolve(name) is CREATE


def test_a_name_that_several_could_mean_resolves_to_none_of_them() -> None:
    assert CATALOG.resolve("my_server.get_user") is None
    assert CATALOG.suggest("my_server.get_user") == ["my_server.get_user_5d95", "my_server.get_user_e28e"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("github.issues.list", "github.issues.list_for_repo"),
        ("github.isues.create", "github.issues.create"),
        ("github.create_issue", "github.issues.create"),
        ("gihtub.issues.create", "github.issues.create"),
        ("kube.pods_list", "kube.list_pods"),
    ],
)
def test_a_wrong_name_is_answered_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    assert CATALOG.resolve(wrong) is None
    assert CATALOG.suggest(wrong)[0] == meant


def test_nothing_is_suggested_for_a_name_like_no_other() -> None:
    assert CATALOG.suggest("qqq.zzzz") == []


def test_children_are_what_dir_would_show() -> None:
    assert CATALOG.children() == CATALOG.upstreams == ("github", "kube", "my_server")
    assert CATALOG.children("github") == ("get_root", "issues")
    assert CATALOG.children("github.issues") == ("create", "list_for_repo")
    assert CATALOG.children("github.nothing") == ()


def test_groups_are_dotted_paths_and_otherwise_tags() -> None:
    assert {name: len(members) for name, members in CATALOG.groups("github").items()} == {"": 1, "issues": 2}
    assert list(CATALOG.groups("kube")) == ["", "batch_v1", "core_v1"]
    assert not CATALOG.groups("nothing")


def test_who_may_be_seen_is_asked_once_of_each_operation_until_another_asks() -> None:
    catalog, asked = Catalog.build(CATALOG.operations), list[str]()

    def allowed(each: Operation) -> bool:
        asked.append(each.id)
        return each.id != "github.get_root"

    for _ in range(2):
        assert {name: len(members) for name, members in catalog.groups("github", allowed).items()} == {"issues": 2}
    assert sorted(asked) == ["github.get_root", "github.issues.create", "github.issues.list_for_repo"]
    assert not catalog.groups("github", lambda _: False)
    assert list(catalog.groups("github", allowed)) == ["issues"]
    assert list(catalog.groups("github")) == ["", "issues"]


@pytest.mark.parametrize(
    "name", ["issues/create", "issues.Create", "github.issues.create", "GET /", "nothing", "", "."]
)
def test_a_name_may_be_meant_of_several_upstreams(name: str) -> None:
    twice = Catalog.build([*CATALOG.operations, operation("hub.issues.create", "issues/create")])
    for upstreams in ((), ("github",), ("hub", "github", "absent")):
        names = [name, *(f"{upstream}.{name}" for upstream in upstreams)]
        expected = {each.id for each in map(twice.resolve, names) if each is not None}
        assert {each.id for each in twice.meant(name, upstreams)} == expected


def test_an_upstream_whose_name_begins_as_anothers_keeps_its_operations_apart() -> None:
    inbox, other = operation("mail.inbox_list", "inboxList"), operation("mail_inbox.drop", "drop")
    catalog = Catalog.build([inbox, other])
    assert catalog.resolve("mail.inboxList") is catalog.resolve("mail.inbox.list") is inbox
    assert catalog.resolve("mail.inbox.drop") is other  # the same words


def test_the_digest_tells_catalogs_apart_by_all_they_say() -> None:
    same = Catalog.build(CATALOG.operations)
    assert same.digest == CATALOG.digest
    changed = replace(CREATE, parameters=(replace(CREATE.parameters[0], schema={"type": "integer"}),))
    for other in (replace(CREATE, description="hostile now"), replace(CREATE, effect=Effect.WRITE), changed):
        assert Catalog.build([other, *CATALOG.operations[1:]]).digest != CATALOG.digest


def test_suggestions_over_twenty_thousand_operations_come_at_once() -> None:
    originals = [f"thing{n % 97}/do-{n}-{n % 31}" for n in range(20_000)]
    catalog = Catalog.build([operation(full) for full in operation_ids("big", originals)])
    catalog.suggest("big.warm.up")
    started = time.process_time()
    catalog.suggest("big.thing96.do_1234567")
    assert time.process_time() - started < 1


def test_arguments_by_place_fill_the_required_parameters_in_order() -> None:
    assert bind(CREATE, ["o", "r"], {"issue_title": "t", "labels": ["l"]}) == {
        "owner": "o",
        "repo": "r",
        "issue_title": "t",
        "labels": ["l"],
    }


def test_wire_names_and_other_spellings_are_accepted() -> None:
    bound = bind(CREATE, [], {"owner": "o", "repo": "r", "issueTitle": "t", "class": "c"})
    assert bound == {"owner": "o", "repo": "r", "issue_title": "t", "class_": "c"}
    assert bind(CREATE, [], {"Owner": "o", "issue-title": "t"}) == {"owner": "o", "issue_title": "t"}


def test_one_mapping_that_holds_all_required_parameters_stands_for_the_arguments() -> None:
    given = {"owner": "o", "repo": "r", "issueTitle": "t"}
    assert bind(CREATE, [given], {}) == {"owner": "o", "repo": "r", "issue_title": "t"}
    assert bind(CREATE, [{"owner": "o"}], {}) == {"owner": {"owner": "o"}}


def test_an_unknown_argument_is_named_with_the_one_that_was_meant_and_all_that_is_taken() -> None:
    with pytest.raises(InvalidArguments) as caught:
        bind(CREATE, ["o"], {"label": [], "owner": "x", "name": "t"})
    assert caught.value.message == (
        "github.issues.create: there is no parameter 'label', did you mean labels?; owner is given twice; "
        "there is no parameter 'name'; repo is missing; issue_title is missing"
    )
    assert caught.value.hint == "it takes owner, repo, issue_title; optional: labels, class_"


def test_too_many_arguments_by_place_are_refused() -> None:
    with pytest.raises(
        InvalidArguments, match=r"4 arguments are given by place, at most 3 \(owner, repo, issue_title\)"
    ):
        bind(CREATE, ["o", "r", "t", ["l"]], {})


def test_an_operation_that_accepts_more_gets_unknown_arguments_as_they_are() -> None:
    assert bind(replace(CREATE, accepts_more=True), [], {"Odd-Name": 1}) == {"Odd-Name": 1}


@given(
    st.dictionaries(st.text(), st.integers(), max_size=5),
    st.lists(st.integers() | st.dictionaries(st.text(), st.integers()), max_size=5),
)
def test_binding_gives_known_names_or_a_clear_error(arguments: dict[str, int], positional: list[Any]) -> None:
    try:
        bound = bind(CREATE, positional, arguments)
    except InvalidArguments as error:
        assert error.hint  # noqa: PT017
    else:
        assert bound.keys() <= {each.name for each in CREATE.parameters}


def test_parameters_that_nearly_all_operations_take_are_common_but_for_paging() -> None:
    def taking(number: int, *wires: str, required: bool = False) -> Operation:
        parameters = tuple(Parameter(wire, wire, "query", required, {}) for wire in wires)
        return Operation(f"up.o{number}", "up", f"o{number}", Effect.READ, parameters)

    many = [taking(n, "alt", "limit", *(["rare"] if n < 3 else [])) for n in range(14)]
    assert Catalog.build(many).common("up") == {"alt"}
    assert Catalog.build(many[:11]).common("up") == frozenset()
    assert Catalog.build([taking(n, "alt", required=True) for n in range(14)]).common("up") == frozenset()
    assert Catalog.build(many).common("other") == frozenset()
