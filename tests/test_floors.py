"""Imports go down the floors only, and what is heavy or foreign stays where it belongs.

The floors are drawn in `specs/ARCHITECTURE.md`. All imports count, also those inside functions and for types only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (ROOT / "server", ROOT / "wasm_runtime")

FLOORS = {
    0: ["isthmus", "isthmus.model", "isthmus.errors", "isthmus_sandbox.protocol", "isthmus_sandbox.values"],
    1: [
        *("isthmus.audit", "isthmus.insight", "isthmus.skills"),
        *("isthmus.catalog", "isthmus.render", "isthmus.openapi", "isthmus.policy", "isthmus.rules", "isthmus.journal"),
        *(
            "isthmus.config",
            "isthmus.coercion",
            "isthmus.validation",
            "isthmus.redaction",
            "isthmus.compact",
            "isthmus.privacy",
            "isthmus.contracts",
            "isthmus.preflight",
            "isthmus.certainty",
        ),
    ],
    2: ["isthmus.ports", "isthmus.turns"],
    3: [
        *("isthmus.upstreams", "isthmus.credentials", "isthmus.stores", "isthmus.telemetry"),
        *("isthmus.mock", "isthmus.identity", "isthmus_sandbox"),
    ],
    4: [
        "isthmus.trail",
        "isthmus.service",
        "isthmus.execution",
        "isthmus.gateway",
        "isthmus.recording",
        "isthmus.replay",
        "isthmus.terms",
    ],
    5: ["isthmus.compose"],
    6: ["isthmus.cli", "isthmus.front", "isthmus.demo", "isthmus.__main__", "isthmus.pytest_plugin"],
}
"""Modules and packages by floor; the longest name that fits a module counts. `isthmus` is the package itself alone."""

BORDERS = {
    "mcp": {
        *("isthmus.upstreams", "isthmus.credentials", "isthmus.stores", "isthmus.telemetry", "isthmus.front"),
        "isthmus.mock",
    },
    "httpx2": {
        *("isthmus.upstreams", "isthmus.credentials", "isthmus.stores", "isthmus.telemetry", "isthmus.front"),
        "isthmus.identity",
    },
    "jwt": {"isthmus.identity"},
    "uvicorn": {"isthmus.front", "isthmus.mock"},
    "wasmtime": {"isthmus_sandbox"},
    "pytest": {"isthmus.pytest_plugin"},
    "opentelemetry": {"isthmus.telemetry"},
}
"""Foreign packages, and who may import them. The demo's embedded upstreams are programs of their own."""

APART = {"isthmus.demo"}
"""Packages that hold whole programs: what they import is their own affair, whom they are imported by is not."""

IMPURE = {"time", "random", "secrets", "socket", "subprocess", "asyncio", "anyio"}
"""What a module of the floors 0 and 1 gets as an argument, or not at all."""

HEAVY = ("mcp", "httpx2", "pydantic", "yaml", "jsonschema_rs", "wasmtime", "openapi_core", "anyio", "asyncio")
"""What `isthmus --help` does not wait for."""


def module_name(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """All modules of the sources, guest included, by name."""
    found = {module_name(path, source): path for source in SOURCES for path in source.rglob("*.py")}
    return {name: path for name, path in found.items() if name.split(".")[0] in {"isthmus", "isthmus_sandbox", "guest"}}


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imports(name: str) -> Iterator[tuple[str, int]]:
    """What a module imports, as full names of modules where they are ours, and the lines."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield (whole if whole in modules() else base), node.lineno


def absolute(name: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if modules()[name].name == "__init__.py" else name.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def floor(name: str) -> int | None:
    """The floor of a module; None where no name of `FLOORS` fits it."""
    fitting = [
        (len(prefix), number)
        for number, prefixes in FLOORS.items()
        for prefix in prefixes
        if name == prefix or (prefix != "isthmus" and name.startswith(f"{prefix}."))
    ]
    return max(fitting)[1] if fitting else None


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def ours() -> list[str]:
    return sorted(name for name in modules() if not within(name, {"guest"}))


def test_every_module_has_a_floor() -> None:
    assert [name for name in ours() if floor(name) is None] == [], "give them a floor in FLOORS"


def test_imports_go_down_only() -> None:
    wrong = [
        f"{name}:{line} (floor {floor(name)}) imports {imported} (floor {floor(imported)})"
        for name in ours()
        for imported, line in imports(name)
        if imported in modules() and not within(name, APART) and (floor(imported) or 0) > (floor(name) or 0)
    ]
    assert wrong == []


def test_nothing_is_imported_in_a_circle() -> None:
    graph = {
        name: {imported for imported, _ in imports(name) if imported in modules() and imported != name}
        for name in modules()
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("package", BORDERS)
def test_foreign_packages_are_imported_at_their_borders_only(package: str) -> None:
    wrong = [
        f"{name}:{line}"
        for name in ours()
        for imported, line in imports(name)
        if within(imported, {package}) and not within(name, BORDERS[package] | APART)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["isthmus_sandbox", "guest"])
def test_the_sandbox_and_the_guest_know_nothing_of_isthmus(package: str) -> None:
    others = {"isthmus", "guest", "isthmus_sandbox"} - {package}
    wrong = [
        f"{name}:{line} imports {imported}"
        for name in modules()
        if within(name, {package})
        for imported, line in imports(name)
        if within(imported, others)
    ]
    assert wrong == []


def test_the_lowest_floor_needs_the_standard_library_only() -> None:
    wrong = [
        f"{name}:{line} imports {imported}"
        for name in ours()
        if floor(name) == 0
        for imported, line in imports(name)
        if imported.split(".")[0] not in sys.stdlib_module_names and floor(imported) != 0
    ]
    assert wrong == []


def test_pure_floors_take_clock_chance_and_environment_as_arguments() -> None:
    wrong = [
        f"{name}:{line} imports {imported}"
        for name in ours()
        if floor(name) in {0, 1}
        for imported, line in imports(name)
        if imported.split(".")[0] in IMPURE
    ]
    wrong += [
        f"{name}:{node.lineno} reads os.{node.attr}"
        for name in ours()
        if floor(name) in {0, 1}
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "urandom", "getcwd"}
        if isinstance(node.value, ast.Name) and node.value.id == "os"
    ]
    assert wrong == []


@pytest.mark.parametrize("statement", ["import isthmus.cli", "import isthmus.cli; isthmus.cli.main(['--version'])"])
def test_the_command_line_starts_without_anything_heavy(statement: str) -> None:
    assert sorted(imported_by(statement) & set(HEAVY)) == []


def test_a_first_search_waits_for_no_client_and_no_sdk() -> None:
    needed = "isthmus.front.beginning, isthmus.compose, isthmus.upstreams.http, isthmus.stores.catalogs"
    imported = imported_by(f"import {needed}, isthmus.service.search_both, isthmus.service.search")
    assert sorted(imported & {"mcp", "mcp_types", "httpx2", "wasmtime", "isthmus.upstreams.http_calls"}) == []


def imported_by(statement: str) -> set[str]:
    """The modules that there are after a statement, in a process of its own."""
    script = f"import sys\ntry:\n    exec({statement!r})\nexcept SystemExit: pass\nprint(*sys.modules, sep='\\n')"
    path = f"import sys; sys.path[:0] = {[str(source) for source in SOURCES]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
