"""Variables in values: `${NAME}` and `${NAME:-default}`, taken from the environment after the file has been parsed.

    token: ${GITHUB_TOKEN}            the variable, which must be set and not empty
    url: ${TRACKER:-http://127.0.0.1:8080/mcp}
    text: $${NOT_A_VARIABLE}          stands for `${NOT_A_VARIABLE}`

Since expansion follows parsing, what a variable holds is one text, whatever it looks like. Keys are never expanded, and
neither is what a variable holds. `${env:NAME}`, as VS Code writes it, is `${NAME}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from isthmus.config.faults import Findings, Place
from isthmus.config.nodes import Node

_DOLLAR = re.compile(r"\$\$\{|\$\{")
_VARIABLE = re.compile(r"\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}")
_INPUT = re.compile(r"\$\{input:[^{}]*\}")
_EDITOR = frozenset({"workspaceFolder", "workspaceFolderBasename", "userHome", "pathSeparator"})
_UNTEXT = re.compile(r"[\x00\ud800-\udfff]")


def expand(node: Node, environ: Mapping[str, str], findings: Findings) -> Node:
    """The tree with its variables replaced; what cannot be replaced is added to `findings`, and left as it is."""
    match node.value:
        case str(text):
            return replace(node, value=_expanded(text, node.place, environ, findings))
        case tuple(items):
            return replace(node, value=tuple(expand(item, environ, findings) for item in items))
        case Mapping() as entries:
            return node.with_entries({key: expand(part, environ, findings) for key, part in entries.items()})
    return node


def _expanded(text: str, place: Place, environ: Mapping[str, str], findings: Findings) -> str:
    whole = "".join(_pieces(text, place, environ, findings))
    if _UNTEXT.search(whole):
        findings.fault(place, "the text holds NUL or half a character", "remove it, or the escape that makes it")
        return ""
    return whole


def _pieces(text: str, place: Place, environ: Mapping[str, str], findings: Findings) -> Iterator[str]:
    position = 0
    while dollar := _DOLLAR.search(text, position):
        yield text[position : dollar.start()]
        if dollar[0] == "$${":
            yield "${"
            position = dollar.end()
        elif variable := _VARIABLE.match(text, dollar.start()):
            yield _value(variable, place, environ, findings)
            position = variable.end()
        else:
            findings.fault(place, *_broken(text, dollar.start()))
            return
    yield text[position:]


def _value(variable: re.Match[str], place: Place, environ: Mapping[str, str], findings: Findings) -> str:
    name, default = variable["name"], variable["default"]
    if value := environ.get(name):
        return value
    if default is not None:
        return default
    state = "empty" if name in environ else "not set"
    findings.fault(place, f"the variable {name} is {state}", _remedy(name, environ))
    return variable[0]


def _remedy(name: str, environ: Mapping[str, str]) -> str:
    if name in _EDITOR:
        return "only an editor knows that variable: write the path itself"
    known = [known for known in environ if known.lower() == name.lower() and known != name]
    otherwise = f"set it in the environment of isthmus, or give a default: ${{{name}:-...}}"
    return f"did you mean {known[0]!r}?" if known else otherwise


def _broken(text: str, start: int) -> tuple[str, str]:
    if _INPUT.match(text, start):
        return "VS Code asks its user for an ${input:...}", "set a variable, and write ${NAME} in its place"
    return "a '${' that is no variable", "write ${NAME} or ${NAME:-default}; a literal '${' is '$${'"
