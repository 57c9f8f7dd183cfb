"""Operations as Python stubs: what `search` shows, what the files under `/servers` hold, and what `bind` accepts.

    # github.issues.create [write] POST /repos/{owner}/{repo}/issues
    async def create(owner: str, repo: str, title: str, *, body: str = ..., labels: list[str] = ...) -> Issue:
        '''Create an issue.'''

Required parameters come first, by place or by name; optional ones by name alone. All text is the upstream's, cleaned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.catalog.names import words
from isthmus.model import Operation, Parameter
from isthmus.render.outlines import outline
from isthmus.render.schemas import may_be, properties, resolved
from isthmus.render.text import comment, cut, docstring, first_sentence, first_sentences, literal
from isthmus.render.tokens import estimate
from isthmus.render.types import Annotation, Annotator, Definition

_LINE = 108


@dataclass(frozen=True, slots=True)
class Depth:
    """How much a stub says. Characters are a quarter of a token or so."""

    summary: int  # characters of documentation
    about: int  # characters for one parameter; 0 describes none
    described: int  # characters for all parameters together
    signature: int  # characters of the signature; optional parameters beyond are named only
    fields: int  # characters for one type
    types: int  # types that are defined for the arguments, and as many for the answer
    depth: int  # how deep types are named within types
    every: bool = False  # describe every parameter and every field, not only those that need it


BRIEF = Depth(summary=120, about=0, described=0, signature=400, fields=0, types=0, depth=0)
NORMAL = Depth(summary=180, about=80, described=280, signature=700, fields=280, types=2, depth=1)
FILE = Depth(summary=400, about=120, described=2000, signature=4000, fields=900, types=6, depth=2)
FULL = Depth(summary=2400, about=300, described=8000, signature=8000, fields=3000, types=12, depth=3, every=True)


@dataclass(frozen=True, slots=True)
class Stub:
    """One operation, rendered: its header, where its values come from, its signature with documentation, its types.

    `sources` are comments, too: `# zone_id: from cloudflare.zones.list().result[].id`.
    """

    operation: Operation
    header: str
    sources: tuple[str, ...]
    signature: str
    types: tuple[Definition, ...] = ()

    @property
    def text(self) -> str:
        """The whole, as Python source."""
        return "\n".join([self.header, *self.sources, self.signature, *(each.text for each in self.types)])


def stub(
    operation: Operation,
    depth: Depth = NORMAL,
    mark: str = "",
    sources: Sequence[str] = (),
    common: frozenset[str] = frozenset(),
) -> Stub:
    """The stub of an operation.

    `mark` is added to its effect: `not allowed: ...`. `sources` say where its values come from, each a line.
    `common` are the wire names of optional parameters that nearly all operations of its upstream take: short stubs
    only name them.
    """
    taken: dict[str, str] = {}
    writer = Annotator(operation.document, depth.depth, depth.types, writing=True, taken=taken)
    reader = Annotator(
        operation.document, _answer_depth(operation, depth), depth.types, taken=taken, parted=operation.observed > 0
    )
    annotated = [(each, writer.annotate(each.schema, each.wire)) for each in operation.parameters]
    returns = _returns(operation, reader)
    own = annotated if depth.every else [pair for pair in annotated if pair[0].required or pair[0].wire not in common]
    body = docstring(_documentation(operation, own, depth) or ["-"])
    signature = _signature(operation, own, returns, depth)
    definitions = [
        definition
        for annotator in (writer, reader)
        for definition in annotator.definitions(depth.fields, described=depth.every)
    ]
    lines = tuple(comment(f"# {cut(source, 160)}") for source in sources)
    return Stub(operation, header(operation, mark), lines, f"{signature}\n{body}", tuple(definitions))


def one_liner(operation: Operation, mark: str = "", limit: int = 90) -> str:
    """The operation on one line, a comment: `# github.issues.list [read] (owner, repo) List issues`."""
    needed = ", ".join(parameter.name for parameter in operation.parameters if parameter.required)
    summary = first_sentence(operation.summary or operation.description, limit)
    return comment(f"# {operation.id}({cut(needed, 120)}) {_marks(operation, mark)} {summary}".rstrip())


def header(operation: Operation, mark: str = "") -> str:
    """The comment above a stub: its id, its effect, its route; or the MCP method, and what it is about."""
    route = f" {operation.route.method} {cut(operation.route.path, 160)}" if operation.route else ""
    if operation.method:
        route = f" {cut(operation.original, 160)}"
    return comment(f"# {operation.id} {_marks(operation, mark)}{route}")


def help_text(operation: Operation, mark: str = "", sources: Sequence[str] = (), budget_tokens: int = 3000) -> str:
    """All that there is to know of one operation: every parameter and every field with what is said of it.

    Where that is more than `budget_tokens`, first the fields go without their descriptions, then what is optional.
    """
    original = comment(f"# {operation.upstream} calls it {cut(operation.original, 200)}")
    text = ""
    for depth in (FULL, FILE, NORMAL, BRIEF):
        text = f"{original}\n{stub(operation, depth, mark, sources).text}"
        if estimate(text) <= budget_tokens:
            break
    return text


def _marks(operation: Operation, mark: str) -> str:
    marks = [operation.effect.value, "deprecated" if operation.deprecated else "", mark]
    return f"[{', '.join(each for each in marks if each)}]"


def _answer_depth(operation: Operation, depth: Depth) -> int:
    """A small envelope (`{data, has_more}`) is worth opening; of a big answer the top level is enough."""
    if depth.depth != NORMAL.depth or operation.output is None:
        return depth.depth
    return 1 if 1 <= len(properties(resolved(operation.output, operation.document).schema)) <= 6 else 0


def _returns(operation: Operation, reader: Annotator) -> Annotation:
    if operation.output is None:
        return Annotation("Any")
    return reader.annotate(operation.output, f"{operation.id.rpartition('.')[2]}_result")


def _signature(
    operation: Operation, annotated: Sequence[tuple[Parameter, Annotation]], returns: Annotation, depth: Depth
) -> str:
    """`async def name(required, *, optional) -> returns:`, filled into lines."""
    needed = [f"{each.name}: {annotation.text}" for each, annotation in annotated if each.required]
    optional = [(each, annotation) for each, annotation in annotated if not each.required]
    shown = [f"{each.name}: {annotation.text} = {_default(each, operation)}" for each, annotation in optional]
    fitting = _fitting(shown, depth.signature - sum(map(len, needed)))
    typed = {*(each.name for each, _ in annotated if each.required), *(each.name for each, _ in optional[:fitting])}
    names = [each.name for each in operation.parameters if each.name not in typed]
    parts = [*needed, *(["*"] if fitting else []), *shown[:fitting]]
    if operation.accepts_more:
        parts.append("**more: Any")
    name = operation.id.rpartition(".")[2]
    end = f") -> {returns.text}:{_told_of_answer(operation, depth)}"
    return _filled(f"async def {name}(", parts, end, _named_only(names, depth))


def _told_of_answer(operation: Operation, depth: Depth) -> str:
    """The fields of an answer whose types are not shown; and that a type is no promise, but what was seen."""
    told = []
    if operation.output is not None and not depth.types:
        told.append(outline(operation.output, operation.document))
    if operation.observed:
        told.append(f"observed {operation.observed:,} time{'' if operation.observed == 1 else 's'}")
    text = comment("; ".join(filter(None, told)))
    return f"  # {text}" if text else ""


def _fitting(parts: Sequence[str], room: int) -> int:
    """How many of the parts fit: at least six, and all where only few would be left out."""
    used = 0
    for place, part in enumerate(parts):
        used += len(part) + 2
        if used > room and place >= 6 and len(parts) - place > 2:
            return place
    return len(parts)


def _named_only(names: Sequence[str], depth: Depth) -> str:
    """The optional parameters that are named but not typed: `also, by name: a, b, c and 12 more`."""
    if not names:
        return ""
    room = depth.signature // 2
    shown = list(names)
    while len(shown) > 1 and sum(len(name) + 2 for name in shown) > room:
        shown.pop()
    left = len(names) - len(shown)
    return f"    # also, by name: {', '.join(shown)}" + (f" and {left} more" if left else "")


def _filled(start: str, parts: Sequence[str], end: str, remark: str) -> str:
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) <= _LINE and not remark:
        return line
    lines, current = [start], ""
    for part in parts:
        if current and len(current) + len(part) > _LINE:
            lines.append(f"    {current.rstrip()}")
            current = ""
        current += f"{part}, "
    if current:
        # a bare star must be followed by a name, and `**more` may not be followed by a comma in all versions
        lines.append(f"    {current.rstrip().rstrip(',') if parts[-1] == '**more: Any' else current.rstrip()}")
    return "\n".join([*lines, *([remark] if remark else []), end])


def _default(parameter: Parameter, operation: Operation) -> str:
    """The default that the upstream says; `...` where it says none, or one that its own schema does not allow."""
    schema = resolved(parameter.schema, operation.document).schema
    default = schema.get("default")
    if default is None or not may_be(schema, default):
        return "..."
    return literal(default, 32) or "..."


def _documentation(operation: Operation, annotated: Sequence[tuple[Parameter, Annotation]], depth: Depth) -> list[str]:
    lines = [_summary(operation, depth.summary)]
    room = depth.described
    known = _content(f"{operation.id} {operation.summary}") if room else set()
    for parameter, annotation in annotated if room else ():
        line = _about(parameter, annotation, known, depth)
        if line and room >= len(line):
            lines.append(line)
            room -= len(line)
    return [lines[0] or operation.original[:80], *lines[1:]] if any(lines) else []


def _summary(operation: Operation, limit: int) -> str:
    """The summary, and as many sentences of the description as fit; the one alone that says what the other does."""
    summary = first_sentence(operation.summary, limit)
    described = first_sentences(operation.description, limit)
    if not summary or set(words(summary)) <= set(words(described)):
        return described or summary
    room = limit - len(summary)
    rest = first_sentences(operation.description, room) if room > 40 else ""
    return f"{summary.rstrip('.')}. {rest}" if rest and not rest.endswith("…") else summary


def _about(parameter: Parameter, annotation: Annotation, known: set[str], depth: Depth) -> str:
    """What is said of one parameter, where it is more than its name, its type and what is `known` say."""
    notes = "; ".join(annotation.notes)
    if depth.every:
        described = first_sentences(parameter.description, depth.about)
    else:
        described = first_sentence(parameter.description, depth.about)
        if described and len(_content(described) - known - _content(parameter.wire)) < 2:
            described = ""
    said = " - ".join(each for each in (notes, described) if each)
    return f"{parameter.name}: {said}" if said else ""


def _content(text: str) -> set[str]:
    return {_stem(word) for word in words(text)} - _EMPTY


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


_EMPTY = frozenset(
    words(
        "a an the of for to in on by with from and or is are be been it its this that which who will can may must if "
        "as at id ids identifier unique name names given specified value values account owner repository string "
        "integer number boolean list array object parameter field want used use set get whether required optional "
        "should case sensitive insensitive not extension without git"
    )
)
