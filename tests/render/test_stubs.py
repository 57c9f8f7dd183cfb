import ast
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.catalog import bind
from isthmus.catalog.names import operation_ids, parameter_names
from isthmus.errors import InvalidArguments
from isthmus.model import Effect, Operation, Parameter, Route, SchemaDocument
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.render.stubs import BRIEF, FILE, FULL, NORMAL, help_text, one_liner, stub
from tests.simulators.operations import tool_lists

CREATE = Operation(
    id="github.issues.create",
    upstream="github",
    original="issues/create",
    effect=Effect.WRITE,
    parameters=(
        Parameter("owner", "owner", "path", True, {"type": "string"}, "The account owner of the repository."),
        Parameter("title", "title", "body", True, {"type": "string"}),
        Parameter("state", "state", "body", False, {"enum": ["open", "closed"], "default": "open"}),
        Parameter("labels", "labels", "body", False, {"type": "array", "items": {"type": "string"}}),
        Parameter("since", "since", "query", False, {"type": "string"}, "Only those updated after this ISO timestamp."),
    ),
    summary="Create an issue",
    output={"$ref": "#/components/schemas/issue"},
    document=SchemaDocument(
        {"components": {"schemas": {"issue": {"properties": {"id": {"type": "integer"}, "title": {"type": "string"}}}}}}
    ),
    route=Route("POST", "/repos/{owner}/issues"),
)


def parsed(text: str) -> ast.AsyncFunctionDef:
    """The one function that a stub defines; beside it there may be classes and nothing else."""
    module = ast.parse(text)
    functions = [node for node in module.body if isinstance(node, ast.AsyncFunctionDef)]
    assert len(functions) == 1
    for node in module.body:
        assert isinstance(node, ast.AsyncFunctionDef | ast.ClassDef)
    (statement,) = functions[0].body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    return functions[0]


def assert_says_what_runs(operation: Operation, function: ast.AsyncFunctionDef) -> None:
    by_place = [argument.arg for argument in function.args.args]
    by_name = [argument.arg for argument in function.args.kwonlyargs]
    assert function.name == operation.id.rpartition(".")[2]
    assert by_place == [each.name for each in operation.parameters if each.required]
    optional = [each.name for each in operation.parameters if not each.required]
    assert by_name == optional[: len(by_name)]
    assert (function.args.kwarg is not None) == operation.accepts_more


def test_a_stub_reads_like_python() -> None:
    assert stub(CREATE).text == (
        "# github.issues.create [write] POST /repos/{owner}/issues\n"
        "async def create(\n"
        '    owner: str, title: str, *, state: Literal["open", "closed"] = "open", labels: list[str] = ...,\n'
        "    since: str = ...,\n"
        ") -> Issue:\n"
        '    """Create an issue\n'
        '    since: Only those updated after this ISO timestamp."""\n'
        "class Issue(TypedDict):\n"
        "    id: int; title: str"
    )


def test_one_line_holds_what_is_needed_to_choose() -> None:
    assert (
        one_liner(CREATE, "not allowed") == "# github.issues.create(owner, title) [write, not allowed] Create an issue"
    )


def test_a_mark_and_deprecation_stand_beside_the_effect() -> None:
    text = stub(replace(CREATE, deprecated=True), mark="needs approval").text
    assert text.startswith("# github.issues.create [write, deprecated, needs approval] POST")


def test_help_says_everything() -> None:
    text = help_text(CREATE)
    assert "# github calls it issues/create" in text
    assert "owner: The account owner of the repository." in text
    assert "id: int\n" in text
    parsed(text)


def test_an_operation_that_accepts_more_says_so() -> None:
    function = parsed(stub(replace(CREATE, accepts_more=True)).text)
    assert function.args.kwarg is not None


def test_many_optional_parameters_are_named_at_least() -> None:
    many = tuple(Parameter(f"option_{n}", f"option_{n}", "query", False, {"type": "string"}) for n in range(60))
    text = stub(replace(CREATE, parameters=many), NORMAL).text
    parsed(text)
    assert "    # also, by name: option_" in text


def test_all_tools_of_real_servers_are_valid_python_that_says_what_runs(test_data: Path) -> None:
    for operation in tool_lists(test_data):
        for depth in (BRIEF, NORMAL, FILE, FULL):
            assert_says_what_runs(operation, parsed(stub(operation, depth).text))


def test_operations_of_real_documents_are_valid_python_that_says_what_runs(test_data: Path) -> None:
    for name in ("github", "stripe", "openai", "cloudflare", "circleci", "gmail", "notion", "netlify"):
        content = (test_data / "specs" / f"{name}.json.gz").read_bytes()
        operations = compile_operations(read_document(content, name), name).operations
        assert operations
        for operation in operations[:: max(1, len(operations) // 60)]:
            for depth in (NORMAL, FULL):
                assert_says_what_runs(operation, parsed(stub(operation, depth).text))


def test_documents_that_attack_come_to_harmless_stubs(test_data: Path) -> None:
    for name in ("01-ref-cycle", "21-allof-bomb", "22-patterns", "23-code-injection"):
        content = (test_data / "attacks" / "specs" / f"{name}.json").read_bytes()
        operations = compile_operations(read_document(content, name), "up").operations
        assert operations
        for operation in operations:
            parsed(stub(operation, FULL).text)
            assert len(stub(operation).text) < 6000


POISON = "<IMPORTANT>\u202e\u200b" + '"""\nimport os; os.system("id")\n# \\'


def test_poisoned_text_is_bounded_visible_and_stays_in_its_place() -> None:
    poisoned = replace(
        CREATE,
        summary=POISON * 100,
        description="A" * 500_000,
        route=Route("GET", f"/{POISON}"),
        parameters=(Parameter("a", POISON, "query", False, {"default": POISON, "enum": [POISON, "\ud800"]}, POISON),),
    )
    for depth in (BRIEF, NORMAL, FILE, FULL):
        text = stub(poisoned, depth).text
        parsed(text)
        assert "\u202e" not in text
        assert "\u200b" not in text
        assert len(text) < 12_000
    assert "\n" not in one_liner(poisoned)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
SCHEMAS = st.dictionaries(
    st.sampled_from(["type", "enum", "default", "items", "properties", "format"]), JSON, max_size=3
)


@given(
    st.text(max_size=40),
    st.text(max_size=80),
    st.lists(st.tuples(st.text(max_size=20), st.booleans(), SCHEMAS, st.text(max_size=60)), max_size=5),
    SCHEMAS,
    st.booleans(),
)
def test_whatever_an_upstream_says_its_stub_is_valid_and_says_what_runs(
    original: str, text: str, wires: list[tuple[str, bool, Any, str]], output: Any, more: bool
) -> None:
    names = parameter_names([(wire, "query") for wire, *_ in wires])
    parameters = [Parameter(name, w, "query", r, s, d) for name, (w, r, s, d) in zip(names, wires, strict=True)]
    operation = Operation(
        id=operation_ids("up", [original])[0],
        upstream="up",
        original=original,
        effect=Effect.READ,
        parameters=tuple(sorted(parameters, key=lambda each: not each.required)),
        summary=text,
        description=text,
        output=output,
        accepts_more=more,
    )
    for depth in (NORMAL, FULL):
        assert_says_what_runs(operation, parsed(stub(operation, depth).text))
    parsed(help_text(operation))
    assert ast.parse(one_liner(operation)).body == []


@pytest.mark.parametrize(
    "given_", [{"owner": "o", "title": "t"}, {"owner": "o", "titel": "t"}, {"since": "x", "state": "open"}]
)
def test_what_the_stub_accepts_is_what_bind_accepts(given_: dict[str, str]) -> None:
    function = parsed(stub(CREATE).text)
    kinds = inspect.Parameter
    signature = inspect.Signature(
        [kinds(each.arg, kinds.POSITIONAL_OR_KEYWORD) for each in function.args.args]
        + [kinds(each.arg, kinds.KEYWORD_ONLY, default=...) for each in function.args.kwonlyargs]
    )
    try:
        expected: dict[str, Any] | None = dict(signature.bind_partial(**given_).arguments)
    except TypeError:
        expected = None
    try:
        bound: dict[str, Any] | None = bind(CREATE, (), given_)
    except InvalidArguments:
        bound = None
    assert bound == expected


def test_what_nearly_all_operations_take_is_only_named() -> None:
    text = stub(CREATE, common=frozenset({"labels", "owner"})).text
    assert '*, state: Literal["open", "closed"] = "open", since: str = ...,' in text
    assert "    # also, by name: labels\n" in text
    assert "labels: list[str] = ..." in stub(CREATE, FULL, common=frozenset({"labels"})).text


def test_a_short_stub_names_the_fields_of_an_answer() -> None:
    text = stub(CREATE, BRIEF).text
    assert ") -> dict:  # {id, title}\n" in text
    parsed(text)


def test_sources_stand_under_the_header_as_comments() -> None:
    text = stub(CREATE, sources=["owner: from github.users.list()[].login", 'x"""\nimport os']).text
    header, first, second, *_ = text.split("\n")
    assert header.startswith("# github.issues.create")
    assert first == "# owner: from github.users.list()[].login"
    assert second == '# x""" import os'
    parsed(text)
