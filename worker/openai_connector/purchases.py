"""Bought once: the store is asked before a call, and keeps its answer until the engine has acknowledged it.

A worker without a store loses nothing by this: nothing is asked and nothing is kept then. A store that fails
is gone on without, loudly, unless it is required.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import HELD_BACK, WORKER_ENDED
from openai_connector.job import Job, Pause, Recovery, TaskError
from openai_connector.observe.events import AnswerKept, AnswerReused, CallLost, Events
from openai_connector.observe.points import during, reached
from openai_connector.store import Claim, NoStore, Owed, Store, StoreError

log = logging.getLogger(__name__)

MOST_ENDED: Final = 3
"""Calls of one job that were begun and never ended: after these the job is an incident, not a loop."""
COMES_BACK: Final = (5.0, 10.0)
"""Seconds, at random, after which a job is offered again that another worker is in mid-call for."""
STORE_PAUSE: Final = Pause(seconds=1.0, jobs=1)


class NotSentError(TaskError):
    """Nothing was sent for now; the job goes back to the engine and loses no retry."""

    code = HELD_BACK
    recovery = Recovery.HELD_BACK


class InMidCallError(NotSentError):
    """Another worker lives and is in mid-call for this job: its lease was lost."""

    is_wait_counted = False

    def __init__(self) -> None:
        super().__init__(wording.IN_MID_CALL())
        self.wait = timedelta(seconds=random.uniform(*COMES_BACK))


class StoreAwayError(NotSentError):
    """The store is required and does not work."""

    is_wait_counted = False
    wait = timedelta(seconds=COMES_BACK[1])


class WorkerEndedError(TaskError):
    """Workers have ended in mid-call for this job, again and again."""

    code = WORKER_ENDED


class Purchases:
    """What the worker pays for, and what it still owes the engine.

    Args:
        store: remembers it.
        is_required: no call is made without the store.
        events: are told of answers that are used again, and of calls that may be lost.
    """

    def __init__(
        self, store: Store | None = None, *, is_required: bool = False, events: Events | None = None
    ) -> None:
        self._store = store or NoStore()
        self._is_required = is_required
        self._events = events or Events()

    async def begin(self, job: Job, fingerprint: str) -> Mapping[str, Any] | None:
        """Return the stored answer to a request; None: it is to be bought, and nobody else does.

        Raises:
            InMidCallError: somebody else does.
            StoreAwayError: it cannot be told, and must be.
            WorkerEndedError: this was tried too often.
        """
        return await self._understood(self._store.claim(job.key, fingerprint), job, fingerprint)

    async def confirm(self, job: Job, fingerprint: str) -> Mapping[str, Any] | None:
        """Do the same just before the request is sent: the process may have stood still since `begin`."""
        return await self._understood(self._store.confirm(job.key, fingerprint), job, fingerprint)

    async def _understood(
        self, asking: Awaitable[Claim], job: Job, fingerprint: str
    ) -> Mapping[str, Any] | None:
        try:
            claim = await asking
        except StoreError as error:
            if self._is_required:
                raise StoreAwayError(str(error)) from None
            log.debug("Job %d: the store was not asked: %s", job.key, error)
            claim = Claim()
        if claim.answer is not None:
            self._events.emit(AnswerReused(job))
        elif claim.is_busy:
            raise InMidCallError
        elif claim.was_lost:
            self._events.emit(CallLost(job))
        if claim.attempts >= MOST_ENDED and claim.is_ours:
            await self.call_off(job, fingerprint)
            await self.settle(job.key)  # a person who retries the incident begins anew
            raise WorkerEndedError(wording.WORKER_ENDED(times=claim.attempts))
        return claim.answer

    async def keep(self, job: Job, fingerprint: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer, which is safe then."""
        if isinstance(self._store, NoStore):
            reached("handed_to_store")
            return
        with during("handed_to_store", 0):
            is_kept = await _without(self._store.keep(job.key, fingerprint, answer))
        if is_kept:
            self._events.emit(AnswerKept(job))

    async def call_off(self, job: Job, fingerprint: str) -> None:
        """Say that the call has ended without an answer."""
        await _without(self._store.release(job.key, fingerprint))

    async def owe(self, job: Job, variables_json: str) -> None:
        """Remember a completion until the engine has acknowledged it."""
        await _without(self._store.owe(job.key, variables_json))

    async def settle(self, job_key: int) -> None:
        """Forget a job: the engine has acknowledged its outcome, or has it no more."""
        await _without(self._store.forget(job_key))

    async def owed(self) -> list[Owed]:
        """Take over what workers that are gone still owe."""
        try:
            return await self._store.owed()
        except StoreError:
            return []

    def pause(self) -> Pause | None:
        """Return how to slow down polling while a required store does not work."""
        return STORE_PAUSE if self._is_required and not self._store.is_healthy else None


async def _without(doing: Awaitable[None]) -> bool:
    """Go on without the store where it fails, which is False; it says so itself."""
    try:
        await doing
    except StoreError as error:
        log.debug("The store did not do it: %s", error)
        return False
    return True
