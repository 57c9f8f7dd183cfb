"""A sample of what `python -m tests.stub_conformance` runs over everything."""

from pathlib import Path

import pytest

from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from tests.simulators.openapi_cases import sampled
from tests.simulators.stub_reader import ReadStub
from tests.stub_conformance.documents import document_findings
from tests.stub_conformance.tool_lists import tool_list_findings
from tests.stub_conformance.typed import complaints

pytest.importorskip("openapi_core", reason="openapi-core is not installed: pip install 'isthmus[contracts]'")
pytestmark = pytest.mark.anyio

DOCUMENTS = ("amazon-ec2", "circleci", "cloudflare", "discourse", "gcalendar", "gitlab", "gmail", "notion", "stripe")
TOOL_LISTS = ("arxiv", "brave-search", "excel", "filesystem", "memory", "mongodb")


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_stub_that_is_shown_is_the_signature_that_runs(test_data: Path, name: str) -> None:
    found = await document_findings(test_data / "specs" / f"{name}.json.gz", 8)
    assert found.failures == []
    assert found.stubs == 32
    assert found.calls + found.unmade == 16
    assert found.calls >= 12


@pytest.mark.parametrize("name", TOOL_LISTS)
async def test_so_it_is_for_tools(test_data: Path, name: str) -> None:
    found = await tool_list_findings(test_data / "mcp" / f"{name}.json", 10)
    assert found.failures == []
    assert found.judged == found.calls == 2 * found.operations


@pytest.mark.slow
def test_stubs_pass_mypy_in_strict_mode(test_data: Path, tmp_path: Path) -> None:
    operations = []
    for name in ("github", "stripe", "openai", "discourse"):
        content = (test_data / "specs" / f"{name}.json.gz").read_bytes()
        operations += sampled(compile_operations(read_document(content, name), name).operations, 12)
    assert complaints(operations, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("async def f(a: Widget) -> None:\n    '''x'''", "undefined: Widget"),
        ("async def f() -> None: ...", "docstring"),
        ("async def f() -> None:\n    '''x'''\nimport os", "one function, and classes"),
        ("async def f() -> A:\n    '''x'''\nclass A(TypedDict):\n    x: int = 3", "holds"),
    ],
)
def test_the_reader_refuses_what_is_no_stub(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ReadStub.of(text)


def test_the_reader_tells_which_values_a_stub_takes() -> None:
    read = ReadStub.of(
        "async def f(a: Literal['x', 1], *, b: list[P] | None = None) -> Any:\n    '''x'''\n"
        "class P(TypedDict):\n    n: int; m: dict[str, float]"
    )
    assert read.refusals({"a": "x", "b": [{"n": 1, "m": {"k": 2}}]}) == []
    assert read.refusals({"a": True, "b": [{"n": "1"}]}) == ["a: True is no Literal['x', 1]", "b[0].n: '1' is no int"]
    assert read.typical(every=True) == {"a": "x", "b": [{"n": 1, "m": {"key": 1.5}}]}
