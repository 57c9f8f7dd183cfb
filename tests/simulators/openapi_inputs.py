"""Valid arguments for an operation, read off the raw document by the wire's own names.

makers = makers_for(root)
declared = declared_parameters(makers.parameters, "POST", "/pets/{id}")
given = wire_inputs(declared, BodySchema({"$ref": "#/components/schemas/Pet"}, True, True), makers)
given.parameters     {("path", "id"): 7, ("query", "dry"): True}
given.body           {"name": "x"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.samples import NoSample, Samples

ABSENT = object()
_TEXTS = {"path": "ä b&c=d+e", "header": "a b;c=d", "cookie": "a b&c=d"}


@dataclass(frozen=True, slots=True)
class Given:
    """What is given to an operation: parameters by place and wire name, and the whole body (or ABSENT)."""

    parameters: Mapping[tuple[str, str], Any]
    body: Any


@dataclass(frozen=True, slots=True)
class BodySchema:
    """What the body has to fit. `fields`: it is given field by field."""

    schema: Any
    required: bool
    fields: bool


Parameters = Mapping[tuple[str, str], Mapping[str, Any]]
"""Parameter objects by place and name."""


@dataclass(frozen=True, slots=True)
class Makers:
    """Who makes values. Parameters know no `readOnly`, so their judge must not, either."""

    parameters: Samples
    bodies: Samples

    def such(self, *, generous: bool) -> Makers:
        """The same, with or without what is optional."""
        return Makers(self.parameters.such(generous=generous), self.bodies.such(generous=generous))


def makers_for(root: Mapping[str, Any]) -> Makers:
    """Makers that follow the dialect of a document."""
    from openapi_schema_validator import OAS30Validator, OAS30WriteValidator, OAS31Validator

    if str(root["openapi"]).startswith("3.0"):
        return Makers(Samples(root, OAS30Validator), Samples(root, OAS30WriteValidator))
    return Makers(Samples(root, OAS31Validator), Samples(root, OAS31Validator))


def declared_parameters(samples: Samples, method: str, path: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The parameter objects of an operation; its own replace those of its path."""
    root = samples.root
    item = samples.followed(root["paths"][path])
    nodes = [*item.get("parameters", ()), *samples.followed(item[method.lower()]).get("parameters", ())]
    followed = [samples.followed(node) for node in nodes]
    return {(node["in"], node["name"]): node for node in followed}


def wire_inputs(declared: Parameters, body: BodySchema | None, makers: Makers) -> Given:
    """Values for all parameters and the body, or only for what is required where the makers are not generous.

    Raises:
        NoSample: no value was found for something that is required.
    """
    parameters: dict[tuple[str, str], Any] = {}
    for key, node in declared.items():
        required = node.get("required") is True or key[0] == "path"
        if not (makers.parameters.generous or required):
            continue
        try:
            parameters[key] = parameter_value(node, makers.parameters)
        except NoSample:
            if required:
                raise
    if body is None or not (makers.bodies.generous or body.required):
        return Given(parameters, ABSENT)
    fitting = [value for value in makers.bodies.values(body.schema) if isinstance(value, dict) or not body.fields]
    if not fitting:
        raise NoSample("no body that has fields")
    return Given(parameters, fitting[0])


def parameter_value(node: Mapping[str, Any], samples: Samples) -> Any:
    """A value for a parameter: its own example where that fits, else one of its schema."""
    schema = node["schema"] if "schema" in node else next(iter(node["content"].values()))["schema"]
    own = samples.such(text=_TEXTS.get(node["in"], samples.text))
    if node.get("example") not in (None, "") and own.fits(schema, node["example"]):
        return node["example"]
    return own.value(schema)
