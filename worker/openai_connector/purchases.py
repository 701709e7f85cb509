"""Bought once: the store is asked before a call, and keeps its answer until the engine has acknowledged it.

A worker without a store loses nothing by this: nothing is asked and nothing is kept then. A store that fails
is gone on without, loudly, unless it is required.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import BUDGET_EXCEEDED, HELD_BACK, WORKER_ENDED
from openai_connector.job import BpmnError, Failed, Job, Outcome, Pause, Recovery, TaskError
from openai_connector.money.budgets import end_of, parts_of, per_of, shown
from openai_connector.observe.events import (
    AnswerKept,
    AnswerReused,
    AnswerUnkept,
    BudgetExceeded,
    CallLost,
    EntryUnreadable,
    Events,
    StoreDamaged,
    StoreFound,
    StoreFull,
    StoreLost,
    StorePurged,
    StoreRoom,
)
from openai_connector.observe.points import during, reached
from openai_connector.outcome.memory import WaitingCall
from openai_connector.store import Charge, Claim, Entry, Met, News, NoStore, Over, Owed, Store, StoreError
from openai_connector.store.charges import Drop, Open

log = logging.getLogger(__name__)

MOST_ENDED: Final = 3
"""Calls of one job that were begun and never ended: after these the job is an incident, not a loop."""
COMES_BACK: Final = (5.0, 10.0)
"""Seconds, at random, after which a job is offered again that another worker is in mid-call for."""
STORE_PAUSE: Final = Pause(seconds=1.0, jobs=0)


class GoesBackError(TaskError):
    """There is no answer for now; the job goes back to the engine for a while and loses no retry."""

    recovery = Recovery.HELD_BACK
    reason = ""
    """Why, in a word."""


class NotSentError(GoesBackError):
    """Nothing was sent for now."""

    code = HELD_BACK


class InMidCallError(NotSentError):
    """Another worker lives and is in mid-call for this job: its lease was lost."""

    reason = "midCall"
    is_wait_counted = False

    def __init__(self) -> None:
        super().__init__(wording.IN_MID_CALL())
        self.wait = timedelta(seconds=random.uniform(*COMES_BACK))


class StoreAwayError(NotSentError):
    """The store is required and does not work."""

    reason = "store"
    is_wait_counted = False
    wait = timedelta(seconds=COMES_BACK[1])


class BudgetExceededError(TaskError):
    """The call does not fit into a budget."""

    code = BUDGET_EXCEEDED

    def __init__(self, over: Over, charge: Charge) -> None:
        self.budget, period = parts_of(over.key)
        until = end_of(period)
        needed = charge.amount or Decimal(0)
        if over.is_unpriced:
            sentence = wording.BUDGET_REFUSED
        elif over.is_used_up:
            sentence = wording.BUDGET_USED_UP if over.amount else wording.BUDGET_OF_NOTHING
        else:
            sentence = wording.BUDGET_TOO_SMALL if needed > over.amount else wording.BUDGET_EXCEEDED
        is_over_then = sentence in (wording.BUDGET_USED_UP, wording.BUDGET_EXCEEDED)
        self.until = f"{until:%Y-%m-%dT%H:%M:%SZ}" if is_over_then else None
        """None: waiting does not help."""
        super().__init__(
            sentence(
                budget=self.budget,
                per=per_of(period),
                amount=shown(over.amount),
                spent=shown(over.spent),
                needed=shown(needed),
                currency=over.currency,
                until=f"{until:%Y-%m-%d %H:%M} UTC",
                model=wording.THE_MODEL(model=charge.model) if charge.model else wording.NO_MODEL(),
            )
        )


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
        self._beside = NoStore()
        """Budgets while the store is away."""
        self._spent: dict[str, Decimal] = {}
        """Of budgets, when the store was asked last."""

    async def begin(
        self, job: Job, fingerprint: str, charge: Charge | None = None
    ) -> Mapping[str, Any] | None:
        """Return the stored answer to a request; None: it is to be bought, and nobody else does.

        What is stored may be the record of a waiting call. What the call may cost is reserved.

        Raises:
            BudgetExceededError: it does not fit into a budget.
            InMidCallError: somebody else does.
            StoreAwayError: it cannot be told, and must be.
            WorkerEndedError: this was tried too often.
        """
        claiming = self._store.claim(job.key, fingerprint, charge)
        return await self._understood(claiming, job, fingerprint, charge)

    async def confirm(
        self, job: Job, fingerprint: str, charge: Charge | None = None
    ) -> Mapping[str, Any] | None:
        """Do the same just before the request is sent: the process may have stood still since `begin`."""
        claiming = self._store.confirm(job.key, fingerprint, charge)
        return await self._understood(claiming, job, fingerprint, charge)

    async def reserve(self, job: Job, charge: Charge | None) -> None:
        """Reserve what a call may cost that nothing else is known of.

        Raises:
            BudgetExceededError: it does not fit into a budget.
        """
        if charge is not None:
            self._check_budget(
                await self._claimed(self._store.enter(job.key, Open(charge)), job, charge), job, charge
            )

    async def enter(self, job: Job, entry: Entry | None) -> None:
        """Note what became of a call."""
        if entry is not None:
            await _without(self._store.enter(job.key, entry))
            self._beside.note(entry)

    async def _claimed(self, asking: Awaitable[Claim], job: Job, charge: Charge | None) -> Claim:
        try:
            claim = await asking
        except StoreError as error:
            if self._is_required:
                raise StoreAwayError(str(error)) from None
            log.debug("Job %d: the store was not asked: %s", job.key, error)
            return Claim() if charge is None else self._beside.reserve(charge, self._spent)
        self._spent.update(claim.spent)
        self._beside.forget_ended(claim.spent)  # the store has it, and tells of it
        return claim

    def _check_budget(self, claim: Claim, job: Job, charge: Charge | None) -> None:
        if claim.over is not None and charge is not None:
            error = BudgetExceededError(claim.over, charge)
            self._events.emit(BudgetExceeded(job, error.budget, error.until))
            raise error

    async def _understood(
        self, asking: Awaitable[Claim], job: Job, fingerprint: str, charge: Charge | None
    ) -> Mapping[str, Any] | None:
        claim = await self._claimed(asking, job, charge)
        if claim.answer is not None:
            if WaitingCall.read(claim.answer) is None:
                self._events.emit(AnswerReused(job))
        elif claim.is_busy:
            raise InMidCallError
        elif claim.was_lost:
            self._events.emit(CallLost(job))
        self._check_budget(claim, job, charge)
        dropped = None if charge is None else Drop(charge)
        if claim.is_ours and self._is_required and self._store.is_full:
            await self.call_off(job, fingerprint, dropped)
            raise StoreAwayError(wording.STORE_FULL())
        if claim.attempts >= MOST_ENDED and claim.is_ours:
            await self.call_off(job, fingerprint, dropped)
            await self.settle(job.key)  # a person who retries the incident begins anew
            raise WorkerEndedError(wording.WORKER_ENDED(times=claim.attempts))
        return claim.answer

    async def keep(
        self, job: Job, fingerprint: str, answer: Mapping[str, Any], entry: Entry | None = None
    ) -> bool:
        """Keep an answer, or the record of a waiting call; return whether it is safe now."""
        if isinstance(self._store, NoStore):
            reached("handed_to_store")
            self._store.note(entry)
            return False
        with during("handed_to_store", 0):
            is_kept = await _without(self._store.keep(job.key, fingerprint, answer, entry))
        if entry is not None:
            self._beside.note(entry)
        if WaitingCall.read(answer) is None:
            self._events.emit(AnswerKept(job) if is_kept else AnswerUnkept(job))
        return is_kept

    async def call_off(self, job: Job, fingerprint: str, entry: Entry | None = None) -> None:
        """Say that the call has ended without an answer."""
        await _without(self._store.release(job.key, fingerprint, entry))
        if entry is not None:
            self._beside.note(entry)

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
        """Return how to stop polling while a required store does not work, or takes no more answers."""
        return STORE_PAUSE if self._is_required and not self._is_working() else None

    def _is_working(self) -> bool:
        return self._store.is_healthy and not self._store.is_full


def telling(events: Events, *, is_required: bool) -> Callable[[News], None]:
    """Return what makes events of what a store meets."""

    def tell(news: News) -> None:
        match news.met:
            case Met.LOST:
                events.emit(StoreLost(news.what, is_required))
            case Met.FOUND:
                events.emit(StoreFound(news.seconds, news.count))
            case Met.FULL:
                events.emit(StoreFull(news.what, is_required))
            case Met.ROOM:
                events.emit(StoreRoom(news.count))
            case Met.DAMAGED:
                events.emit(StoreDamaged(news.what))
            case Met.UNREADABLE:
                events.emit(EntryUnreadable(news.job_key, news.what, news.count))
            case Met.PURGED:
                events.emit(StorePurged(news.count))

    return tell


def stays_stored(outcome: Outcome | None) -> bool:
    """Check whether an answer is needed after the engine has acknowledged an outcome; None: the job is gone.

    **The rule of the store**: what a job may come back for stays, unless the engine has it. A job comes back
    while it has retries, and when a person retries its incident (an uncaught BPMN error is one). The engine
    has the answer then, as a variable of the task, where it could take it.
    """
    match outcome:
        case Failed(retries=retries) if retries > 0:
            return True
        case Failed() | BpmnError():
            return not outcome.has_answer
        case _:
            return False


async def _without(doing: Awaitable[object]) -> bool:
    """Go on without the store where it fails; it says so itself. Return whether it did it."""
    try:
        await doing
    except StoreError as error:
        log.debug("The store did not do it: %s", error)
        return False
    return True
