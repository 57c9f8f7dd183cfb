"""From the checked tree to the model, with pydantic's errors told as ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from isthmus.config.faults import SECRET_SECTIONS, Findings, Path, Place, may_show, meant, nearest
from isthmus.config.model import Configuration, Limits, PolicyConfig, UpstreamConfig
from isthmus.config.nodes import Node, kind, node_at, place_of, plain, walk

_LATER = {
    "skills_dir": "write skills: {folder: ...}",
    "verify_tls": "certificates are always checked: remove the key",
    "default": "what policy.allow does not name is refused: remove the key",
    "readonly": "reading is all that is allowed unless policy.allow says more: remove the key",
}
"""Settings that one might look for here, and what to do without them."""


def validated(root: Node, findings: Findings) -> Configuration | None:
    """The configuration that a tree stands for; None, and all faults in `findings`, where it stands for none."""
    for node in walk(root):
        if node.value is None:
            _note_empty(node.place, findings)
    try:
        # From JSON rather than from Python: strict, so that nothing is converted, and yet effects are told by name.
        return Configuration.model_validate_json(json.dumps(plain(root)), strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=True, include_input=False):
            _note(detail, root, findings)
    return None


def _note_empty(place: Place, findings: Findings) -> None:
    """A key without a value. Where secrets are, such a key may be one itself (`{token}`), and is not repeated."""
    hidden = SECRET_SECTIONS.intersection(place.path[:-1])
    shown = Place(place.line, place.path[:-1]) if hidden else place
    problem = "a key here has no value" if hidden else "the key has no value"
    findings.fault(shown, problem, "give it one, or remove the key")


def _note(detail: ErrorDetails, root: Node, findings: Findings) -> None:
    path: Path = detail["loc"]
    node = node_at(root, path)
    if node is not None and node.value is None:
        return
    place = place_of(root, path)
    if detail["type"] == "extra_forbidden":
        findings.fault(place, *_unknown_key(path))
    elif detail["type"] == "missing":
        findings.fault(place, "the key is missing", "add it")
    else:
        findings.fault(place, *_wrong_value(detail, node))


def _unknown_key(path: Path) -> tuple[str, str]:
    *above, key = path
    known = _keys(_model_at(tuple(above)))
    if not may_show(path):
        return "an unknown key", f"the keys here are {', '.join(known)}"
    word = str(key)
    home = next((home for home, model in _HOMES.items() if word in _keys(model)), None)
    if word in _LATER:
        return "this key is not known", _LATER[word]
    if home is not None and nearest(word, known, cutoff=0.75) is None:
        return "the key does not belong here", f"it belongs under {home}"
    return "an unknown key", meant(word, known, f"the keys here are {', '.join(known)}")


_HOMES: Mapping[str, type[BaseModel]] = {
    "policy": PolicyConfig,
    "limits": Limits,
    "upstreams.<name>": UpstreamConfig,
}


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(path: Path) -> type[BaseModel]:
    """The class that describes the mapping at `path`."""
    annotation: Any = Configuration
    for key in path:
        model = _model_in(annotation)
        if model is None or not isinstance(annotation, type):
            annotation = model
            continue
        field = next(field for name, field in model.model_fields.items() if (field.alias or name) == key)
        annotation = field.annotation
    return _model_in(annotation) or Configuration


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The class in `dict[str, X]`, `X | None` or `X`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if part is not NoneType and (found := _model_in(part))), None)


def _wrong_value(detail: ErrorDetails, node: Node | None) -> tuple[str, str]:
    context = detail.get("ctx", {})
    tell = _PROBLEMS.get(detail["type"])
    if tell is None:
        return detail["msg"].lower(), "look at the description of this key in the JSON Schema"
    return tell(context, node)


Tell = Callable[[Mapping[str, Any], "Node | None"], tuple[str, str]]


def _wanted(what: str, remedy: str) -> Tell:
    def tell(_: Mapping[str, Any], node: Node | None) -> tuple[str, str]:
        found = kind(node) if node else "something else"
        if found == "a number":
            found = "a number, but not a whole one" if what == "a whole number" else found
        quote = "put it in quotes" if what == "text" and found in {"a number", "a boolean"} else remedy
        return f"{what} is wanted, and this is {found}", quote

    return tell


def _bound(words: str, key: str) -> Tell:
    def tell(context: Mapping[str, Any], _: Node | None) -> tuple[str, str]:
        bound = f"{words} {context[key]:.12g}"
        return f"the number must be {bound}", f"choose one that is {bound}"

    return tell


def _choice(context: Mapping[str, Any], node: Node | None) -> tuple[str, str]:
    words = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
    said = node.value if node else None
    near = nearest(said.lower(), words) if isinstance(said, str) else None
    return (
        f"one of {', '.join(words)} is wanted",
        f"did you mean {near!r}?" if near else f"write {words[0]}, for example",
    )


def _finite(_: Mapping[str, Any], __: Node | None) -> tuple[str, str]:
    return "the number must be finite", "choose a number"


def _too_short(_: Mapping[str, Any], __: Node | None) -> tuple[str, str]:
    return "it is empty", "give it a value, or remove the key"


_NUMBER = _wanted("a number", "write a plain decimal number")
_WHOLE = _wanted("a whole number", "write a plain decimal number without a point")

_PROBLEMS: Mapping[str, Tell] = {
    "string_type": _wanted("text", "write a text"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _finite,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _finite,
    "list_type": _wanted("a list", "write it as [first, second]"),
    "dict_type": _wanted("a mapping", "write 'key: value' lines, indented below the key"),
    "model_type": _wanted("a mapping", "write 'key: value' lines, indented below the key"),
    "model_attributes_type": _wanted("a mapping", "write 'key: value' lines, indented below the key"),
    "enum": _choice,
    "literal_error": _choice,
    "greater_than": _bound("greater than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "string_too_short": _too_short,
    "too_short": _too_short,
}
