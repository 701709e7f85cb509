"""The leases of the jobs that are worked on: one scheduler prolongs them all, again and again.

While a lease lasts the engine gives the job to nobody else. It is short, so that the jobs of a killed worker
are soon another's; a job that outlives half of it costs one small command each time.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from openai_connector.observe.events import Events, LeaseAsked
from openai_connector.zeebe import clock
from openai_connector.zeebe.backoff import delays
from openai_connector.zeebe.commands import Delivery

logger = logging.getLogger(__name__)

EARLIEST, LATEST = 0.4, 0.5
"""The part of a lease after which it is prolonged, at random: 500 jobs begun at once are no burst."""
LAST_CHANCE: Final = 0.75
"""The part of a lease after which it is prolonged at the latest, whenever the job has arrived."""
AT_ONCE: Final = 16
"""Prolongations under way at once."""
MARGIN = timedelta(seconds=30)
"""For the time since activation and for reporting the outcome; of a short lease, a tenth of it."""
LONGEST_SLEEP: Final = 1.0
"""Seconds between looks at the clock: the event loop's timers do not see a suspended machine."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0  # seconds between attempts while the engine is away
SHORTEST_DEADLINE, LONGEST_DEADLINE = 1.0, 10.0  # seconds for one attempt


class Prolonging(Protocol):
    """What sends the command: `commands.Commands`."""

    async def prolong(self, key: int, length: timedelta, deadline: timedelta) -> Delivery:
        """Set the end of a job's lease to now + length, with one attempt."""
        ...


@dataclass(slots=True, eq=False)
class Lease:
    """The lease of one job that is worked on."""

    key: int
    """The job's."""
    own: float
    """Seconds of the worker's leases: how often this one is prolonged."""
    length: float
    """Seconds that each prolongation lasts: the task's own lease where that is longer."""
    on_prolonged: Callable[[float, float], None]
    """Called with the moment before the command was sent, and the seconds that the lease lasts from then."""
    on_lost: Callable[[], None]
    """Called when the engine says that nobody works on the job: the lease was over."""
    on_gone: Callable[[], None]
    """Called when the engine has the job no more: finished by another, or cancelled."""
    is_ended: bool = False
    """Nothing is sent for it any more."""


class Schedule:
    """What is due when: pure. Leases that have ended are left out as they come up."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lease]] = []
        self._number = 0
        self._tidy_at = 64

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, moment: float, lease: Lease) -> None:
        """Note when a lease is to be prolonged."""
        if len(self._heap) >= self._tidy_at:  # most jobs end before that
            self._heap = [entry for entry in self._heap if not entry[2].is_ended]
            heapq.heapify(self._heap)
            self._tidy_at = 2 * len(self._heap) + 64
        self._number += 1  # leases themselves have no order
        heapq.heappush(self._heap, (moment, self._number, lease))

    def next(self) -> float | None:
        """Return the next moment at which something is due; None: there is nothing."""
        while self._heap and self._heap[0][2].is_ended:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float, most: int) -> list[Lease]:
        """Take out what is due by now, the earliest first."""
        found: list[Lease] = []
        while len(found) < most and (moment := self.next()) is not None and moment <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found


class Leases:
    """Prolongs the leases of all jobs of a worker for as long as they are worked on.

    Args:
        commands: send the prolongations.
        now: a clock that sees a suspended machine.
        spread: a number between two others, at random.
        events: are told of each prolongation.
    """

    def __init__(
        self,
        commands: Prolonging,
        *,
        now: Callable[[], float] = clock.now,
        spread: Callable[[float, float], float] = random.uniform,
        events: Events | None = None,
    ) -> None:
        self._commands = commands
        self._now = now
        self._spread = spread
        self._events = events or Events()
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waits: Iterator[float] | None = None  # while the engine is away
        self._not_before = 0.0
        self._can_prolong: bool | None = None  # None: the engine was not asked yet
        self._question: asyncio.Task[Delivery] | None = None

    def keep(self, lease: Lease, since: float) -> None:
        """Prolong a lease again and again from now on.

        Args:
            lease: it, with what is told of it.
            since: when it began at the earliest.
        """
        due = self._now() + self._spread(EARLIEST, LATEST) * lease.own
        self._add(min(due, since + LAST_CHANCE * lease.own), lease)

    def let_go(self, lease: Lease) -> None:
        """Leave a lease alone: the job has ended."""
        lease.is_ended = True

    async def covers(self, lease: Lease, needed: timedelta) -> bool:
        """Check whether work may begin that takes so long: within the lease, or with prolongations.

        Whether the engine knows how to prolong is asked once, with a job that needs it.
        """
        if wanted(needed, lease.own).total_seconds() <= lease.own:
            return True
        if not self._can_prolong:
            if self._question is None or self._question.done():
                self._question = asyncio.create_task(self._prolong(lease))
            await asyncio.shield(self._question)  # other jobs wait for the same answer
        return self._can_prolong is not False

    def _add(self, moment: float, lease: Lease) -> None:
        first = self._schedule.next()
        self._schedule.add(moment, lease)
        if first is None or moment < first:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._schedule.next()
        if due is None or self._sending is not None:
            return
        seconds = max(due, self._not_before) - self._now()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(max(seconds, 0.0), LONGEST_SLEEP), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._now()
        # An engine that is away is asked with one job at a time.
        group = [] if now < self._not_before else self._schedule.due(now, 1 if self._waits else AT_ONCE)
        if group:
            self._sending = asyncio.create_task(self._send(group))
            self._sending.add_done_callback(self._sent)
        else:
            self._arm()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending = None
        if not task.cancelled():
            self._arm()

    async def _send(self, group: list[Lease]) -> None:
        deliveries = await asyncio.gather(*map(self._prolong, group))
        now = self._now()
        for lease, delivery in zip(group, deliveries, strict=True):
            if not lease.is_ended:
                self._schedule.add(now + self._pause(lease, delivery), lease)
        if all(delivery is Delivery.UNDELIVERED for delivery in deliveries):
            self._waits = self._waits or delays(FIRST_DELAY, LONGEST_DELAY)
            self._not_before = now + next(self._waits)
        else:
            self._waits = None

    def _pause(self, lease: Lease, delivery: Delivery) -> float:
        """Return after how many seconds a lease is prolonged again."""
        if delivery is Delivery.UNDELIVERED:  # others first: what the engine has against it may be its own
            return self._spread(0.5, 1.0) * min(LONGEST_DELAY, lease.own / 10)
        return self._spread(EARLIEST, LATEST) * lease.own

    async def _prolong(self, lease: Lease) -> Delivery:
        """Prolong a lease once, and tell what came of it; raises nothing."""
        sent = self._now()  # the lease is as long as asked from some later moment on
        delivery = await self._ask(lease)
        self._events.emit(LeaseAsked(delivery.value))
        if delivery is Delivery.REFUSED and self._can_prolong:
            delivery = Delivery.UNDELIVERED  # it knew the command before: something between is to blame
        if delivery is not Delivery.UNDELIVERED:
            self._can_prolong = delivery is not Delivery.REFUSED
        if not lease.is_ended:
            match delivery:
                case Delivery.DONE:
                    lease.on_prolonged(sent, lease.length)
                case Delivery.LEASE_LOST:
                    lease.on_lost()
                case Delivery.GONE:
                    lease.is_ended = True
                    lease.on_gone()
        return delivery

    async def _ask(self, lease: Lease) -> Delivery:
        seconds = min(max(lease.own / 10, SHORTEST_DEADLINE), LONGEST_DEADLINE)
        try:
            return await self._commands.prolong(
                lease.key, timedelta(seconds=lease.length), timedelta(seconds=seconds)
            )
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        except Exception as error:
            logger.debug("Job %s: its lease could not be prolonged (%s)", lease.key, type(error).__name__)
        return Delivery.UNDELIVERED  # such as: the channel was closed


def wanted(needed: timedelta, own: float) -> timedelta:
    """Return how long a lease must be for work that takes so long, with a margin."""
    return needed + min(MARGIN, timedelta(seconds=own / 10))
