"""A skill as a Python file that people review and keep in version control: a header of comments, then the source.

    # isthmus skill: normalise_address, version 3
    # description: Normalise a postal address of the shop.
    # uses: shop.customers.get
    # example: normalise_address("Main St 5")
    # saved: 2026-11-22T21:56:03+00:00 by local in x-3f9c0a1b2c3d4e5f
    # content: sha256:9b0f...
    # reviewed: no

    import re


    def normalise_address(text: str) -> str:
        ...

A file without the first line is a skill, too: a person wrote it, and it counts as reviewed. Its description is in a
line `# description:`, or else in its docstring.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from isthmus.errors import InvalidArguments
from isthmus.skills.skill import MAX_DESCRIPTION, Skill, check_description, check_name

_FIRST = re.compile(r"# isthmus skill: (\S{1,64}), version ([0-9]{1,6})")
_LINE = re.compile(r"# ([a-z]+): ?(.*)")
_SAVED = re.compile(r"(\S{1,40}) by (.{1,200}) in (\S{1,40})")
_OPERATION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_HASH = re.compile(r"sha256:[0-9a-f]{32}")


def written(skill: Skill) -> str:
    """The text of a skill's file."""
    facts = {
        "description": skill.description,
        "uses": ", ".join(skill.uses),
        "example": skill.example,
        "saved": f"{skill.saved_at} by {_line(skill.saved_by)} in {skill.saved_in}" if skill.saved_at else "",
        "content": skill.hash,
        "reviewed": skill.reviewed if skill.is_reviewed else "no",
    }
    lines = [f"# isthmus skill: {skill.name}, version {skill.version}"]
    lines += [f"# {key}: {value}" for key, value in facts.items() if value]
    return "\n".join([*lines, "", skill.source]) + ("" if skill.source.endswith("\n") else "\n")


def read(text: str, name: str) -> Skill:
    """The skill that a text is; `name` is that of its file. Its source is not looked into.

    Raises:
        InvalidArguments: it is none; the message says why.
    """
    check_name(name)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    first = _FIRST.fullmatch(text.partition("\n")[0].rstrip())
    if first is None:
        return _by_hand(text, name)
    if first[1] != name:
        raise InvalidArguments(f"it says that it is {first[1]!r}, and its file is called {name!r}", hint="rename one")
    facts, source = _header(text.partition("\n")[2])
    described = check_description(facts.get("description", ""))
    saved = _SAVED.fullmatch(facts.get("saved", ""))
    skill = Skill(
        name,
        described,
        source,
        version=max(1, int(first[2])),
        uses=tuple(each for each in facts.get("uses", "").split(", ") if _OPERATION.fullmatch(each)),
        example=_line(facts.get("example", ""))[:300],
        stated=_hash(facts.get("content", "")),
        reviewed=_hash(facts.get("reviewed", "")),
    )
    return replace(skill, saved_at=saved[1], saved_by=saved[2], saved_in=saved[3]) if saved else skill


def _header(text: str) -> tuple[dict[str, str], str]:
    """The facts in the comments, each counted once, and what stands after them."""
    facts: dict[str, str] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            return facts, "\n".join(lines[number:]).strip("\n") + "\n"
        facts.setdefault(found[1], found[2].strip())
    return facts, ""


def _by_hand(text: str, name: str) -> Skill:
    facts, source = _header(text.lstrip("\n"))
    described = facts.get("description") or _docstring(source, name)[:MAX_DESCRIPTION]
    skill = Skill(name, check_description(described), source)
    return replace(skill, reviewed=skill.hash)


def _docstring(source: str, name: str) -> str:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidArguments("it is no Python", hint="mend it, or take it out of the folder") from None
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    own = next((each for each in functions if each.name == name), None)
    text = (ast.get_docstring(own) if own else None) or ast.get_docstring(tree) or ""
    if not text:
        raise InvalidArguments(
            "it has no description", hint=f"give the function {name} a docstring, or the file a line `# description:`"
        )
    return text.partition("\n\n")[0]


def _hash(text: str) -> str:
    return text if _HASH.fullmatch(text) else ""


def _line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
