"""One heap of all moments at which something is due: leases, back-offs, timers, messages."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

SLACK: Final = 4096
"""Outdated entries that may stay: below this number, the heap is not cleaned up."""

IsCurrent = Callable[[int, int], bool]
"""Called with a key and a moment: whether the entity still waits for that moment."""


class DueTimes:
    """Moments with what is due then. Entries are not removed when they become invalid: `pop` checks them."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, int]] = []
        self._is_current: dict[str, IsCurrent] = {}
        self._tidy_at = SLACK
        self.on_earlier: Callable[[], None] = lambda: None
        """Called when a new entry is due before all others."""

    def register(self, kind: str, is_current: IsCurrent) -> None:
        """Set the function that checks entries of a kind."""
        self._is_current[kind] = is_current

    def add(self, moment: int, kind: str, key: int) -> None:
        """Add the moment at which an entity is due, in epoch milliseconds."""
        if len(self._heap) >= self._tidy_at:
            self._tidy()
        heapq.heappush(self._heap, (moment, kind, key))
        if self._heap[0] == (moment, kind, key):
            self.on_earlier()

    def next(self) -> int | None:
        """Return the next moment at which something may be due."""
        return self._heap[0][0] if self._heap else None

    def pop(self, now: int) -> tuple[str, int] | None:
        """Return kind and key of what is due by now, the earliest first; None when there is no more."""
        while self._heap and self._heap[0][0] <= now:
            moment, kind, key = heapq.heappop(self._heap)
            if self._is_current[kind](key, moment):
                return kind, key
        return None

    def _tidy(self) -> None:
        # Most leases end early: without this, the heap would hold all jobs of the last minutes.
        kept = {entry for entry in self._heap if self._is_current[entry[1]](entry[2], entry[0])}
        self._heap = sorted(kept)
        self._tidy_at = 2 * len(self._heap) + SLACK
