"""What was counted in each minute of the last day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

COUNTED: Final = (
    "completed",
    "bpmnErrors",
    "failed",
    "incidents",
    "calls",
    "heldBack",
    "tokensIn",
    "tokensOut",
    "unpriced",
)
"""`failed`: jobs that the engine tries again; `incidents`: those that it does not."""
COST: Final = "cost "
"""Before a currency: the money that was spent in it is counted beside the others."""
MINUTES: Final = 24 * 60


class History:
    """Counts by the minute.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minutes: dict[int, dict[str, float]] = {}

    def add(self, what: str, amount: float = 1) -> None:
        """Count something now."""
        now = int(self._clock() // 60)
        minute = self._minutes.get(now)
        if minute is None:
            self._minutes = {at: counts for at, counts in self._minutes.items() if at > now - MINUTES}
            minute = self._minutes[now] = dict.fromkeys(COUNTED, 0)
        minute[what] = minute.get(what, 0) + amount

    def last(self, minutes: int, parts: int) -> list[dict[str, float]]:
        """Return the counts of so many minutes until now, in so many parts, the oldest first."""
        now = int(self._clock() // 60)
        length = minutes // parts
        names = dict.fromkeys([*COUNTED, *(name for counts in self._minutes.values() for name in counts)])
        summed = [dict.fromkeys(names, 0.0) for _ in range(parts)]
        for at, counts in self._minutes.items():
            part = parts - 1 - (now - at) // length
            if part >= 0:
                for name, count in counts.items():
                    summed[part][name] += count
        return summed


def total(parts: list[dict[str, float]]) -> dict[str, int]:
    """Return the sum of all parts."""
    return {name: round(sum(part[name] for part in parts)) for name in COUNTED}


def costs(parts: list[dict[str, float]]) -> dict[str, float]:
    """Return what was spent in all parts, by currency."""
    names = [name for name in parts[0] if name.startswith(COST)]
    return {name.removeprefix(COST): round(sum(part[name] for part in parts), 12) for name in names}
