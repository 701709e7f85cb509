"""How fast one limit lets calls go: learned from refusals, told by the API, or set by the operator.

Each pace answers one question, `ready_at`: when the next call may be sent. All are pure: they know no clock
but the moments that they are handed.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

MINUTE: Final = 60.0
"""Seconds: what most limits are counted by."""
CUT: Final = 0.85
"""What is left of the rate after a refusal."""
RECOVERY: Final = 100.0
"""Seconds in which a rate without refusals grows by a factor of 1.6, and ever faster after them."""
FORGOTTEN: Final = 5.0
"""The logarithm of the growth after which the rate is no limit any more."""
FEW: Final = 20
"""Calls in a minute before which one refusal says nothing of a rate: it may be chance, or others' doing."""
YOUNG: Final = 10.0
"""Seconds that a key is known for at least: a refusal after a few calls says little of a minute."""
SLOWEST: Final = 1 / MINUTE
"""Calls a second that always go: without any nothing would be learned."""


class LearnedRate:
    """A rate found by refusals: what passed in the last minute, a little less after each, then slowly more.

    It counts by the minute because most limits do: a burst that was let through before the first refusal says
    how many calls a minute takes, not how many a second.
    """

    def __init__(self) -> None:
        self._base: float | None = None
        self._cut_at = -math.inf
        self._refused_at = -math.inf
        self._answered_at = -math.inf
        self._grows_from = -math.inf
        self._passed: deque[float] = deque()
        self._next_at = -math.inf
        self._first_at = math.inf

    def per_second(self, now: float) -> float | None:
        """Return the rate; None: no refusal is remembered."""
        if self._base is None:
            return None
        growth = 0.5 * (max(now - self._grows_from, 0.0) / RECOVERY) ** 2
        if growth > FORGOTTEN:
            self._base = None
            return None
        return self._base * math.exp(growth)

    def ready_at(self, now: float) -> float:
        """Return when the next call may be sent."""
        return now if self.per_second(now) is None else self._next_at

    def take(self, at: float) -> None:
        """Count a call that is sent then."""
        self._first_at = min(self._first_at, at)
        self._passed.append(at)
        while self._passed and self._passed[0] < at - MINUTE:
            self._passed.popleft()
        rate = self.per_second(at)
        self._next_at = at if rate is None else at + 1 / rate

    def answered(self, now: float) -> None:
        """Note that a call has passed."""
        self._answered_at = now

    def refused(self, sent_at: float, now: float, resumes_at: float) -> bool:
        """Learn from a refusal; of calls that were under way together the first cuts the rate.

        Args:
            sent_at: when the refused call was sent.
            now: the present.
            resumes_at: when calls may go again; the rate does not grow before.

        Returns:
            Whether it was the first.
        """
        if self._passed:
            self._passed.pop()  # it did not pass, whichever of them it was
        return self.slow_down(sent_at, now, resumes_at)

    def slow_down(
        self, sent_at: float, now: float, resumes_at: float, elsewhere: float | None = None
    ) -> bool:
        """Learn from a refusal of this worker's or another's, as `refused` says.

        `elsewhere` is the rate that the other has found: a worker that knows none begins with it. Where
        nothing has passed, or too little to tell a limit from chance, there is no rate to be learned.
        """
        calls = sum(at > now - MINUTE for at in self._passed)
        passed = calls / min(max(now - self._first_at, YOUNG), MINUTE)
        present = self.per_second(now)
        is_alone, self._refused_at = self._refused_at < now - MINUTE, now
        self._grows_from = max(now, resumes_at)
        is_first = sent_at >= self._cut_at
        has_answered = self._answered_at > now - MINUTE
        knows_nothing = elsewhere is None and (not has_answered or (is_alone and calls < FEW))
        if present is None and knows_nothing:
            pass
        elif present is None:
            self._base = max(passed, elsewhere or 0.0, SLOWEST)
        elif is_first:
            self._base = max(CUT * min(present, max(passed, present / 2)), SLOWEST)
        else:
            self._base = max(min(present, max(passed, present / 2)), SLOWEST)
        if is_first:
            self._cut_at = now
        self._next_at = max(self._next_at, self._grows_from)
        return is_first


class ToldRate:
    """What the API says is left of one limit, spread over the time until it is whole again.

    All who share the limit spread what is left, each as if it were alone; so they slow down together as it
    runs out, and none is refused. Of a limit that fills up all the time they find the rate at which it fills.
    """

    def __init__(self) -> None:
        self._told_by = -math.inf
        self._left = math.inf
        self._resets_at = -math.inf
        self._limit: float | None = None
        self._longest_reset = 0.0
        self._last = -math.inf

    def told(
        self, sent_at: float, now: float, *, limit: float | None, left: float, reset: float, taken: float
    ) -> None:
        """Take over what an answer says; one whose call was sent before the last one's knows less.

        Args:
            sent_at: when the answer's call was sent.
            now: the present.
            limit: the whole, where it is told.
            left: what remains.
            reset: seconds until it is whole again.
            taken: what calls sent after the answer's have taken since.
        """
        if sent_at < self._told_by and now < self._resets_at:
            return
        self._told_by, self._limit, self._last = sent_at, limit, max(self._last, sent_at)
        self._left = max(left - taken, 0.0)
        self._resets_at = now + reset
        self._longest_reset = max(min(reset, MINUTE), self._longest_reset * 0.9)

    def per_second(self, now: float) -> float:
        """Return the rate at which what is left lasts until it is whole again."""
        self._renew(now)
        time_left = self._resets_at - now
        return self._left / time_left if time_left > 0 and self._left < math.inf else math.inf

    def ready_at(self, now: float, cost: float) -> float:
        """Return when a call of this cost may be sent; at the latest after a minute one may try."""
        self._renew(now)
        if self._left == math.inf or self._resets_at <= now:
            return now
        latest = min(self._resets_at, max(now, self._last + MINUTE))
        if self._left < cost:
            return latest
        return min(max(now, self._last + cost * (self._resets_at - self._last_or(now)) / self._left), latest)

    def take(self, at: float, cost: float) -> None:
        """Count a call that is sent then."""
        self._renew(at)
        self._left = max(self._left - cost, 0.0)
        self._last = at

    def _last_or(self, now: float) -> float:
        return max(self._last, now - MINUTE) if self._last > -math.inf else now

    def _renew(self, now: float) -> None:
        """Take a limit that was to be whole again by now for whole, as far as it was ever told."""
        if self._left < math.inf and now >= self._resets_at:
            if self._limit is None or not self._longest_reset:
                self._left = math.inf
                return
            self._left, self._resets_at = self._limit, now + self._longest_reset


class FixedRate:
    """A limit a minute that the operator has set; a sixth of a minute's worth may go at once."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / MINUTE
        self._most = max(1.0, per_minute / 6)
        self._left = self._most
        self._at = -math.inf

    def ready_at(self, now: float, cost: float) -> float:
        """Return when a call of this cost may be sent; one that is larger than all goes when all is left."""
        missing = min(cost, self._most) - self._now(now)
        return now if missing <= 1e-9 else max(now, self._at) + missing / self._rate

    def per_second(self) -> float:
        """Return the rate."""
        return self._rate

    def take(self, at: float, cost: float) -> None:
        """Count a call that is sent then, or a correction of its cost."""
        self._left, self._at = min(self._now(at) - cost, self._most), max(at, self._at)

    def _now(self, now: float) -> float:
        return min(self._most, self._left + max(now - self._at, 0.0) * self._rate)
