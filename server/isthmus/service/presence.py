"""Who has been here lately: where one principal is alone, nobody has to be protected from him."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.model import Principal

RECENT = 30.0
"""Seconds for which a principal who has come counts as being there: who works pauses between two requests."""


class Presence:
    """The principals of the last moments. `clock` gives seconds, and only ever grows."""

    def __init__(self, clock: Callable[[], float], recent: float = RECENT) -> None:
        self._clock = clock
        self._recent = recent
        self._came: dict[Principal, float] = {}  # when each last came, the longest ago first

    def note(self, principal: Principal) -> None:
        """A principal comes, or does something."""
        self._came.pop(principal, None)
        self._came[principal] = self._clock()

    def several(self) -> bool:
        """Whether more than one has come lately."""
        now = self._clock()
        while self._came and now - next(iter(self._came.values())) > self._recent:
            del self._came[next(iter(self._came))]
        return len(self._came) > 1
