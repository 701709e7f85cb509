"""What one key may send: held back by a wait that was told, paced, and so many calls at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from openai_connector.limits.pace import FixedRate, LearnedRate, ToldRate

FIRST_WINDOW: Final = 16.0
"""Calls at once to a key of which nothing is known: a limit answers at once, not only after a burst."""
DOUBLES_IN: Final = 0.2
"""Seconds in which that number doubles until the first refusal."""
FIRST_ANSWER: Final = 0.5
"""Seconds to wait for a first answer before it doubles: it may tell what is left, and workers that start
together would have spent that by then."""
CLOSED: Final = 0.1
"""Seconds between two looks of a job whether one of the calls under way is over, or the first is answered."""
LONGEST_TOLD: Final = 300.0
"""Seconds for which a wait that one call was told holds back the others: then one tries again."""
UNTOLD: Final = 2.0
"""Seconds to hold back after a refusal that tells no wait."""
LONGEST_HOLD: Final = 30.0
"""Seconds for which a job is held back for its turn: what is known by then decides anew."""
IN_PLACE: Final = 1.0
"""Seconds for which a job waits in its slot for its turn."""
SPREAD: Final = 0.02
"""Seconds between two jobs that come back, where no pace is known: so many at once would be refused again."""
SAME: Final = 0.01
"""Seconds within which two moments, told by way of the wall clock, are the same."""
NEVER: Final = math.inf


@dataclass(frozen=True, slots=True)
class FixedLimits:
    """Limits of one credential, host and model in one worker, as the operator sets them; None: no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(slots=True)
class Sent:
    """A call under way."""

    at: float
    tokens: float
    number: int
    total_tokens: float
    """Of all calls, when it was sent."""


Told = tuple[bool, float | None, float, float]
"""Of a limit: whether it counts tokens, the whole, what remains, seconds until it is whole again."""


class Limiter:
    """The limits of one key.

    Args:
        fixed: what the operator allows.
        chance: for jitter.
        now: the present.
    """

    def __init__(self, fixed: FixedLimits, chance: Random, now: float) -> None:
        self._chance = chance
        self._held_until = -math.inf
        self._learned = LearnedRate()
        self._told: dict[tuple[bool, float | None], ToldRate] = {}
        requests, tokens = fixed.requests_per_minute, fixed.tokens_per_minute
        self._requests = None if requests is None else FixedRate(requests)
        self._tokens = None if tokens is None else FixedRate(tokens)
        self._untold = UNTOLD / 2
        self._window = NEVER
        self._opens_at = now + FIRST_ANSWER
        self._first_window = FIRST_WINDOW
        self._is_opening = True
        self.waiting = 0
        """Jobs that wait in their slots because as many calls are under way as may be."""
        self._in_flight = 0
        self._number = 0
        self._total_tokens = 0.0
        self._back_at = -math.inf
        self.used_at = now
        """When it was last asked or answered; kept long enough, it is forgotten."""
        self.refused_at = -math.inf
        """When a call of this worker or another was refused last."""

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return self._in_flight == 0

    def reopen(self, at: float, first: float = FIRST_WINDOW) -> None:
        """Begin with few calls again, as for a key of which nothing is known."""
        self._opens_at, self._first_window, self._is_opening, self._window = at, first, True, NEVER

    def is_full(self, now: float) -> bool:
        """Check whether as many calls are under way as may be."""
        return self._in_flight + 1 > self._most_at_once(now)

    def opens_in(self, now: float) -> float:
        """Return the seconds after which there may be room for one more than all that wait already."""
        if not self._is_opening or now < self._opens_at:
            return CLOSED
        wanted = self._in_flight + self.waiting + 1
        return max(
            self._opens_at + DOUBLES_IN * math.log2(wanted / self._first_window) - now, DOUBLES_IN / 10
        )

    def ready_at(self, now: float, tokens: float) -> float:
        """Return when a call may be sent, were there one alone."""
        self.used_at = now
        moments = [now, self._held_until, self._learned.ready_at(now)]
        moments += [
            told.ready_at(now, tokens if is_tokens else 1) for (is_tokens, _), told in self._told.items()
        ]
        if self._requests is not None:
            moments.append(self._requests.ready_at(now, 1))
        if self._tokens is not None:
            moments.append(self._tokens.ready_at(now, tokens))
        return max(moments)

    def send(self, at: float, tokens: float) -> Sent:
        """Count a call that is sent then, at once or in a moment."""
        self._in_flight += 1
        self._number += 1
        self._total_tokens += tokens
        self._learned.take(at)
        for (is_tokens, _), told in self._told.items():
            told.take(at, tokens if is_tokens else 1)
        if self._requests is not None:
            self._requests.take(at, 1)
        if self._tokens is not None:
            self._tokens.take(at, tokens)
        return Sent(at, tokens, self._number, self._total_tokens)

    def hold(self, now: float, ready_at: float, tokens: float) -> float:
        """Return for how many seconds a job goes back; each job that goes back has a turn of its own."""
        interval = self._interval(now, tokens)
        first = max(ready_at, now + IN_PLACE)
        turn = max(self._back_at, first) + interval
        if turn > first + LONGEST_HOLD:  # so many wait that nobody knows: come back, and ask again
            return first - now + self._chance.uniform(0.5, 1.0) * LONGEST_HOLD
        self._back_at = turn
        return turn - now + self._chance.uniform(0.0, min(max(interval, 0.5), 2.0))

    def is_held(self, now: float) -> bool:
        """Check whether a wait that was told is not over yet."""
        return now < self._held_until

    def ended(self, now: float) -> None:
        """Count a call as over, however it ended."""
        self._in_flight -= 1
        self.used_at = now

    def passed(self, now: float, sent: Sent, used: float | None) -> None:
        """Learn from an answer: one more call at once after as many as there may be, and its true cost."""
        if now >= self._held_until:
            self._opens_at = min(self._opens_at, now)
        self._learned.answered(now)
        if self._window != NEVER:
            self._window += 1 / max(self._window, 1.0)
            if self._learned.per_second(now) is None:
                self._window = NEVER
        if sent.at >= self._held_until:
            self._untold = max(self._untold * 0.9, UNTOLD / 2)
        if used is not None and self._tokens is not None:
            self._tokens.take(now, used - sent.tokens)

    def refused(self, now: float, sent: Sent, wait: float | None) -> None:
        """Learn from a refusal: wait as it was told, then go slower, and with half as many at once."""
        if wait is None and sent.at >= self._held_until:  # again, after the last guess was over
            self._untold = min(self._untold * 2, LONGEST_HOLD)
        told = self._untold if wait is None else min(wait, LONGEST_TOLD)
        self._held_until = max(self._held_until, now + told)
        present = min(self._most_at_once(now), float(self._in_flight + 1))
        is_first = self._learned.refused(sent.at, now, self._held_until)
        if self._learned.per_second(now) is None:
            self.reopen(self._held_until, first=1.0)
        elif is_first:
            self._window, self._is_opening = max(1.0, present / 2), False
        self.refused_at = now

    @property
    def held_until(self) -> float:
        """When the last wait that was told is over."""
        return self._held_until

    def learned_rate(self, now: float) -> float | None:
        """Return the rate that was found by refusals; None: none is remembered."""
        return self._learned.per_second(now)

    def refused_elsewhere(
        self, now: float, refused_at: float, held_until: float, rate: float | None = None
    ) -> None:
        """Learn from a refusal that another worker has met, and the rate that it has found."""
        if refused_at <= self.refused_at + SAME:
            return
        self.refused_at = refused_at
        self._held_until = max(self._held_until, min(held_until, now + LONGEST_TOLD))
        self._learned.slow_down(refused_at, now, self._held_until, rate)
        if self._learned.per_second(now) is None:
            self.reopen(self._held_until, first=1.0)
        else:
            self._is_opening = False

    def told(self, now: float, sent: Sent, limits: Iterable[Told]) -> None:
        """Take over what an answer says is left of the API's limits."""
        for is_tokens, limit, left, reset in limits:
            taken = self._total_tokens - sent.total_tokens if is_tokens else self._number - sent.number
            rate = self._told.setdefault((is_tokens, limit), ToldRate())
            rate.told(sent.at, now, limit=limit, left=left, reset=reset, taken=float(taken))

    def _most_at_once(self, now: float) -> float:
        if not self._is_opening:
            return self._window
        opened: float = self._first_window * 2.0 ** min(max(now - self._opens_at, 0.0) / DOUBLES_IN, 20.0)
        if opened > 100_000:
            self._is_opening = False
        return min(opened, self._window)

    def _interval(self, now: float, tokens: float) -> float:
        """Return the seconds between two calls at the present pace."""
        rates = [self._learned.per_second(now) or math.inf]
        for (is_tokens, _), told in self._told.items():
            rates.append(told.per_second(now) / (max(tokens, 1.0) if is_tokens else 1.0))
        if self._requests is not None:
            rates.append(self._requests.per_second())
        if self._tokens is not None:
            rates.append(self._tokens.per_second() / max(tokens, 1.0))
        slowest = min(rates)
        return SPREAD if slowest == math.inf else min(1 / max(slowest, 1e-3), LONGEST_HOLD)
