"""Whether a host is down: then nobody asks it but one job now and then, to see whether it is back."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final

SUSPECTED_AFTER: Final = 2
"""Jobs in a row that a host fails: from the last of them on it is the host's fault, and costs no retry."""
DOWN_AFTER: Final = 5
"""Failures in a row after which it is asked no more ..."""
SILENCE: Final = 1.0
"""... where it has answered nobody for so many seconds: one call in five may fail without an outage."""
REMEMBERED: Final = 300.0
"""Seconds for which a failure counts."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two jobs that ask a host that is down; they double."""
SPREAD: Final = 6.0
"""Seconds over which the jobs that were held back come back."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A failure that was the host's fault."""

    wait: float
    """Seconds after which the job may ask again."""
    since: float
    """For how many seconds the host has failed by now."""


class Breaker:
    """What is known of one host.

    Args:
        chance: for jitter.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._failures: deque[tuple[float, int]] = deque(maxlen=DOWN_AFTER)
        self._answered_at = -math.inf
        self._is_down = False
        self._pause = FIRST_PAUSE
        self._asks_at = -math.inf
        self.since = -math.inf
        """When it failed first, with no answer after it."""
        self.used_at = -math.inf
        """When it was last asked or answered."""

    @property
    def is_down(self) -> bool:
        """Whether nobody but a trying job may ask it."""
        return self._is_down

    def held_for(self, now: float) -> float | None:
        """Return the seconds until a job may try; None: a job may ask now."""
        self.used_at = now
        return self._asks_at - now if self._is_down and now < self._asks_at else None

    def asked(self, now: float) -> None:
        """Count a call that goes out; where the host is down no other follows for a while."""
        if self._is_down:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._asks_at = now + self._pause * self._chance.uniform(0.8, 1.2)

    def wait(self, now: float) -> float:
        """Return the seconds for which a job goes back, so that not all come back in the same moment."""
        return max(self._asks_at - now, 1.0) + self._chance.uniform(0.0, SPREAD if self._is_down else 2.0)

    def answered(self, now: float) -> bool:
        """Count an answer of whatever kind; return whether the host was down until now."""
        was_down, self._is_down = self._is_down, False
        self._failures.clear()
        self._pause = FIRST_PAUSE
        self._answered_at = self.used_at = now
        self._asks_at = -math.inf
        return was_down

    @property
    def answered_at(self) -> float:
        """When it answered last."""
        return self._answered_at

    def lost_elsewhere(self, since: float, now: float) -> bool:
        """Take over that others find it down; return whether that is news."""
        if self._is_down or since <= self._answered_at:
            return False
        self._is_down, self.since = True, since
        self._asks_at = now + self._pause * self._chance.uniform(0.8, 1.2)
        return True

    def failed(self, job: int, now: float) -> Trouble | None:
        """Count a failure; return what it means where it is the host's fault, not the job's."""
        self.used_at = now
        if not self._failures or self._failures[-1][0] < now - REMEMBERED:
            self._failures.clear()
            self.since = now
        self._failures.append((now, job))
        if len({failed for _, failed in self._failures}) < SUSPECTED_AFTER and not self._is_down:
            return None
        if len(self._failures) >= DOWN_AFTER and self._answered_at <= now - SILENCE and not self._is_down:
            self._is_down = True
            self._asks_at = now + self._pause * self._chance.uniform(0.8, 1.2)
        return Trouble(self.wait(now), now - self.since)
