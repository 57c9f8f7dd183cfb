"""The JSON Schema of a configuration, for editors: generated from the model.

    python -m isthmus.config.schema          write specs/configuration.schema.json (in a working copy)
    isthmus init                             writes it beside the configuration

What the loader accepts beyond the model (the spellings of other clients) is added here; what it refuses beyond it
(null, two kinds of upstream at once) is taken away.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from isthmus.config.checks import KINDS
from isthmus.config.clients import COLLECTIONS, TYPES
from isthmus.config.model import Configuration

PUBLISHED = Path("specs") / "configuration.schema.json"
"""Where it stands in the repository."""


def schema() -> dict[str, Any]:
    """The schema as plain data."""
    generated: dict[str, Any] = _without_null(Configuration.model_json_schema(by_alias=True))
    upstreams = generated["properties"]["upstreams"]
    for name in COLLECTIONS:
        described = f"The upstreams as other clients write them; the same as 'upstreams'. ('{name}')"
        generated["properties"][name] = {**upstreams, "description": described, "title": name}
    _accept_other_spellings(generated["$defs"]["UpstreamConfig"])
    operation = {"type": "string", "pattern": "[.*]", "description": "A glob of operation ids: 'github.issues.*'."}
    allow = generated["$defs"]["PolicyConfig"]["properties"]["allow"]
    allow["items"] = {"anyOf": [allow["items"], operation]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **generated,
        "title": "isthmus.yaml",
        "description": "Isthmus: the MCP servers and OpenAPI services that it stands in front of, and what is allowed.",
    }


def _accept_other_spellings(upstream: dict[str, Any]) -> None:
    properties = upstream["properties"]
    command = properties["command"]
    shared = {key: command.pop(key) for key in ("title", "description") if key in command}
    properties["command"] = {
        **shared,
        "anyOf": [command, {"type": "string", "description": "The program alone, with its arguments in 'args'."}],
    }
    login = {
        "const": "oauth",
        "description": "For an MCP server over HTTP: you log in, by `isthmus login`.",
    }
    properties["auth"] = {
        "description": properties["auth"].pop("description"),
        "anyOf": [properties["auth"], login],
    }
    properties["args"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "The arguments of a command that is one text.",
    }
    properties["headers"] = {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "The same as auth.headers.",
    }
    properties["type"] = {"enum": list(TYPES), "description": "What kind of MCP server it is, as other clients write."}
    properties["disabled"] = {"type": "boolean", "description": "Leave this upstream out."}
    upstream["oneOf"] = [{"required": [kind]} for kind in KINDS]


def _without_null(node: Any) -> Any:
    """The schema without null, which the loader refuses: a key has a value, or is not there."""
    if isinstance(node, list):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_null(value) for key, value in node.items() if not (key == "default" and value is None)}
    choices = kept.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [choice for choice in choices if choice != {"type": "null"}]
        del kept["anyOf"]
        kept.update(others[0] if len(others) == 1 else {"anyOf": others})
    return kept


def text() -> str:
    """The schema as a file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the published schema into the working copy that this module stands in."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "specs").is_dir():
        sys.stderr.write(f"this is no working copy: there is no {root / 'specs'}\n")
        return 2
    (root / PUBLISHED).write_text(text(), encoding="utf-8")
    sys.stderr.write(f"wrote {root / PUBLISHED}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
