"""The child process that reads a document, or operations for an index, and keeps what came of it in a file.

It is started with the module path of its parent as its argument and an empty environment, knows no secret, and is nicer
than its parent. Its input is one line of JSON, the job, and the bytes of the document.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

UNREADABLE = 3
"""The exit code when the document is at fault: who asked finds the same, and can tell it."""


def main() -> int:
    """Do the one job of this process."""
    if hasattr(os, "nice"):
        os.nice(10)
    gc.disable()  # what is read is kept to the end, and has no cycles
    job: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    from isthmus.stores.kept import kept

    made = _document(job, sys.stdin.buffer.read()) if "document" in job else _of_operations(job)
    if made is None:
        return UNREADABLE
    kept(Path(job["to"]), made)
    return 0


def _document(job: dict[str, Any], content: bytes) -> bytes | None:
    from isthmus.errors import ConfigurationError
    from isthmus.openapi.document import read_document
    from isthmus.openapi.operations import compile_operations
    from isthmus.openapi.packed import packed

    said = job["document"]
    try:
        document = read_document(content, said["source"])
    except ConfigurationError:
        return None
    reserved = frozenset((location, name) for location, name in said["reserved"])
    return packed(document, compile_operations(document, said["upstream"], reserved=reserved))


def _of_operations(job: dict[str, Any]) -> bytes | None:
    """The share of an index, or the relations, of operations in a document that is kept."""
    from isthmus.catalog.relations import Relations
    from isthmus.catalog.share import Share
    from isthmus.model import Effect
    from isthmus.openapi.packed import unpacked
    from isthmus.stores.kept import opened

    content = opened(Path(job["of"]))
    if content is None:
        return None
    operations = unpacked(content, "").compiled.operations
    if "seen" in job:
        return Share.read([operations[place] for place in job["seen"]]).packed()
    known = [each.having(effect=Effect(said)) for each, said in zip(operations, job["effects"], strict=True)]
    return Relations.build(known).packed(known)


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    sys.exit(main())
