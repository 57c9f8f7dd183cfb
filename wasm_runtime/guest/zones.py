"""Time zones out of memory: no directory with their data is mounted where programs run.

The data come from the PyPI package `tzdata`, which stands beside this package while the component is built.
"""

from __future__ import annotations

import io
import zoneinfo
from collections.abc import Mapping
from typing import Any, BinaryIO


def read_zones() -> dict[str, bytes]:
    """Every zone's file, by key (`Europe/Berlin`); empty where the package is not there."""
    from importlib import resources

    try:
        package = resources.files("tzdata")
    except ModuleNotFoundError:
        return {}
    keys = (package / "zones").read_text().split()
    return {key: package.joinpath("zoneinfo", *key.split("/")).read_bytes() for key in keys}


def install(zones: Mapping[str, bytes]) -> list[tuple[Any, str, Any]]:
    """What to set, as (object, attribute, value), so that `zoneinfo` finds these zones."""
    from zoneinfo import _common  # its place for exactly this, though private

    def load_tzdata(key: str) -> BinaryIO:
        data = zones.get(key)
        if data is None:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(data)

    return [
        (_common, "load_tzdata", load_tzdata),
        (zoneinfo, "available_timezones", lambda: set(zones)),
    ]
