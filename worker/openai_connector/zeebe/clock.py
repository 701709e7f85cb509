"""The clock of leases: it goes on while the machine sleeps or stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

JUMP: Final = 0.5
"""Seconds by which the wall clock must get ahead at once to count: less is its daily correction."""


def _steady() -> float:
    """Return seconds that no correction of the time changes, with those of a suspended Linux."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Clock:
    """Seconds that have passed for everybody else too, the engine among them.

    A machine that was suspended, or whose snapshot was resumed, may have no steady clock that noticed. Its
    wall clock is put right some time: then the larger of both counts. A wall clock that is put forward by
    hand makes leases look over that are not: failures of the jobs under way are not reported, nothing worse.

    Args:
        steady: seconds that never go back.
        wall: seconds of the calendar.
    """

    def __init__(self, steady: Callable[[], float] = _steady, wall: Callable[[], float] = time.time) -> None:
        self._steady = steady
        self._wall = wall
        self._before = steady(), wall()
        self._missed = 0.0

    def __call__(self) -> float:
        """Return the seconds since some moment in the past."""
        steady, wall = self._steady(), self._wall()
        ahead = (wall - self._before[1]) - (steady - self._before[0])
        if ahead > JUMP:
            self._missed += ahead
        self._before = steady, wall
        return steady + self._missed


now: Final = Clock()
"""The one clock of this process: only moments of the same clock can be compared."""
