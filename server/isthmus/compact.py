"""Plain data as JSON, in the fewest bytes and the least time: for what is written, or looked at, with every call.

>>> compact({"call": 3, "warnings": ("slow",)})
b'{"call":3,"warnings":["slow"]}'
"""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json


def compact(value: Any) -> bytes:
    """The JSON of plain data, of tuples and of enumerations, in UTF-8; of bytes, the text that they are.

    Each character of a text is written by itself, so that the JSON of a text holds that of every part of it.

    Raises:
        ValueError: there is none (a lone surrogate, bytes that are no text, an object, more than 254 levels).
    """
    return to_json(value)


def written(value: Any) -> bytes | None:
    """As `compact`; None where there is none."""
    try:
        return to_json(value)
    except ValueError:
        return None
