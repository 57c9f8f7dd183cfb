"""Source that is not quite Python as it was pasted, made so: only when it does not parse, and never silently."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from guest.program import Source, parse

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*[\w.+-]*[ \t]*$")
_ODD_SPACES = dict.fromkeys(
    map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " "
)
_INVISIBLE: dict[int, None] = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad\x0b\x1c\x1d\x1e\x1f\x7f"))
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


@dataclass(frozen=True, slots=True)
class Mended:
    """A source that parses, its tree, and what was done to it."""

    source: Source
    tree: ast.Module
    notes: tuple[str, ...] = ()


Mend = Callable[[Source], tuple[Source, str] | None]
"""Gives the changed source and what was done to it; None where it finds nothing to do."""


def parse_forgivingly(source: Source) -> Mended:
    """The tree of a source, mended if need be.

    Raises:
        SyntaxError: no mend helps; of the source with its wrappings removed, where it had any, so that the
            error is about the program. The error's `source` attribute is the Source that it speaks of.
    """
    unwrapped = _unwrap_whole_call(source)
    if unwrapped is not None:
        inner = parse_forgivingly(unwrapped[0])
        return replace(inner, notes=(unwrapped[1], *inner.notes))
    try:
        return Mended(source, parse(source))
    except SyntaxError as error:
        first = error
    notes: list[str] = []
    about, said = source, first
    for mend in _MENDS:
        changed = mend(source)
        if changed is None:
            continue
        source, note = changed
        notes.append(note)
        try:
            return Mended(source, parse(source), tuple(notes))
        except SyntaxError as error:
            if mend in _UNWRAPPING:
                about, said = source, error
    said.source = about  # type: ignore[attr-defined]
    raise said


def _unwrap_whole_call(source: Source) -> tuple[Source, str] | None:
    """All arguments of the tool, `thoughts` among them: Python would take them for a dict, and do nothing."""
    return _unwrap_envelope(source) if source.text.lstrip()[:1] == "{" and '"thoughts"' in source.text else None


def _unwrap_envelope(source: Source) -> tuple[Source, str] | None:
    """`{"thoughts": ..., "code": ...}`: the arguments of the tool, pasted as its code."""
    text = source.text.strip().removeprefix("\ufeff")
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        envelope = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    code = envelope.get("code") if isinstance(envelope, dict) else None
    if not isinstance(code, str) or not code.strip():
        return None
    return replace(source, text=code), 'took the program out of a JSON object with "code"; lines are counted in it'


def _remove_fence(source: Source) -> tuple[Source, str] | None:
    """A Markdown fence around the program, prose before and after it included."""
    lines = source.text.split("\n")
    fences = [index for index, line in enumerate(lines) if _FENCE.match(line.rstrip("\r"))]
    if not fences:
        return None
    begin = fences[0] + 1
    end = fences[1] if len(fences) > 1 else len(lines)
    if len(fences) == 1 and any(line.strip() for line in lines[: fences[0]]):
        begin, end = 0, fences[0]  # a closing fence alone
    inside = "\n".join(lines[begin:end])
    return replace(source, text=inside, line=source.line + begin), "removed a Markdown fence"


def _remove_indent(source: Source) -> tuple[Source, str] | None:
    """Indentation that all lines have in common, but for blank ones."""
    lines = source.text.split("\n")
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    common = min(indents, key=len, default="")
    if not common or not all(indent.startswith(common) for indent in indents):
        return None
    text = "\n".join(line[len(common) :] if line.strip() else "" for line in lines)
    return replace(source, text=text, column=source.column + len(common)), "removed common indentation"


def _replace_characters(source: Source) -> tuple[Source, str] | None:
    """Spaces that Python does not take for such, characters that do not show, and typographic quotes."""
    spaced = source.text.translate(_ODD_SPACES).translate(_INVISIBLE)
    if spaced != source.text:
        return replace(source, text=spaced), "replaced non-printing characters"
    return None


def _replace_quotes(source: Source) -> tuple[Source, str] | None:
    """Typographic quotes, as word processors make them."""
    text = source.text.translate(_QUOTES)
    return None if text == source.text else (replace(source, text=text), "replaced typographic quotes")


_MENDS: Sequence[Mend] = (_unwrap_envelope, _remove_fence, _remove_indent, _replace_characters, _replace_quotes)
_UNWRAPPING: Sequence[Mend] = (_unwrap_envelope, _remove_fence, _remove_indent)
