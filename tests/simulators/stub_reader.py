"""A stub as Python reads it: its signature, the types that it names, and which values these take.

read = ReadStub.of(stub(operation).text)
read.function.name                  "create"
read.refusals({"title": 3})         ["title: 3 is no str"]
read.typical()                      {"owner": "text", "title": "text", ...}
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SCALARS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "bytes": (bytes, str),
    "None": (type(None),),
    "dict": (dict,),
    "list": (list,),
}
_TYPICAL: Mapping[str, Any] = {"str": "text", "int": 1, "float": 1.5, "bool": True, "bytes": b"x", "None": None}
_KNOWN = frozenset({*_SCALARS, "Any", "Literal", "TypedDict"})


@dataclass(frozen=True)
class ReadStub:
    """The one function of a stub, and its TypedDicts by name."""

    function: ast.AsyncFunctionDef
    classes: Mapping[str, Mapping[str, ast.expr]]

    @classmethod
    def of(cls, text: str) -> ReadStub:
        """
        Raises:
            ValueError: it is not one function with a docstring, and TypedDicts, all of whose names are defined.
        """
        module = ast.parse(text)
        functions = [node for node in module.body if isinstance(node, ast.AsyncFunctionDef)]
        classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
        if len(functions) != 1 or len(classes) + 1 != len(module.body):
            raise ValueError("a stub is one function, and classes")
        if not _is_docstring(functions[0].body):
            raise ValueError("the body of a stub is its docstring")
        if len({each.name for each in classes}) != len(classes):
            raise ValueError("a type is defined twice")
        read = cls(functions[0], {each.name: _fields(each) for each in classes})
        if undefined := sorted(set(read._names()) - _KNOWN - read.classes.keys()):
            raise ValueError(f"undefined: {', '.join(undefined)}")
        return read

    @property
    def parameters(self) -> dict[str, ast.expr]:
        """The annotations of the parameters that are shown with a type."""
        arguments = self.function.args
        every = [*arguments.args, *arguments.kwonlyargs]
        return {each.arg: each.annotation for each in every if each.annotation is not None}

    @property
    def required(self) -> list[str]:
        """The parameters that can be given by place."""
        return [each.arg for each in self.function.args.args]

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults that are said, as values."""
        arguments = self.function.args
        pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        said = {each.arg: ast.literal_eval(default) for each, default in pairs if default is not None}
        return {name: value for name, value in said.items() if value is not ...}

    def refusals(self, arguments: Mapping[str, Any]) -> list[str]:
        """The values that the types of the stub do not take."""
        shown = self.parameters
        return [
            problem
            for name, value in arguments.items()
            if name in shown
            for problem in self._refused(shown[name], value, name)
        ]

    def typical(self, *, every: bool) -> dict[str, Any]:
        """A value of its type for each parameter, or for the required ones only."""
        return {name: self.value(type_) for name, type_ in self.parameters.items() if every or name in self.required}

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """A value of a type; the fields of a TypedDict are all there."""
        match node:
            case ast.BinOp(left=left):
                return self.value(left, depth)
            case ast.Subscript(value=ast.Name(id="Literal")):
                return _options(node)[0]
            case ast.Subscript(value=ast.Name(id="list"), slice=item):
                return [self.value(item, depth)]
            case ast.Subscript(slice=ast.Tuple(elts=[_, item])):
                return {"key": self.value(item, depth)}
            case ast.Name(id=name) if name in self.classes:
                fields = self.classes[name] if depth < 6 else {}
                return {wire: self.value(type_, depth + 1) for wire, type_ in fields.items()}
            case ast.Name(id="dict"):
                return {}
            case ast.Name(id="list"):
                return []
            case ast.Name(id=name):
                return _TYPICAL.get(name, "any")
        return None

    def _refused(self, node: ast.expr, value: Any, place: str) -> Iterator[str]:
        match node:
            case ast.BinOp():
                told = [list(self._refused(part, value, place)) for part in (node.left, node.right)]
                yield from () if [] in told else min(told, key=len)
            case ast.Subscript(value=ast.Name(id="Literal")):
                if not any(value == option and type(value) is type(option) for option in _options(node)):
                    yield f"{place}: {value!r:.60} is no {ast.unparse(node):.120}"
            case ast.Subscript(value=ast.Name(id="list"), slice=item) if isinstance(value, list):
                for number, each in enumerate(value):
                    yield from self._refused(item, each, f"{place}[{number}]")
            case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, item])) if isinstance(value, dict):
                for key, each in value.items():
                    yield from self._refused(item, each, f"{place}.{key}")
            case ast.Name(id=name) if name in self.classes and isinstance(value, dict):
                for wire, type_ in self.classes[name].items():
                    if wire in value:
                        yield from self._refused(type_, value[wire], f"{place}.{wire}")
            case _:
                name = ast.unparse(node)
                if name != "Any" and not _is(value, name):
                    yield f"{place}: {value!r:.60} is no {name:.120}"

    def _names(self) -> Iterator[str]:
        annotations = [*self.parameters.values(), self.function.returns]
        annotations += [type_ for fields in self.classes.values() for type_ in fields.values()]
        for annotation in annotations:
            yield from (node.id for node in ast.walk(annotation or ast.Constant(None)) if isinstance(node, ast.Name))


def _is(value: Any, name: str) -> bool:
    kinds = _SCALARS.get(name, ())
    return isinstance(value, kinds) and (not isinstance(value, bool) or name == "bool")


def _options(node: ast.Subscript) -> list[Any]:
    listed = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [ast.literal_eval(each) for each in listed]


def _fields(node: ast.ClassDef) -> dict[str, ast.expr]:
    if [ast.unparse(base) for base in node.bases] != ["TypedDict"]:
        raise ValueError(f"{node.name} is no TypedDict")
    fields: dict[str, ast.expr] = {}
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=None) if name not in fields:
                fields[name] = annotation
            case ast.Expr(value=ast.Constant(value=text)) if text is ...:
                pass
            case _:
                raise ValueError(f"{node.name} holds {ast.unparse(statement)!r:.80}")
    return fields


def _is_docstring(body: list[ast.stmt]) -> bool:
    match body:
        case [ast.Expr(value=ast.Constant(value=str()))]:
            return True
    return False
