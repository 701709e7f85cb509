"""The gate before every call: it is sent now, in a moment, or the job goes back to the engine meanwhile."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from openai_connector.job import Pause
from openai_connector.limits.breaker import Breaker, Trouble
from openai_connector.limits.keys import Key
from openai_connector.limits.limiter import IN_PLACE, SAME, FixedLimits, Limiter, Sent, Told
from openai_connector.limits.shares import Groups, Shares

PATIENCE: Final = 2.0
"""Seconds for which a job waits in its slot while as many calls are under way as may be."""
GOES_BACK: Final = (1.0, 3.0)
"""Seconds for which a job goes back that found no slot of its share, or no room for its bytes."""
FORGOTTEN: Final = 600.0
"""Seconds after which a key or a host that nobody asks is forgotten."""
RECENT: Final = 5.0
"""Seconds that the pause between polls looks back."""
FEW: Final = 10
"""Jobs in that time from which it is known what becomes of most."""
PER_SECOND: Final = "perSecond"
"""The fact that is no moment: the rate that was found by a refusal."""
MOST: Final = 0.8
"""Of them held back, from which on polling slows down."""
LEAST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two polls then: the next comes as soon as something may be sent again."""


Facts = Mapping[str, float]
"""Moments by name, by a clock that is agreed; and a rate."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a job wants to send."""

    key: Key
    job: int
    process: str = ""
    size: int = 0
    """Bytes of the request."""

    @property
    def tokens(self) -> float:
        """How many the request may cost: a guess that its answer corrects."""
        return self.size / 4

    @property
    def groups(self) -> Groups:
        """Whose share of the slots it counts against."""
        return (self.key.credential + self.key.host, self.process, f"{self.key.host} {self.key.model}")


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing may be sent for this job now."""

    wait: float
    """Seconds after which it may come back."""
    reason: str
    """`limit`, `host`, `share` or `payload`."""
    host: str
    opens: float
    """Seconds after which something may be sent, though not for all that wait."""
    since: float | None = None
    """For how many seconds the host has been down."""


@dataclass(frozen=True, slots=True)
class HostChange:
    """A host has failed several jobs in a row, or is back."""

    host: str
    is_down: bool
    seconds: float
    """How long it has been failing."""


class Gate:
    """The limits, hosts and slots of one worker, shared by all that send.

    Args:
        fixed: limits a minute that the operator has set.
        shares: of the slots.
        clock: seconds that never go back.
        sleep: waits so many of them.
        chance: for jitter; seeded in tests.
        on_change: is told of hosts that are down, or back.
    """

    def __init__(
        self,
        *,
        fixed: FixedLimits | None = None,
        shares: Shares | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Random | None = None,
        on_change: Callable[[HostChange], None] = lambda _change: None,
    ) -> None:
        self._fixed = fixed or FixedLimits()
        self._shares = shares or Shares()
        self._clock = clock
        self._sleep = sleep
        self._chance = chance or Random()
        self._on_change = on_change
        self._elsewhere: Mapping[str, Facts] = {}
        self._limiters: dict[Key, Limiter] = {}
        self._breakers: dict[str, Breaker] = {}
        self._recent: deque[tuple[float, float]] = deque(maxlen=1000)
        """Of jobs that came in: when, and when something might be sent again for those held back; else 0."""

    async def enter(self, asking: Asking) -> Admission | Held:
        """Return leave to send, after a moment's wait at most, or why the job must go back."""
        now = self._clock()
        if (held := self._refused_slot(asking, now)) is not None:
            return self._noted(now, held)
        self._shares.take(asking.groups, asking.size)
        entered: Admission | Held | None = None
        try:
            entered = await self._turn(asking, now + PATIENCE)
        finally:
            if not isinstance(entered, Admission):
                self._shares.give_back(asking.groups, asking.size, self._clock())
        return self._noted(now, entered)

    def pause_hint(self) -> Pause | None:
        """Return how to slow down polling while most jobs are held back; None: there is no need."""
        now = self._clock()
        recent = [opens_at for at, opens_at in self._recent if at > now - RECENT]
        held = [opens_at for opens_at in recent if opens_at > 0]
        admitted = len(recent) - len(held)
        if len(recent) < FEW or len(held) < MOST * len(recent):
            return None
        seconds = min(max(min(held[-FEW:]) - now - IN_PLACE / 2, LEAST_PAUSE), LONGEST_PAUSE)
        return Pause(seconds, max(self._shares.slots // 10, 2 * admitted, 1))

    def held(self) -> list[tuple[str, str, float]]:
        """Return host, model and seconds of each key that a refusal holds back now."""
        now = self._clock()
        return [
            (key.host, key.model, limiter.held_until - now)
            for key, limiter in self._limiters.items()
            if limiter.is_held(now)
        ]

    def now(self) -> float:
        """Return the present by this gate's clock."""
        return self._clock()

    def facts(self) -> dict[str, Facts]:
        """Return what others may learn from: by key and by host the moments of what happened last."""
        now = self._clock()
        facts: dict[str, Facts] = {}
        for key, limiter in self._limiters.items():
            if limiter.refused_at > -math.inf:
                rate = limiter.learned_rate(now)
                facts[_limit(key)] = {
                    "refusedAt": limiter.refused_at,
                    "heldUntil": limiter.held_until,
                } | ({} if rate is None else {PER_SECOND: rate})
        for host, breaker in self._breakers.items():
            told = self._elsewhere.get(_host(host), {})
            since = told.get("downSince", math.inf)
            if breaker.is_down:
                facts[_host(host)] = {"downSince": breaker.since}
            elif told.get("answeredAt", -math.inf) <= since < breaker.answered_at:
                facts[_host(host)] = {"answeredAt": breaker.answered_at}
        return facts

    def learn(self, facts: Mapping[str, Facts]) -> None:
        """Learn what others have met; moments are by this gate's clock. Keys not asked yet learn it then."""
        now, self._elsewhere = self._clock(), facts
        for key, limiter in self._limiters.items():
            self._learn_limit(key, limiter, now)
        for host, breaker in self._breakers.items():
            self._learn_host(host, breaker, now)

    def _learn_limit(self, key: Key, limiter: Limiter, now: float) -> None:
        told = self._elsewhere.get(_limit(key), {})
        if {"refusedAt", "heldUntil"} <= told.keys():
            limiter.refused_elsewhere(now, told["refusedAt"], told["heldUntil"], told.get(PER_SECOND))

    def _learn_host(self, host: str, breaker: Breaker, now: float) -> None:
        told = self._elsewhere.get(_host(host), {})
        answered, since = told.get("answeredAt", -math.inf), told.get("downSince", -math.inf)
        if breaker.is_down and answered > breaker.since + SAME:
            self._answered(host, breaker, now)
        elif since > answered and breaker.lost_elsewhere(since, now):
            self._on_change(HostChange(host, is_down=True, seconds=now - since))

    def _refused_slot(self, asking: Asking, now: float) -> Held | None:
        reason = ""
        if not self._shares.admits(asking.groups, now):
            reason = "share"
        elif not self._shares.has_room(asking.size):
            reason = "payload"
        wait = self._chance.uniform(*GOES_BACK)
        return Held(wait, reason, asking.key.host, opens=wait) if reason else None

    async def _turn(self, asking: Asking, patience_ends: float) -> Admission | Held:
        """Wait for a turn that comes soon."""
        key, tokens = asking.key, asking.tokens
        breaker, limiter = self._known(key)
        while True:
            now = self._clock()
            if (opens := breaker.held_for(now)) is not None:
                return Held(breaker.wait(now), "host", key.host, opens, now - breaker.since)
            ready_at = limiter.ready_at(now, tokens)
            if ready_at > now + IN_PLACE:
                return _held(limiter, key, now, ready_at, tokens)
            if not limiter.is_full(now):
                break
            if now >= patience_ends:
                return _held(limiter, key, now, now, tokens)
            await self._wait_for_room(limiter, now, patience_ends)
        admission = Admission(self, asking, breaker, limiter, limiter.send(ready_at, tokens))
        breaker.asked(now)
        if ready_at > now:
            await self._sleep_before(ready_at - now, admission)
            now = self._clock()
            if limiter.is_held(now):  # refused meanwhile, to another job
                admission.withdraw()
                return _held(limiter, key, now, limiter.ready_at(now, tokens), tokens)
        return admission

    async def _wait_for_room(self, limiter: Limiter, now: float, patience_ends: float) -> None:
        seconds = min(limiter.opens_in(now), patience_ends - now)
        limiter.waiting += 1
        try:
            await self._sleep(seconds)
        finally:
            limiter.waiting -= 1

    async def _sleep_before(self, seconds: float, admission: Admission) -> None:
        is_over = False
        try:
            await self._sleep(seconds)
            is_over = True
        finally:
            if not is_over:
                admission.withdraw()

    def _noted(self, now: float, entered: Admission | Held) -> Admission | Held:
        self._recent.append((now, now + entered.opens if isinstance(entered, Held) else 0.0))
        return entered

    def _known(self, key: Key) -> tuple[Breaker, Limiter]:
        limiter = self._limiters.get(key)
        if limiter is None:
            self._forget()
            now = self._clock()
            limiter = Limiter(self._fixed, self._chance, now)
            self._limiters[key] = limiter
            self._learn_limit(key, limiter, now)
        breaker = self._breakers.get(key.host)
        if breaker is None:
            breaker = self._breakers[key.host] = Breaker(self._chance)
            self._learn_host(key.host, breaker, self._clock())
        return breaker, limiter

    def _forget(self) -> None:
        """Drop what nobody has asked for long, so that keys that are renewed do not add up."""
        oldest = self._clock() - FORGOTTEN
        for key in [
            k for k, limiter in self._limiters.items() if limiter.is_idle and limiter.used_at < oldest
        ]:
            del self._limiters[key]
        hosts = {key.host for key in self._limiters}
        for host in [
            h for h, breaker in self._breakers.items() if h not in hosts and breaker.used_at < oldest
        ]:
            breaker = self._breakers.pop(host)
            if breaker.is_down:  # whoever was told so must not think it for ever
                self._on_change(HostChange(host, is_down=False, seconds=self._clock() - breaker.since))

    def _answered(self, host: str, breaker: Breaker, now: float) -> None:
        since = breaker.since
        if breaker.answered(now):
            for key, limiter in self._limiters.items():
                if key.host == host:
                    limiter.reopen(now)
            self._on_change(HostChange(host, is_down=False, seconds=now - since))

    def _failed(self, asking: Asking, breaker: Breaker, now: float) -> Trouble | None:
        was_down = breaker.is_down
        trouble = breaker.failed(asking.job, now)
        if breaker.is_down and not was_down:
            self._on_change(HostChange(asking.key.host, is_down=True, seconds=now - breaker.since))
        return trouble


def _limit(key: Key) -> str:
    return "limit " + " ".join(key)


def _host(host: str) -> str:
    return "host " + host


def _held(limiter: Limiter, key: Key, now: float, ready_at: float, tokens: float) -> Held:
    return Held(limiter.hold(now, ready_at, tokens), "limit", key.host, max(ready_at - now, IN_PLACE))


class Admission:
    """Leave to send one call; what came of it is told here, and `done` at the end, whatever came."""

    __slots__ = ("_asking", "_breaker", "_gate", "_is_done", "_limiter", "_sent")

    def __init__(self, gate: Gate, asking: Asking, breaker: Breaker, limiter: Limiter, sent: Sent) -> None:
        self._gate = gate
        self._asking = asking
        self._breaker = breaker
        self._limiter = limiter
        self._sent = sent
        self._is_done = False

    @property
    def is_host_down(self) -> bool:
        """Whether the host is thought to be down, as others have met it."""
        return self._breaker.is_down

    def answered(self, limits: Iterable[Told] = (), tokens: float | None = None) -> None:
        """Learn from an answer: what is left of the limits, and what it cost."""
        now = self._gate._clock()
        self._gate._answered(self._asking.key.host, self._breaker, now)
        self._limiter.passed(now, self._sent, tokens)
        self._limiter.told(now, self._sent, limits)

    def refused(self, limits: Iterable[Told] = (), wait: float | None = None) -> None:
        """Learn from a refusal for a limit: the host answers, but wants fewer calls."""
        now = self._gate._clock()
        self._gate._answered(self._asking.key.host, self._breaker, now)
        self._limiter.told(now, self._sent, limits)
        self._limiter.refused(now, self._sent, wait)

    def failed(self) -> Trouble | None:
        """Learn that the host gave no proper answer; return what it means where it is the host's fault."""
        return self._gate._failed(self._asking, self._breaker, self._gate._clock())

    def withdraw(self) -> None:
        """Count the call as never sent; its slot is given back by the gate."""
        self._is_done = True
        self._limiter.ended(self._gate._clock())

    def done(self) -> None:
        """Free the slot; once is enough."""
        if not self._is_done:
            self._is_done = True
            now = self._gate._clock()
            self._limiter.ended(now)
            self._gate._shares.give_back(self._asking.groups, self._asking.size, now)
