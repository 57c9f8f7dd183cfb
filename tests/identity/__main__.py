"""`python -m tests.identity`: the two-user matrix, for clients of either era."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import anyio

from tests.identity.matrix import ERAS, ROWS, Row, two_users


async def matrix() -> list[Row]:
    """All rows, printed as they come."""
    rows = []
    for era in ERAS:
        print(f"\nalice and bob, clients of {'2025' if era == 'legacy' else era}")
        with tempfile.TemporaryDirectory() as folder:
            async with two_users(era, Path(folder)) as two:
                for made in ROWS:
                    row = await made(two)
                    rows.append(row)
                    verdict = f"WRONG ({', '.join(row.wrong)})" if row.wrong else "holds"
                    print(f"  {row.thing:21}{row.tried:22}{verdict:8}{row.told[:110]}", flush=True)
    return rows


def main() -> int:
    """1 if a row does not hold."""
    rows = anyio.run(matrix)
    wrong = sum(bool(row.wrong) for row in rows)
    print(f"\n{len(rows)} rows, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
