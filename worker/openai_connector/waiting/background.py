"""Answers that OpenAI makes in the background: bought once, their ids kept, fetched until they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from openai_connector import wording
from openai_connector.bills import Bills, billed
from openai_connector.calls import Api, Bought, Calls, Unfinished
from openai_connector.contract import CONNECTION_FAILED
from openai_connector.job import BpmnError, Failed, Job, Outcome, Recovery, TaskError
from openai_connector.observe.events import AnswerAwaited, Events
from openai_connector.observe.points import reached
from openai_connector.openai_api import ApiError, ApiResponse, ApiTimeoutError, check_answer
from openai_connector.outcome.memory import BATCH, WaitingCall
from openai_connector.outcome.release import Attempt
from openai_connector.purchases import Purchases
from openai_connector.spending import Purchase, Spending, storable
from openai_connector.store import Entry
from openai_connector.tasks.task_type import AnswerNeeded, Request, Task
from openai_connector.waiting.batch_api import Files, NoBatchError
from openai_connector.waiting.billing import fetched
from openai_connector.waiting.by_day import ByDay
from openai_connector.waiting.errors import AnswerExpiredError, StillWaitingError
from openai_connector.waiting.held import AtTask, Held
from openai_connector.waiting.looks import is_passing, is_unknown, out_of_slot
from openai_connector.waiting.pace import (
    AFTER_TROUBLE,
    FIRST_PAUSE,
    KEPT,
    NOT_THERE_YET,
    PACES,
    WaitOptions,
    pause_after,
    seconds_in_slot,
)
from openai_connector.waiting.removal import Removal
from openai_connector.waiting.response_api import FINAL, Target, in_background

LOOK_TIMEOUT: Final = timedelta(seconds=30)
"""For fetching an answer; the task's own timeout where that is shorter."""
KEEP_TIME: Final = 1.0
"""Seconds for which the first look waits for the id to be kept; after that both go on side by side."""


@dataclass(slots=True)
class Watch:
    """One answer that is waited for, in one activation."""

    request: Request
    task: Task
    job: Job
    call: WaitingCall
    is_new: bool
    """It was bought just now."""
    until: float
    """By the clock: until then the job stays in its slot."""
    target: Target
    """Where the response is."""
    trouble: ApiError | None = None
    """Why the last look failed."""
    purchase: Purchase = field(default_factory=Purchase)
    """What may be paid for it."""


class Waiting:
    """Gets the answers: those that are there at once, and those that wait.

    Args:
        api: sends requests.
        calls: buy.
        purchases: know what is stored.
        events: are told what happens.
        bills: say what answers cost.
        spending: knows what calls may cost.
        at_task: keeps the id at the task, and knows whether a task is still there.
        options: what may be set.
        files: moves the files of batches; None: there are no batches.
    """

    def __init__(
        self,
        api: Api,
        calls: Calls,
        purchases: Purchases,
        events: Events,
        bills: Bills,
        spending: Spending,
        at_task: AtTask,
        options: WaitOptions,
        files: Files | None = None,
    ) -> None:
        self._api = api
        self._calls = calls
        self._purchases = purchases
        self._events = events
        self._bills = bills
        self._spending = spending
        self._at_task = at_task
        self._options = options
        self._now = options.now
        self._removal = Removal(api, events, is_deleting=options.is_deleting)
        self._held = Held(at_task, self._removal)
        self._by_day = (
            None if files is None else ByDay(api, files, purchases, events, bills, spending, at_task, options)
        )

    async def answer_to(self, task: Task, attempt: Attempt, request_id: str) -> Bought:
        """Return the answer to a task, bought now or before.

        The attempt's memory holds the id of the call as soon as there is one.

        Raises:
            GoesBackError: there is none yet; the job may come back.
            TaskError: there is none; where the memory still holds the id, it may be fetched later.
        """
        request = task.request
        if request.needed is AnswerNeeded.WITHIN_A_DAY:
            if self._by_day is None:
                raise NoBatchError(wording.NO_BATCH())
            return await self._by_day.answer_to(task, attempt)
        call = attempt.memory.waiting_for(request.fingerprint)
        if call is not None:
            return await self._until_final(self._watch(task, attempt.job, call), attempt)
        sent = in_background(request, attempt.job) if request.needed in KEPT else request
        try:
            bought = await self._calls.answer_to(sent, task, attempt.job, request_id)
        except Unfinished as unfinished:
            return await self._finish(unfinished, task, attempt)
        self._remember_whole(bought.answer, task, attempt)
        return bought

    async def _finish(self, unfinished: Unfinished, task: Task, attempt: Attempt) -> Bought:
        """Return an answer that was bought just now, or is stored as waited for."""
        request, job = task.request, attempt.job
        call = unfinished.stored or WaitingCall(unfinished.id, self._now())
        attempt.memory = attempt.memory.with_waiting(request.fingerprint, call)
        watch = self._watch(task, job, call, is_new=unfinished.stored is None)
        watch.purchase = unfinished.purchase
        if not watch.is_new:
            return await self._until_final(watch, attempt)
        reached("response_begun")
        keeping = asyncio.create_task(self._keep(watch, attempt))
        try:
            await asyncio.wait([keeping], timeout=KEEP_TIME)
            return await self._until_final(watch, attempt)
        finally:
            keeping.cancel()

    async def finish_beside(
        self, unfinished: Unfinished, task: Task, job: Job
    ) -> tuple[Mapping[str, Any], Entry | None]:
        """Return what is kept of a second answer to a task: it is waited for here, nothing remembers it."""
        purchase = unfinished.purchase
        purchase.is_accepted = True
        try:
            accepted = await self._waited_beside(unfinished, task, job, purchase)
        except BaseException as error:
            await self._purchases.enter(job, purchase.ended(error))
            raise
        return accepted, purchase.ended()

    async def _waited_beside(
        self, unfinished: Unfinished, task: Task, job: Job, purchase: Purchase
    ) -> Mapping[str, Any]:
        watch = self._watch(
            task, job, WaitingCall(unfinished.id, self._now()), is_new=True, is_needed_here=True
        )
        response = await self._wait(watch)
        bill, told = fetched(self._bills, watch.request, response, job, watch.call, self._waited(watch.call))
        purchase.bill = bill
        self._events.emit(told)
        return billed(task.accept(response), bill)

    def _watch(
        self, task: Task, job: Job, call: WaitingCall, *, is_new: bool = False, is_needed_here: bool = False
    ) -> Watch:
        request = replace(task.request, needed=AnswerNeeded.NOW) if is_needed_here else task.request
        in_slot = seconds_in_slot(request.needed, request.timeout, self._options)
        begin = self._now() if request.needed is AnswerNeeded.NOW else call.since
        return Watch(request, task, job, call, is_new, begin + in_slot, Target.of(request))

    def _remember_whole(self, accepted: Mapping[str, Any], task: Task, attempt: Attempt) -> None:
        """Note the id of an answer that came at once, though it was asked for in the background."""
        request, body = task.request, accepted.get("body")
        id_ = body.get("id") if isinstance(body, Mapping) else None
        if request.needed in KEPT and isinstance(id_, str):
            call = WaitingCall(id_, self._now())
            attempt.memory = attempt.memory.with_waiting(request.fingerprint, call)
            self.recalled(task, attempt)

    async def _keep(self, watch: Watch, attempt: Attempt) -> None:
        """Keep the id in the store and at the task; each may be away."""
        job, fingerprint = watch.job, watch.request.fingerprint
        entry = watch.purchase.waits(_charge_id(watch.call))
        storing = self._purchases.keep(job, fingerprint, watch.call.record(), entry)
        if watch.until > watch.call.since:
            await asyncio.gather(storing, self._at_task.keep(job, attempt.memory.variables()))
            attempt.memory = replace(attempt.memory, is_written=True)
        else:  # the failure that gives the job back now keeps it
            await storing
        reached("response_kept")

    async def _until_final(self, watch: Watch, attempt: Attempt) -> Bought:
        job, fingerprint = watch.job, watch.request.fingerprint
        self._held.add(job, watch.call, watch.target)
        try:
            response = await self._wait(watch)
            bill, told = fetched(
                self._bills, watch.request, response, job, watch.call, self._waited(watch.call)
            )
            watch.call = replace(watch.call, is_billed=True)
        except AnswerExpiredError:
            await self._give_up(attempt)
            raise
        finally:
            if attempt.memory.waiting is not None:
                attempt.memory = attempt.memory.with_waiting(fingerprint, watch.call)
        reached("response_fetched")
        self._events.emit(told)
        self._held.answered(job.key)
        purchase = self._spending.purchase(watch.request, job, _charge_id(watch.call))
        purchase.is_sent, purchase.bill = True, bill
        try:
            accepted = watch.task.accept(response)
        except TaskError as error:
            await self._purchases.enter(job, purchase.ended(error))
            await self._give_up(attempt)
            raise
        accepted = billed(accepted, bill)
        reached("answer_received")
        is_stored = await self._purchases.keep(job, fingerprint, accepted, purchase.ended())
        reached("answer_stored")
        return Bought(accepted, is_stored)

    async def _give_up(self, attempt: Attempt) -> None:
        """Forget a call that gives no answer any more: the next attempt buys."""
        attempt.memory = attempt.memory.without_answer()
        await self._purchases.settle(attempt.job.key)

    # Looking

    def _waited(self, call: WaitingCall) -> float:
        return max(0.0, self._now() - call.since)

    async def _wait(self, watch: Watch) -> ApiResponse:
        """Return the final response, as soon as there is one while the job may stay in its slot."""
        if watch.is_new:
            if watch.until <= watch.call.since:
                raise self._back(watch)
            await asyncio.sleep(max(0.0, FIRST_PAUSE - self._waited(watch.call)))
        while True:
            response = await self._look(watch)
            if response is not None:
                return response
            pause = pause_after(self._waited(watch.call))
            if watch.trouble is not None:
                asked = watch.trouble.wait
                pause = max(pause, AFTER_TROUBLE, asked.total_seconds() if asked else 0.0)
            if self._now() + pause > watch.until:
                raise self._back(watch)
            await asyncio.sleep(pause)

    async def _look(self, watch: Watch) -> ApiResponse | None:
        """Return the response if it is final; None: not yet, or it cannot be told.

        Raises:
            AnswerExpiredError: it is not known any more.
            ApiError: a person must act before it can be fetched.
        """
        request, call = watch.request, watch.call
        watch.call = replace(call, fetched=call.fetched + 1)
        try:
            response = await self._api.send(
                "GET",
                watch.target.address(call.id),
                body=None,
                headers=request.headers,
                timeout=min(request.timeout, LOOK_TIMEOUT),
            )
            check_look(response)
        except ApiError as error:
            watch.trouble = self._passing(error, watch)
            return None
        watch.trouble = None
        is_final = response.body.get("status") in FINAL and watch.task.pending(response) is None
        return response if is_final else None

    def _passing(self, error: ApiError, watch: Watch) -> ApiError:
        """Return why a look failed, where another may succeed; else raise what a person must see."""
        if is_passing(error):
            return error
        if is_unknown(error):
            if self._waited(watch.call) <= NOT_THERE_YET:
                return error
            raise AnswerExpiredError(watch.call, watch.request.needed) from None
        error.recovery = Recovery.PERMANENT
        raise error

    def _back(self, watch: Watch) -> TaskError:
        """Return why the job leaves its slot: for a while, or because it waits for too long."""
        call, needed = watch.call, watch.request.needed
        if needed is AnswerNeeded.NOW:
            seconds = f"{watch.request.timeout.total_seconds():g}"
            message = wording.API_TIMEOUT(seconds=seconds)
            return ApiTimeoutError(
                message, code=CONNECTION_FAILED, recovery=Recovery.TRANSIENT, reason="timeout"
            )
        error, watch.call = out_of_slot(call, needed, PACES[needed], self._now(), watch.trouble)
        return error

    # What becomes of the job

    def went_back(self, job: Job, error: StillWaitingError) -> None:
        """Tell that a job goes back."""
        call = error.call
        self._events.emit(AnswerAwaited(job, call.id, self._waited(call), call.kind))

    def recalled(self, task: Task, attempt: Attempt) -> None:
        """Note that a kept answer is used whose call may still be at the API."""
        call = attempt.memory.waiting
        if call is None:
            return
        held = self._by_day.held if call.kind == BATCH and self._by_day is not None else self._held
        held.add(attempt.job, call, Target.of(task.request))
        held.answered(attempt.job.key)

    def settled(self, job: Job, outcome: Outcome | None) -> None:
        """Note what the engine has acknowledged; None: it has the job no more."""
        is_needed = _is_needed(outcome)
        self._held.settled(job.key, outcome, is_needed=is_needed)
        if self._by_day is not None:
            self._by_day.settled(job, outcome, is_needed=is_needed)

    def stopping(self) -> None:
        """Note that no more jobs come: what is gathered goes now."""
        if self._by_day is not None:
            self._by_day.stopping()

    async def aclose(self, seconds: float) -> None:
        """Wait a little for what is being removed, then stop."""
        if self._by_day is not None:
            await self._by_day.aclose(seconds)
        await self._held.aclose()
        await self._removal.aclose(seconds)


def _is_needed(outcome: Outcome | None) -> bool:
    """Check whether a job may come back for what is kept at the API."""
    match outcome:
        case Failed(attempt=attempt) | BpmnError(attempt=attempt):
            is_given_up = isinstance(attempt, Attempt) and attempt.memory.waiting is None
            return not (outcome.has_answer or is_given_up)
        case _:
            return False


def _charge_id(call: WaitingCall) -> str:
    return storable(f"response {call.id}")


def check_look(response: ApiResponse) -> None:
    """Check that a response tells how far a call is.

    Raises:
        ApiError: it does not.
    """
    body = response.body
    if 200 <= response.status < 300 and isinstance(body, Mapping) and isinstance(body.get("status"), str):
        return  # also where the call has failed, and the body holds its error
    check_answer(response, missing_in=lambda _body: "status")
