"""A pool of guests for benchmarks, opened and closed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus_sandbox.pool import Pool
from isthmus_sandbox.settings import Limits, Settings


@asynccontextmanager
async def opened_pool(*, spare: int, cpu: float = 600.0, memory_mb: int = 1024) -> AsyncIterator[Pool]:
    """A pool that keeps `spare` workers ready."""
    settings = Settings(limits=Limits(memory_mb=memory_mb, cpu=cpu), spares=spare)
    async with Pool(settings, progress=lambda line: print(f"  {line}", file=sys.stderr)) as pool:
        yield pool
