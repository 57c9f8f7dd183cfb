"""Random schemas, near relations of them, values that fit, and what programs may send: for comparing contracts.

Made without any of the product's own reading of schemas: jsonschema says what fits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

Schema = dict[str, Any]

NAMES = ("a", "b", "c", "d")
_TEXTS = ("", "x", "xy", "xyz", "abcd")
_BOUNDS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
)
_SCALARS: tuple[Any, ...] = (None, True, False, -1, 0, 1, 2, 3, 7, 0.5, 2.0, *_TEXTS)


def schema(rng: random.Random, depth: int = 3, names: tuple[str, ...] = ()) -> Schema:
    """A schema; `names` are definitions that it may refer to."""
    if names and rng.random() < 0.15:
        return {"$ref": f"#/$defs/{rng.choice(names)}"}
    kinds: list[Callable[[], Schema]] = [lambda: _text(rng), lambda: _number(rng), lambda: _plain(rng)]
    if depth:
        kinds += [lambda: _object(rng, depth, names)] * 3
        kinds += [lambda: _list(rng, depth, names), lambda: _combined(rng, depth, names)]
    return rng.choice(kinds)()


def related(rng: random.Random, original: Schema, names: tuple[str, ...] = ()) -> Schema:
    """The same schema with one to three things changed somewhere in it."""
    changed = deepcopy(original)
    for _ in range(rng.randint(1, 3)):
        holders = list(_places(changed))
        if not holders:
            return schema(rng, 2, names)
        holder, key = rng.choice(holders)
        holder[key] = _altered(rng, holder[key], names)
    return changed


def documented(node: Any) -> Any:
    """The schema of what programs send: keys that an object does not declare, and does not invite, are absent."""
    if not isinstance(node, dict):
        return node
    if set(node) == {"anyOf"}:
        return {"anyOf": [documented(branch) for branch in node["anyOf"]]}
    names = sorted(_declared(node))
    inner = _inside(node)
    if names and not _invites(node):
        return {"allOf": [inner, {"propertyNames": {"enum": names}}]}
    return inner


def shape_only(node: Any) -> Any:
    """A schema without bounds, and open to further keys: what a reader of answers relies on."""
    if isinstance(node, list):
        return [shape_only(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key not in _BOUNDS}
    if kept.get("additionalProperties") is False:
        del kept["additionalProperties"]
    for key in ("properties", "$defs"):
        if key in kept:
            kept[key] = {name: shape_only(part) for name, part in kept[key].items()}
    return {
        key: shape_only(value) if key in ("items", "allOf", "anyOf", "additionalProperties") else value
        for key, value in kept.items()
    }


def value(rng: random.Random, node: Any, root: Schema, depth: int = 0) -> Any:
    """A value that may fit a schema: it is made to, more or less."""
    if not isinstance(node, dict) or depth > 6 or rng.random() < 0.05:
        return rng.choice(_SCALARS)
    if "$ref" in node:
        return value(rng, root["$defs"][node["$ref"].rpartition("/")[2]], root, depth + 1)
    if "enum" in node:
        return rng.choice(node["enum"])
    parts = [value(rng, part, root, depth + 1) for part in node.get("allOf", ())]
    parts += [value(rng, rng.choice(node["anyOf"]), root, depth + 1)] if node.get("anyOf") else []
    own = _of_type(rng, node, root, depth)
    objects = [part for part in [*parts, own] if isinstance(part, dict)]
    if objects and (isinstance(own, dict) or "type" not in node):
        return {name: held for part in objects for name, held in part.items()}
    return own if "type" in node or not parts else rng.choice(parts)


def _of_type(rng: random.Random, node: Schema, root: Schema, depth: int) -> Any:
    kind = node.get("type")
    kind = rng.choice(kind) if isinstance(kind, list) else kind
    if kind == "object" or (kind is None and "properties" in node):
        return _object_value(rng, node, root, depth)
    if kind == "array":
        return [value(rng, node.get("items", {}), root, depth + 1) for _ in range(rng.randint(0, 3))]
    if kind == "string":
        return rng.choice(_TEXTS)
    if kind in ("integer", "number"):
        return rng.choice((-1, 0, 1, 2, 3, 5, 7, 11) if kind == "integer" else (-1, 0, 0.5, 2.0, 3, 7))
    return {"boolean": rng.random() < 0.5, "null": None}.get(str(kind), rng.choice(_SCALARS))


def _object_value(rng: random.Random, node: Schema, root: Schema, depth: int) -> dict[str, Any]:
    held = {
        name: value(rng, part, root, depth + 1)
        for name, part in node.get("properties", {}).items()
        if name in node.get("required", ()) or rng.random() < 0.6
    }
    if node.get("additionalProperties") is not False and rng.random() < 0.4:
        held.setdefault(rng.choice(NAMES), value(rng, node.get("additionalProperties", {}), root, depth + 1))
    return held


def _text(rng: random.Random) -> Schema:
    made: Schema = {"type": rng.choice(["string", "string", ["string", "null"]])}
    if rng.random() < 0.3:
        made["minLength"] = rng.randint(1, 3)
    if rng.random() < 0.3:
        made["maxLength"] = rng.randint(1, 4)
    return made


def _number(rng: random.Random) -> Schema:
    made: Schema = {"type": rng.choice(["integer", "number", ["integer", "null"]])}
    if rng.random() < 0.3:
        made[rng.choice(["minimum", "exclusiveMinimum"])] = rng.randint(0, 3)
    if rng.random() < 0.3:
        made[rng.choice(["maximum", "exclusiveMaximum"])] = rng.randint(2, 8)
    if rng.random() < 0.2:
        made["multipleOf"] = rng.choice([1, 2, 3, 6])
    return made


def _plain(rng: random.Random) -> Schema:
    choices: list[Schema] = [{}, {"type": "boolean"}, {"type": "null"}, {"type": "object"}]
    choices.append({"enum": rng.sample(_SCALARS, rng.randint(1, 4))})
    return rng.choice(choices)


def _object(rng: random.Random, depth: int, names: tuple[str, ...]) -> Schema:
    own = rng.sample(NAMES, rng.randint(1, 3))
    made: Schema = {"type": "object", "properties": {name: schema(rng, depth - 1, names) for name in own}}
    if rng.random() < 0.5:
        made["required"] = rng.sample(own, rng.randint(1, len(own)))
    if rng.random() < 0.3:
        made["additionalProperties"] = rng.choice([False, True, schema(rng, 0, names)])
    if rng.random() < 0.1:
        made["minProperties"] = 1
    return made


def _list(rng: random.Random, depth: int, names: tuple[str, ...]) -> Schema:
    made: Schema = {"type": "array", "items": schema(rng, depth - 1, names)}
    if rng.random() < 0.3:
        made[rng.choice(["minItems", "maxItems"])] = rng.randint(1, 2)
    return made


def _combined(rng: random.Random, depth: int, names: tuple[str, ...]) -> Schema:
    parts = [schema(rng, depth - 1, names) for _ in range(rng.randint(1, 3))]
    made: Schema = {rng.choice(["anyOf", "anyOf", "allOf"]): parts}
    if rng.random() < 0.3:
        made |= _object(rng, depth - 1, names) if depth > 1 else {}
    if rng.random() < 0.1:
        made["not"] = schema(rng, 0)
    return made


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every schema below a node, as what holds it and under which key."""
    if not isinstance(node, dict):
        return
    for name in node.get("properties", {}):
        yield node["properties"], name
        yield from _places(node["properties"][name])
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield node, key
            yield from _places(node[key])
    for key in ("allOf", "anyOf"):
        for number in range(len(node.get(key, ()))):
            yield node[key], number
            yield from _places(node[key][number])


def _altered(rng: random.Random, node: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(node, dict) or rng.random() < 0.25:
        return schema(rng, 1, names)
    made = deepcopy(node)
    keyword = rng.choice([*made, "new"])
    if keyword == "new":
        return {**schema(rng, 1, names), **made}
    if keyword == "properties":
        named = made["properties"]
        if named and rng.random() < 0.5:
            named.pop(rng.choice(list(named)))
        else:
            named[rng.choice(NAMES)] = schema(rng, 1, names)
    elif keyword == "required":
        made["required"] = rng.sample(NAMES, rng.randint(1, 3))
    elif keyword in ("anyOf", "allOf") and len(made[keyword]) > 1 and rng.random() < 0.5:
        made[keyword].pop()
    elif keyword in ("anyOf", "allOf"):
        made[keyword].append(schema(rng, 1, names))
    elif isinstance(made[keyword], int) and not isinstance(made[keyword], bool):
        made[keyword] = max(1, made[keyword] + rng.choice([-1, 1]))
    elif keyword == "enum":
        made["enum"] = rng.sample(_SCALARS, rng.randint(1, 4))
    else:
        del made[keyword]
    return made


def _declared(node: Any) -> set[str]:
    if not isinstance(node, dict):
        return set()
    found = set(node.get("properties", ()))
    for key in ("allOf", "anyOf"):
        for part in node.get(key, ()):
            found |= _declared(part)
    return found | _declared(node.get("not"))


def _invites(node: Any) -> bool:
    """Whether a schema says outright that there may be further keys, somewhere in place, or refers elsewhere."""
    if not isinstance(node, dict):
        return False
    if node.get("additionalProperties", False) is not False or "$ref" in node:
        return True
    return any(_invites(part) for key in ("allOf", "anyOf") for part in node.get(key, ()))


def _inside(node: Any) -> Any:
    """A schema whose parts take only what is documented; its own keys are left alone."""
    if not isinstance(node, dict):
        return node
    made = dict(node)
    if "properties" in made:
        made["properties"] = {name: documented(part) for name, part in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = documented(made[key])
    for key in ("allOf", "anyOf"):
        if key in made:
            made[key] = [_inside(part) for part in made[key]]
    return made
