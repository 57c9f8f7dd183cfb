"""`python -m isthmus_sandbox.compile SOURCE TARGET`: compile a component, in a process of its own.

The result appears under its name at once and whole, or not at all, with its SHA-256 beside it. Of several that are
started at the same time for the same target, one works and the others wait for it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from isthmus_sandbox.cache_files import alone, is_whole, lock_path, remove_leftovers, write_atomically
from isthmus_sandbox.engine import compile_component


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 if the target is there. Says on stderr why it is not."""
    source, target = (Path(argument) for argument in arguments)
    try:
        with alone(lock_path(target)):
            if not is_whole(target):
                remove_leftovers(target)
                write_atomically(target, compile_component(source))
    except Exception as error:  # noqa: BLE001 - whatever it is, the process that started this one tells of it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
