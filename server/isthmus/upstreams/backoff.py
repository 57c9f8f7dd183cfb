"""How long to wait before trying an upstream again: exponential, jittered, bounded, forgotten after a good spell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delays between attempts, in seconds.

    `stable` is how long a connection must have lasted for its end to count as a first failure again.
    """

    first: float = 0.5
    factor: float = 2.0
    ceiling: float = 60.0
    stable: float = 30.0

    def delay(self, failures: int, random: Callable[[], float]) -> float:
        """The wait after so many failures in a row (1 or more), of which `random`, in [0, 1), leaves half to all.

        >>> [Backoff().delay(failures, lambda: 1.0) for failures in (1, 2, 3, 99)]
        [0.5, 1.0, 2.0, 60.0]
        """
        exponent = min(failures - 1, 64)  # beyond, the ceiling holds anyway, and the power would overflow
        return min(self.ceiling, self.first * self.factor**exponent) * (0.5 + random() / 2)

    def failures(self, before: int, lasted: float) -> int:
        """The failures in a row, now that an attempt has ended whose connection lasted so many seconds."""
        return 1 if lasted >= self.stable else before + 1
