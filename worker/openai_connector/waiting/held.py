"""The calls that this worker has begun or looked at, until their jobs have ended.

A job that waits in the engine may be cancelled there, and nobody is told: one that does not come back is
asked for by a harmless command.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Protocol

from openai_connector.job import Failed, Job, Outcome
from openai_connector.outcome.memory import WaitingCall
from openai_connector.waiting.removal import Leftover
from openai_connector.waiting.response_api import Target

LATE: Final = 60.0
"""Seconds after its back-off from which on a job is missed; doubled each time that it is still there."""
LATEST: Final = 3600.0
MOST: Final = 50_000
"""Calls that are remembered; the oldest beyond that stay at the API where their jobs are cancelled."""
AT_ONCE: Final = 8
ENGINE_AWAY: Final = 10.0


class AtTask(Protocol):
    """What the engine does for a task that waits."""

    async def keep(self, job: Job, variables: Mapping[str, Any]) -> bool:
        """Keep variables at the task, trying for long; return whether it was done."""
        ...

    async def is_there(self, job: Job) -> bool | None:
        """Check with one attempt whether the engine still has the task; None: it cannot be asked."""
        ...


class NoTask:
    """There is no engine."""

    async def keep(self, job: Job, variables: Mapping[str, Any]) -> bool:
        """Keep nothing."""
        return False

    async def is_there(self, job: Job) -> bool | None:
        """Know nothing."""
        return None


class Takes(Protocol):
    """What is told of calls that nobody needs any more."""

    def take(self, leftover: Leftover) -> None:
        """Do away with what is left of one; returns at once."""
        ...


@dataclass(slots=True)
class Entry:
    """A call that is not settled."""

    job: Job
    """Without its variables and headers."""
    id: str
    target: Target = field(repr=False)
    is_answered: bool = False
    """Its answer was fetched."""
    missed_at: float = 0.0
    late: float = LATE


class Held:
    """See the module.

    Args:
        at_task: asks the engine.
        removal: takes what nobody needs any more.
    """

    def __init__(self, at_task: AtTask, removal: Takes) -> None:
        self._at_task = at_task
        self._removal = removal
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._targets: dict[Target, Target] = {}
        self._due: list[tuple[float, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, job: Job, call: WaitingCall, target: Target) -> None:
        """Remember a call whose job is here."""
        entry = self._entries.get(job.key)
        if entry is not None and entry.id == call.id and entry.target == target:  # it has come back
            entry.is_answered, entry.late = False, LATE
            self._miss_after(entry, LATEST)
            return
        if len(self._targets) > 1000:
            self._targets.clear()  # keys that were renewed
        shared = self._targets.setdefault(target, target)
        entry = self._entries[job.key] = Entry(replace(job, variables={}, headers={}), call.id, shared)
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)
        self._miss_after(entry, LATEST)

    def answered(self, job_key: int) -> None:
        """Note that the answer was fetched."""
        if (entry := self._entries.get(job_key)) is not None:
            entry.is_answered = True

    def settled(self, job_key: int, outcome: Outcome | None, *, is_needed: bool) -> None:
        """Note what the engine has acknowledged.

        Args:
            job_key: of the job.
            outcome: what became of it; None: the engine has it no more.
            is_needed: it may come back for this call.
        """
        entry = self._entries.get(job_key)
        if entry is None:
            return
        if is_needed:
            backoff = outcome.backoff if isinstance(outcome, Failed) else None
            self._miss_after(entry, (backoff or timedelta(0)).total_seconds() + entry.late)
        else:
            entry.is_answered |= outcome is not None  # there is nothing to cancel
            self._remove(entry)

    async def aclose(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _remove(self, entry: Entry) -> None:
        self._entries.pop(entry.job.key, None)
        self._removal.take(Leftover(entry.job, entry.id, entry.target, is_cancelled=not entry.is_answered))

    # Who is missed

    def _miss_after(self, entry: Entry, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        entry.missed_at = loop.time() + seconds
        heapq.heappush(self._due, (entry.missed_at, entry.job.key))
        if len(self._due) > 4 * len(self._entries) + 64:
            self._due = [(e.missed_at, key) for key, e in self._entries.items()]
            heapq.heapify(self._due)
        self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._asking is not None or not self._due:
            return
        first = self._due[0][0]
        if self._timer is not None:
            if self._timer.when() <= first:
                return
            self._timer.cancel()
        self._timer = loop.call_at(first, self._look)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        missed: list[Entry] = []
        while self._due and self._due[0][0] <= loop.time() and len(missed) < AT_ONCE:
            moment, key = heapq.heappop(self._due)
            entry = self._entries.get(key)
            if entry is not None and entry.missed_at == moment:
                missed.append(entry)
        if not missed:
            self._arm(loop)
            return
        self._asking = loop.create_task(self._ask(missed))
        self._asking.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if not task.cancelled():
            self._arm(asyncio.get_running_loop())

    async def _ask(self, missed: list[Entry]) -> None:
        there = await asyncio.gather(*(self._at_task.is_there(entry.job) for entry in missed))
        for entry, is_there in zip(missed, there, strict=True):
            if self._entries.get(entry.job.key) is not entry:
                continue  # it is back, or was settled meanwhile
            if is_there is False:
                self._remove(entry)
                continue
            if is_there:
                entry.late = min(entry.late * 2, LATEST)
            self._miss_after(entry, entry.late if is_there else ENGINE_AWAY)
