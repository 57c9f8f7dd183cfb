"""Makes `server/isthmus/catalog/elsewhere.bin`: what operations of public APIs are about.

    pip install numpy
    python -m tests.search_quality.elsewhere --data DATA [--out FILE]

It reads DATA's `corpora/`, and no judged query. An operation that is nearly about the same as one before it of the same
API or collection is left out. Make it anew after the vectors, and then learn what evidence is worth (`nothing`).
"""

import argparse
import json
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus.catalog.elsewhere import SIGNS
from isthmus.catalog.share import Share
from isthmus.catalog.vectors import CODE_BYTES, DIMENSIONS
from isthmus.model import Operation
from tests.search_quality.judged import operations, read_lines

ELSEWHERE = Path(__file__).resolve().parents[2] / "server" / "isthmus" / "catalog" / "elsewhere.bin"
COLLECTIONS = ("bfcl-live", "livemcp", "metatool", "rapidapi", "sealtools", "toolalpaca")
"""Corpora of many small servers, each of which is a group; in the others every API is one."""

ALIKE = 0.8
"""A cosine from which on two operations are about the same."""


def groups(corpora: Path) -> dict[str, list[Operation]]:
    """The operations of every API and collection; an API that is in several corpora is taken from the first."""
    found: dict[str, list[Operation]] = {}
    for path in sorted(corpora.glob("*.jsonl.gz")):
        corpus, own = path.name.partition(".")[0], defaultdict(list)
        for _, each in operations(read_lines(path)):
            own[corpus if corpus in COLLECTIONS else each.upstream].append(each)
        found = dict(own) | found
    return dict(sorted(found.items()))


def distinct(share: Share) -> list[int]:
    """The places of operations that are about something, none nearly about the same as one before it."""
    numpy: Any = import_module("numpy")
    every = numpy.array([share.vector(place)[0] for place in range(len(share))], numpy.float32) - 128
    lengths = numpy.linalg.norm(every, axis=1, keepdims=True)
    every /= numpy.maximum(lengths, 1)
    kept: list[int] = []
    for place, vector in enumerate(every):
        if lengths[place] and (not kept or (every[kept] @ vector).max() < ALIKE):
            kept.append(place)
    return kept


def made(corpora: Path) -> bytes:
    """The file: see `isthmus.catalog.elsewhere`."""
    sizes: dict[str, int] = {}
    vectors, codes = bytearray(), bytearray()
    for name, listed in groups(corpora).items():
        share = Share.read(listed)
        kept = distinct(share)
        sizes[name] = len(kept)
        for place in kept:
            vectors += bytes(share.vector(place)[0])
            codes += share.codes[place * CODE_BYTES : place * CODE_BYTES + SIGNS].tobytes()
    assert len(vectors) == sum(sizes.values()) * DIMENSIONS
    return json.dumps(sizes).encode() + b"\n" + vectors + codes


def main() -> None:
    """Read the arguments, make the file, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ELSEWHERE)
    arguments = parser.parse_args()
    arguments.out.write_bytes(made(arguments.data / "corpora"))


if __name__ == "__main__":
    main()
