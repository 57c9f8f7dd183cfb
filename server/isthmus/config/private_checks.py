"""What the shape of `private:` cannot say: paths that cannot be read, and fields that name nothing."""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.config.faults import Findings
from isthmus.config.nodes import Node
from isthmus.privacy.paths import Unreadable, parse


def check_private(root: Node, findings: Findings) -> None:
    """Find what is wrong with `private:`, but for its globs."""
    private = root.entries.get("private")
    if private is None:
        return
    fields = private.entries.get("fields")
    for node in fields.items if fields else ():
        _check_field(node, findings)
    if private.value and "kinds" not in private.entries and not (fields and fields.items):
        findings.fault(private.place, "nothing is private here", "name some under 'kinds' or 'fields', or remove it")


def private_globs(root: Node) -> Iterator[Node]:
    """Every list of globs of operation ids under `private`."""
    private = root.entries.get("private")
    for section, key in (("fields", "operations"), ("release", "to")) if private else ():
        listed = private.entries.get(section)  # type: ignore[union-attr]
        for node in listed.items if listed else ():
            if (globs := node.entries.get(key)) is not None:
                yield globs


def _check_field(node: Node, findings: Findings) -> None:
    entries = node.entries
    paths, kinds = entries.get("paths"), entries.get("kinds")
    if not (paths and paths.items) and not (kinds and kinds.items):
        findings.fault(
            node.place, "the field names neither paths nor kinds", "add paths: ['$..name'], or kinds: [email]"
        )
    called = entries.get("called")
    if called is not None and kinds and kinds.items:
        findings.fault(
            called.place, "'called' means nothing beside 'kinds'", "remove it: their tokens have their names"
        )
    for path in paths.items if paths else ():
        if isinstance(path.value, str):
            try:
                parse(path.value)
            except Unreadable as why:
                findings.fault(path.place, f"this is no path that can be used: {why}", "write it as $.items[*].name")
