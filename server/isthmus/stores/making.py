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

    made = _share(job) if "share" in job else _document(job["document"], sys.stdin.buffer.read())
    if made is None:
        return UNREADABLE
    kept(Path(job["to"]), made)
    return 0


def _document(job: dict[str, Any], content: bytes) -> bytes | None:
    from isthmus.errors import ConfigurationError
    from isthmus.openapi.document import read_document
    from isthmus.openapi.operations import compile_operations
    from isthmus.openapi.packed import packed

    try:
        document = read_document(content, job["source"])
    except ConfigurationError:
        return None
    reserved = frozenset((location, name) for location, name in job["reserved"])
    return packed(document, compile_operations(document, job["upstream"], reserved=reserved))


def _share(job: dict[str, Any]) -> bytes | None:
    from isthmus.catalog.share import Share
    from isthmus.openapi.packed import unpacked
    from isthmus.stores.kept import opened

    content = opened(Path(job["share"]))
    if content is None:
        return None
    operations = unpacked(content, "").compiled.operations
    return Share.read([operations[place] for place in job["seen"]]).packed()


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    sys.exit(main())
