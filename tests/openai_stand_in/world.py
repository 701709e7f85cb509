"""What all endpoints share: the time and what happens in it, the books, dice, names."""

from __future__ import annotations

import hashlib
import heapq
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

from tests.openai_stand_in.answers import Asked, Decide, Fate, fate_of
from tests.openai_stand_in.clock import Clock
from tests.openai_stand_in.errors import ApiError
from tests.openai_stand_in.ledger import Buyer, Ledger, Purchase
from tests.openai_stand_in.prices import Tier

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

Span = tuple[float, float]
"""Least and most seconds of the API's time."""
Retention = Literal["standard", "modified abuse monitoring", "zero"]


@dataclass(frozen=True)
class Pace:
    """How long things take, in seconds of the API's time; drawn by seed."""

    work: Span = (1, 3)
    """To produce an answer."""
    queue: Span = (0, 1)
    """Before work on a background response begins."""
    window_from: float = 60
    """An answer of a window comes between this and the window's end."""
    late: float = 0
    """The share of the answers that miss their window; they come within half of it more."""
    validating: Span = (5, 30)
    batch: Span = (10 * MINUTE, 6 * HOUR)
    """From the first of a batch's lines to the last."""
    finalizing: Span = (5, 60)
    cancelling: Span = (10, 10 * MINUTE)


class World:
    """The state of the API besides its objects.

    Everything that happens is an event with a time. Events are run when somebody looks, in their order, each at its
    own time: so the truth does not depend on who looks when.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        scale: float = 1,
        pace: Pace | None = None,
        retention: Retention = "standard",
        decide: Decide = fate_of,
        strict: bool = True,
    ) -> None:
        self.seed = seed
        self.clock = Clock(scale)
        self.pace = pace or Pace()
        self.retention = retention
        self._decide = decide
        self.lock = threading.RLock()
        self.ledger = Ledger(self.settle)
        self.complaints: list[str] = []
        self._is_strict = strict
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._named: Counter[str] = Counter()
        self._counted: Counter[tuple[object, ...]] = Counter()
        self._moment: float | None = None

    @property
    def now(self) -> float:
        """The present; while an event is run, its time."""
        return self.clock.now() if self._moment is None else self._moment

    def at(self, when: float, do: Callable[[], object]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._events, (when, next(self._order), do))

    def settle(self) -> None:
        """Let everything happen whose time has come."""
        with self.lock:
            now = self.clock.now()
            while self._events and self._events[0][0] <= now:
                self._moment, _, do = heapq.heappop(self._events)
                try:
                    do()
                finally:
                    self._moment = None

    def complain(self, of: str, error: ApiError) -> None:
        """Write down what no well-made client asks."""
        if self._is_strict:
            self.complaints.append(f"{of}: {error.message}" + (f" ({error.param})" if error.param else ""))

    def dice(self, *key: object) -> random.Random:
        """Return dice that fall alike for a key."""
        return random.Random(f"{self.seed}/{key}")

    def draw(self, span: Span, *key: object) -> float:
        """Return a number of seconds out of a span."""
        return self.dice(*key).uniform(*span)

    def new_id(self, prefix: str) -> str:
        """Return a name that nothing has yet."""
        self._named[prefix] += 1
        hashed = hashlib.sha256(f"{self.seed}/{prefix}/{self._named[prefix]}".encode()).hexdigest()
        return f"{prefix}{hashed[:32]}"

    def nth(self, *key: object) -> int:
        """Count how often this was asked with a key."""
        self._counted[key] += 1
        return self._counted[key]

    def fate(self, asked: Asked) -> Fate:
        """Return how an answer ends."""
        return self._decide(asked, self.nth("fate", asked.prompt))

    def seconds(self, asked: Asked, fate: Fate) -> float:
        """Return how long an answer takes to be produced."""
        if fate.seconds is not None:
            return fate.seconds
        return self.draw(self.pace.work, "work", asked.prompt, self.nth("work", asked.prompt))

    def buy(self, asked: Asked, tokens: tuple[int, int], tier: Tier, buyer: Buyer, name: str) -> Purchase:
        """Write down an answer that has been produced now."""
        prompt, endpoint = asked.prompt, asked.endpoint
        return self.ledger.add(Purchase(self.now, endpoint, asked.model, prompt, tier, *tokens, buyer, name))
