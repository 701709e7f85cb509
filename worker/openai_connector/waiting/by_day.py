"""Answers that can wait for a day: bought together, as lines of a batch, at half the price."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from openai_connector import wording
from openai_connector.bills import Bill, Bills, billed
from openai_connector.calls import Api, Bought
from openai_connector.contract import (
    ANSWER_EXPIRED,
    BATCH_CANCELLED,
    BATCH_EXPIRED,
    BATCH_LINE_FAILED,
    BATCH_REFUSED,
)
from openai_connector.job import Job, Outcome, Recovery, TaskError
from openai_connector.observe.events import Events
from openai_connector.observe.points import reached
from openai_connector.openai_api import ApiError, ApiResponse
from openai_connector.outcome.memory import BATCH, WaitingCall
from openai_connector.outcome.release import Attempt
from openai_connector.purchases import Purchases
from openai_connector.spending import Purchase, Spending
from openai_connector.tasks.task_type import AnswerNeeded, Task
from openai_connector.waiting.batch_api import ENDED, Account, BatchApi, Files, account_of
from openai_connector.waiting.billing import fetched
from openai_connector.waiting.books import Books
from openai_connector.waiting.errors import (
    AnswerExpiredError,
    BatchError,
    NotSubmittedError,
    StillWaitingError,
)
from openai_connector.waiting.gathering import Gathering, Kind, StoppedError
from openai_connector.waiting.held import AtTask, Held
from openai_connector.waiting.lines import Refused, custom_id, mark, read_line
from openai_connector.waiting.looks import JITTER, is_passing, is_unknown, out_of_slot
from openai_connector.waiting.pace import LOOKS_A_RETURN, NOT_THERE_YET, WaitOptions
from openai_connector.waiting.response_api import Target
from openai_connector.waiting.results import Results

NEEDED: Final = AnswerNeeded.WITHIN_A_DAY
LINE_EXPIRED: Final = "batch_expired"
LINE_CANCELLED: Final = "batch_cancelled"
MOST_WORDS: Final = 500
PASSING_FAILURES: Final = frozenset({"token_limit_exceeded", "rate_limit_exceeded", "server_error"})
"""Codes of a batch that was not taken, though nothing is wrong with it."""


class ByDay:
    """Gets the answers of a day.

    Args:
        api: sends requests.
        files: moves files.
        purchases: know what is stored.
        events: are told what happens.
        bills: say what answers cost.
        spending: knows what calls may cost.
        at_task: knows whether a task is still there.
        options: what may be set.
    """

    def __init__(
        self,
        api: Api,
        files: Files,
        purchases: Purchases,
        events: Events,
        bills: Bills,
        spending: Spending,
        at_task: AtTask,
        options: WaitOptions,
    ) -> None:
        self._purchases = purchases
        self._events = events
        self._bills = bills
        self._spending = spending
        self._now = options.now
        self._pace = options.day()
        batches = BatchApi(api, files)
        self._books = Books(batches, events, is_deleting=options.is_deleting)
        self.held = Held(at_task, self._books)
        self._gathering = Gathering(batches, events, options, self._submitted)
        self._results = Results(batches, lambda age: self._pace.back_off(age) / LOOKS_A_RETURN)
        self._keeping: set[int] = set()
        """Jobs whose batch the engine does not know yet."""

    async def answer_to(self, task: Task, attempt: Attempt) -> Bought:
        """Return the answer to a task, once its batch has it.

        Raises:
            GoesBackError: there is none yet; the job may come back.
            TaskError: there is none.
        """
        request, job = task.request, attempt.job
        call = attempt.memory.waiting_for(request.fingerprint)
        purchase = self._purchase(task, attempt)
        if call is None:
            stored = await self._purchases.begin(job, request.fingerprint, purchase.charge)
            if stored is not None and (call := WaitingCall.read(stored)) is None:
                return Bought(stored, is_stored=True)
        if call is not None:
            attempt.memory = attempt.memory.with_waiting(request.fingerprint, call)
            return await self._fetched(call, task, attempt, purchase)
        # The names of lines tell whose they are; what a line may cost stays reserved.
        await self._purchases.call_off(job, request.fingerprint)
        try:
            raise await self._gathered(task, attempt, purchase)
        except StillWaitingError:
            raise
        except BaseException:
            if attempt.memory.waiting is None:  # there is no batch
                await self._purchases.enter(job, purchase.ended())
            raise

    def _purchase(self, task: Task, attempt: Attempt) -> Purchase:
        """Return the purchase of a line, the same for whoever gathers or fetches it."""
        request, job = task.request, attempt.job
        name = custom_id(job.key, request.fingerprint, attempt.memory.spent)
        return self._spending.purchase(request, job, f"line {name}")

    # Gathering

    async def _gathered(self, task: Task, attempt: Attempt, purchase: Purchase) -> TaskError:
        """Have a task's line submitted; return why its job goes back then."""
        request, job = task.request, attempt.job
        account, endpoint = account_of(request)
        name = custom_id(job.key, request.fingerprint, attempt.memory.spent)
        kind = Kind(account, endpoint, request.model)
        try:
            id_ = await self._gathering.batch_of(kind, name, request.body or b"{}", attempt.slot)
        except StoppedError as stopped:
            self._note(WaitingCall(stopped.batch_id, self._now(), BATCH), task, attempt)
            raise asyncio.CancelledError from None
        call = WaitingCall(id_, self._now(), BATCH)
        self._note(call, task, attempt)
        entry = None if purchase.charge is None else purchase.waits(purchase.charge.id)
        await self._purchases.keep(job, request.fingerprint, call.record(), entry)
        error, _ = out_of_slot(call, NEEDED, self._pace, self._now(), None)
        return error

    def _note(self, call: WaitingCall, task: Task, attempt: Attempt) -> None:
        attempt.memory = attempt.memory.with_waiting(task.request.fingerprint, call)
        self.held.add(attempt.job, call, Target.of(task.request))
        self._keeping.add(attempt.job.key)

    def _submitted(self, account: Account, batch_id: str, names: Iterable[str]) -> None:
        self._books.submitted(account, batch_id, [int(name.partition("-")[0]) for name in names])

    # Fetching

    async def _fetched(self, call: WaitingCall, task: Task, attempt: Attempt, purchase: Purchase) -> Bought:
        request, job = task.request, attempt.job
        self.held.add(job, call, Target.of(request))
        name = custom_id(job.key, request.fingerprint, attempt.memory.spent)
        try:
            response = await self._look(call, account_of(request)[0], name)
            if not isinstance(response, ApiResponse):
                looked = replace(call, fetched=call.fetched + 1)
                error, remembered = out_of_slot(looked, NEEDED, self._pace, self._now(), response)
                attempt.memory = attempt.memory.with_waiting(request.fingerprint, remembered)
                raise error
            reached("line_handed_out")
            bill, told = fetched(self._bills, request, response, job, call, self._age(call))
            self._events.emit(told)
            purchase.is_sent, purchase.bill = True, bill
            attempt.memory = attempt.memory.with_waiting(request.fingerprint, replace(call, is_billed=True))
            self.held.answered(job.key)
            accepted = _accepted(task, response, bill)
        except _NoAnswerError as ended:
            attempt.memory = attempt.memory.without_answer()
            self._books.ended(call.id, job.key)
            purchase.is_sent |= ended.error.code == ANSWER_EXPIRED
            await self._purchases.enter(job, purchase.ended(ended.error))
            await self._purchases.settle(job.key)
            raise ended.error from None
        reached("answer_received")
        is_stored = await self._purchases.keep(job, request.fingerprint, accepted, purchase.ended())
        reached("answer_stored")
        return Bought(accepted, is_stored)

    def _age(self, call: WaitingCall) -> float:
        return max(0.0, self._now() - call.since)

    async def _look(self, call: WaitingCall, account: Account, name: str) -> ApiResponse | ApiError | None:
        """Return what a job's line says, or why that cannot be told now; None: it is not there yet.

        Raises:
            _NoAnswerError: it never will be.
            ApiError: a person must act before it can be fetched.
        """
        batch: Mapping[str, Any] = {}
        try:
            batch = await self._results.look(account, call.id, self._age(call))
            if batch.get("status") not in ENDED:
                return None
            if batch["status"] == "failed":
                raise await self._not_taken(account, batch, name)
            answers = await self._results.answers(account, batch)
        except ApiError as error:
            if is_passing(error):
                return error
            if not is_unknown(error):
                error.recovery = Recovery.PERMANENT
                raise
            if batch:
                gone = BatchError(wording.BATCH_FILE_GONE(id=call.id), ANSWER_EXPIRED, Recovery.PERMANENT)
                raise _NoAnswerError(gone) from None
            if self._age(call) <= NOT_THERE_YET:
                return error
            raise _NoAnswerError(AnswerExpiredError(call, NEEDED)) from None
        line = answers.line(name)
        response = None if line is None else read_line(line)
        if isinstance(response, ApiResponse):
            return response
        raise _NoAnswerError(_of_line(batch, response, len(answers)))

    async def _not_taken(self, account: Account, batch: Mapping[str, Any], name: str) -> _NoAnswerError:
        """Return what a batch means for a job that was refused before anything of it was run."""
        id_, found = str(batch["id"]), _errors(batch)
        told = "; ".join(_words(error) for error in found[:3]) or "it says no more"
        if any(isinstance(error.get("line"), int) for error in found):
            names = await self._results.names(account, batch)
            own = names.index(mark(name)) + 1 if mark(name) in names else 0
            for error in found:
                if own and error.get("line") == own:
                    message = wording.BATCH_REFUSED(line=own, id=id_, error=_words(error))
                    return _NoAnswerError(BatchError(message, BATCH_REFUSED, Recovery.PERMANENT))
            wait = self._pace.least * random.uniform(0.02, 0.1)
        elif any(error.get("code") in PASSING_FAILURES for error in found):
            wait = self._pace.most * random.uniform(*JITTER)
        else:
            message = wording.BATCH_NOT_TAKEN(id=id_, error=told)
            return _NoAnswerError(BatchError(message, BATCH_LINE_FAILED, Recovery.TRANSIENT))
        message = wording.BATCH_NOT_TAKEN(id=id_, error=told)
        return _NoAnswerError(NotSubmittedError(message, wait, is_wait_counted=False))

    # What becomes of the job

    def settled(self, job: Job, outcome: Outcome | None, *, is_needed: bool) -> None:
        """Note what the engine has acknowledged, as `Held` does."""
        self.held.settled(job.key, outcome, is_needed=is_needed)
        if job.key in self._keeping:
            self._keeping.discard(job.key)
            reached("batch_kept")

    def stopping(self) -> None:
        """Submit what is gathered: no more jobs come."""
        self._gathering.stopping()

    async def aclose(self, seconds: float) -> None:
        """Wait a little for what is under way, then stop."""
        await self._gathering.aclose()
        await self.held.aclose()
        await self._books.aclose(seconds)
        self._results.aclose()


class _NoAnswerError(Exception):
    """A batch has no answer to a job, and never will have: the next attempt buys."""

    def __init__(self, error: TaskError) -> None:
        super().__init__()
        self.error = error


def _accepted(task: Task, response: ApiResponse, bill: Bill | None) -> Mapping[str, Any]:
    try:
        accepted = task.accept(response)
    except TaskError as error:
        raise _NoAnswerError(error) from None
    return billed(accepted, bill)


def _of_line(batch: Mapping[str, Any], line: Refused | None, lines: int) -> BatchError:
    """Return what it means that a job's line has no response, or is not there at all."""
    id_, status = str(batch["id"]), batch.get("status")
    ends = {"expired": LINE_EXPIRED, "cancelled": LINE_CANCELLED}
    match ends.get(str(status), "") if line is None else line.code:
        case code if code == LINE_EXPIRED:
            return BatchError(wording.BATCH_EXPIRED(id=id_), BATCH_EXPIRED, Recovery.TRANSIENT)
        case code if code == LINE_CANCELLED:
            return BatchError(wording.BATCH_CANCELLED(id=id_), BATCH_CANCELLED, Recovery.PERMANENT)
    if line is None:
        counts = batch.get("request_counts")
        total = counts.get("total") if isinstance(counts, Mapping) else None
        missing = total - lines if isinstance(total, int) else "some"
        told = wording.BATCH_LINE_MISSING(missing=missing, total="?" if total is None else total)
    else:
        told = _words({"code": line.code, "message": line.message})
    return BatchError(wording.BATCH_LINE_FAILED(id=id_, error=told), BATCH_LINE_FAILED, Recovery.TRANSIENT)


def _errors(batch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = batch.get("errors")
    data = errors.get("data") if isinstance(errors, Mapping) else None
    return [error for error in data if isinstance(error, Mapping)] if isinstance(data, list) else []


def _words(error: Mapping[str, Any]) -> str:
    parts = (str(error.get(name) or "") for name in ("code", "message"))
    return ": ".join(part[:MOST_WORDS] for part in parts if part)
