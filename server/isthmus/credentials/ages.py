"""How old an access token may become."""

from __future__ import annotations

SPARE = 60.0
"""Seconds before a token expires at which it is renewed; of a short life, a tenth."""

YOUNG = 10.0
"""Seconds for which a new token is not replaced: one that is refused at once is not refused for its age."""


def used_for(life: float) -> float:
    """For how many seconds a token is used that lives for so many.

    >>> used_for(3600), used_for(100)
    (3540.0, 90.0)
    """
    return max(0.0, life - min(SPARE, life / 10))
