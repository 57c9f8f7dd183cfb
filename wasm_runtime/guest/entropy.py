"""Randomness from a seed: every program's own, and the same again where an execution is replayed.

The component is a memory image, so whatever generator it holds starts the same in each guest. At the start of
each program all of Python's generators start anew from the program's seed. Out of reach: the hash of strings
(its key is in the image; sets of strings have the same order in every guest) and `random()` of SQLite (WASI's).
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import uuid
from collections.abc import Callable
from typing import Any

BLOCK = 1024


class Entropy:
    """A deterministic stream of bytes: SHAKE-256 of the seed and a counter."""

    def __init__(self) -> None:
        self._seed = b""
        self._counter = 0
        self._left = b""

    def start(self, seed: str) -> None:
        """Begin the stream of a seed (hexadecimal, or any text)."""
        self._seed = hashlib.sha256(b"isthmus" + seed.encode("utf-8", "backslashreplace")).digest()
        self._counter = 0
        self._left = b""

    def take(self, size: int, /) -> bytes:
        """The next bytes, as `os.urandom`. Raises ValueError if `size` is negative."""
        if size < 0:
            raise ValueError("negative argument not allowed")
        if size > len(self._left):
            wanted = max(BLOCK, size - len(self._left))
            self._counter += 1
            self._left += hashlib.shake_256(self._seed + self._counter.to_bytes(8, "little")).digest(wanted)
        data, self._left = self._left[:size], self._left[size:]
        return data


def install(entropy: Entropy) -> list[tuple[Any, str, Any]]:
    """What to set, as (object, attribute, value), so that Python draws from `entropy`."""
    return [
        (os, "urandom", entropy.take),
        (random, "_urandom", entropy.take),
        (random.Random, "seed", _seeding(entropy)),
        (random, "seed", lambda a=None, version=2: _instance().seed(a, version)),
        (uuid, "_generate_time_safe", None),
    ]


def start(entropy: Entropy, seed: str) -> None:
    """Start all generators from a program's seed."""
    entropy.start(seed)
    _instance().seed(int.from_bytes(entropy.take(32), "little"))
    vars(tempfile)["_name_sequence"] = None
    vars(uuid)["_node"] = vars(uuid)["_last_timestamp"] = None


def _instance() -> random.Random:
    instance: random.Random = vars(random)["_inst"]
    return instance


def _seeding(entropy: Entropy) -> Callable[..., None]:
    original = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        """Initialise the generator; without a value, from the program's entropy."""
        original(self, int.from_bytes(entropy.take(32), "little") if a is None else a, version)

    return seed
