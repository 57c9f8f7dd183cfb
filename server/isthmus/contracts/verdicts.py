"""What a difference means for programs: its class by rule and side, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from isthmus.contracts.keywords import Difference
from isthmus.contracts.normal import Side


class Class(StrEnum):
    """How much a change matters to programs that worked before."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    COSMETIC = "cosmetic"


_B, _C = Class.BREAKING, Class.COMPATIBLE

RULES: Mapping[str, tuple[Class, Class, str, str]] = {
    "type-narrowed": (
        *(_B, _C),
        "it took {was}, and takes {now} now: programs that give something else are refused",
        "it gave {was}, and gives {now} now, which programs are ready for",
    ),
    "type-widened": (
        *(_C, _B),
        "it took {was}, and takes {now} now",
        "it gave {was}, and gives {now} now: programs do not expect all of that",
    ),
    "null-added": (_C, _B, "it takes null now", "it may be null now: programs that use the value fail on None"),
    "null-dropped": (_B, _C, "it takes null no more: programs that give None are refused", "it is never null now"),
    "enum-narrowed": (_B, _C, "{was} is taken no more: programs that give it are refused", "{was} is given no more"),
    "enum-widened": (
        *(_C, _B),
        "{now} is taken now, too",
        "{now} may be given now: programs that tell the values apart do not know it",
    ),
    "enum-introduced": (
        *(_B, _C),
        "only {now} is taken now: programs that give something else are refused",
        "only {now} is given now",
    ),
    "enum-lifted": (
        *(_C, _B),
        "any value is taken now, not only {was}",
        "any value may be given now, not only {was}: programs that tell the values apart do not know it",
    ),
    "bound-narrowed": (
        *(_B, _C),
        "its {member} was {was}, and is {now} now: programs that give other values are refused",
        "its {member} was {was}, and is {now} now, which is narrower",
    ),
    "bound-widened": (
        *(_C, _C),
        "its {member} was {was}, and is {now} now, which is wider",
        "its {member} was {was}, and is {now} now, which is wider: its kind and its parts are the same",
    ),
    "format-changed": (
        *(_B, _B),
        "its format was {was}, and is {now} now: programs write it in the former one",
        "its format was {was}, and is {now} now: programs read it in the former one",
    ),
    "required-added": (
        *(_B, _C),
        "{member} is required now: programs that do not give it are refused",
        "{member} is always there now",
    ),
    "required-dropped": (
        *(_C, _B),
        "{member} may be left out now",
        "{member} may be absent now: programs that read it fail where it is",
    ),
    "property-added": (_C, _C, "{member} may be given now", "{member} is given now, too"),
    "property-removed": (
        *(_B, _B),
        "{member} is gone: programs that give it are refused or not heard",
        "{member} is gone: programs that read it fail",
    ),
    "property-undocumented": (
        *(_C, _B),
        "{member} is not documented any more, and still taken as any other key is",
        "{member} is not documented any more: programs that read it may find nothing",
    ),
    "property-constrained": (
        *(_B, _C),
        "{member} could hold anything as any other key, and is restricted now",
        "{member} is described now",
    ),
    "property-loosened": (
        *(_C, _B),
        "{member} may hold more now than other keys may",
        "{member} may hold more now than other keys do: programs that read all keys are not ready for that",
    ),
    "property-changed": (
        *(_B, _B),
        "{member} was a key as any other, and holds something else now",
        "{member} was a key as any other, and holds something else now: programs that read all keys are not ready",
    ),
    "others-allowed": (_C, _C, "further keys are taken now", "further keys may be given now"),
    "others-refused": (_B, _B, "further keys are refused now", "further keys are not given any more"),
    "others-undocumented": (
        *(_C, _B),
        "further keys are not described any more",
        "further keys are not described any more: programs that read them may find nothing",
    ),
    "alternative-added": (
        *(_C, _B),
        "{now} is taken now, too",
        "it may be {now} now, too: programs are not ready for that",
    ),
    "alternative-removed": (
        *(_B, _C),
        "{was} is taken no more: programs that give it are refused",
        "it is never {was} now",
    ),
    "constraint-added": (
        *(_B, _C),
        "it has to fit `{member}` now, which it had not",
        "it fits `{member}` now, which is narrower",
    ),
    "constraint-dropped": (
        *(_C, _B),
        "it need not fit `{member}` any more",
        "it does not promise `{member}` any more",
    ),
    "constraint-changed": (
        *(_B, _B),
        "its `{member}` is another, and cannot be compared: take it as breaking",
        "its `{member}` is another, and cannot be compared: take it as breaking",
    ),
    "default-changed": (
        *(_C, _C),
        "its default was {was}, and is {now} now: programs that leave it out get the other one",
        "",
    ),
}
"""By rule: the class on the way in, the class on the way out, and a sentence for each."""


def judged(difference: Difference, side: Side) -> tuple[Class, str]:
    """The class of a difference, and the sentence on it."""
    inward, outward, told_in, told_out = RULES[difference.rule]
    text = (told_in if side == "input" else told_out).format(
        member=difference.member, was=difference.was or "not restricted", now=difference.now or "not restricted"
    )
    return inward if side == "input" else outward, text
