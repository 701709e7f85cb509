"""The story of a job: from its inputs to exactly one outcome, with an answer that is never paid for twice.

Headers first (a bad expression must not cost money), then the inputs, the host, the secrets; then the call,
unless its answer has been kept from an earlier activation; then the mapping. Whatever happens ends in an
outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from openai_connector import wording
from openai_connector.bills import Bills
from openai_connector.calls import Api, Calls, Unfinished
from openai_connector.contract import (
    BPMN_ERROR,
    COMPLETE,
    FAIL,
    JOB_TIMEOUT,
    OVERRIDES,
    STATE_VARIABLE,
    TRACE_VARIABLES,
    UNEXPECTED_ANSWER,
)
from openai_connector.document import Document
from openai_connector.duration import parse_duration, spoken_duration
from openai_connector.job import (
    OWN_SLOT,
    BpmnError,
    Completed,
    Failed,
    Job,
    Outcome,
    Pause,
    Recovery,
    Slot,
    TaskError,
)
from openai_connector.limits import Gate
from openai_connector.money import Prices, both, cost_of, record_of
from openai_connector.observe.events import AnswerUnexpected, CallFailed, Events, HeldBack, NullFound
from openai_connector.openai_api import ApiError
from openai_connector.outcome.mapping import (
    Decision,
    HeaderError,
    OutputMapping,
    error_object,
)
from openai_connector.outcome.memory import TaskMemory
from openai_connector.outcome.release import Attempt, kept_words, release
from openai_connector.outcome.retry_policy import DEFAULT_POLICY, Plan, RetryPolicy
from openai_connector.purchases import BudgetExceededError, GoesBackError, Purchases, stays_stored
from openai_connector.redaction import place_of
from openai_connector.spending import Spending
from openai_connector.store import Entry
from openai_connector.tasks.task_type import (
    CALLS,
    COST,
    NOT_ASKED_AGAIN,
    Answer,
    AnswerError,
    Request,
    Task,
    TaskType,
)
from openai_connector.waiting import AtTask, Files, NoTask, StillWaitingError, Waiting, WaitOptions

log = logging.getLogger(__name__)


class Connector:
    """Turns one job into one outcome; shared by all jobs of a type, keeps nothing between them.

    Args:
        api: sends requests.
        task_type: reads the tasks.
        retry_policy: counts retries and waits.
        gate: says when a call may be sent; shared by all that send.
        purchases: know what is bought, and what is owed; shared likewise.
        events: are told what happens.
        at_task: keeps at a task what it waits for.
        wait_options: how long jobs wait here, and what is deleted after.
        files: moves the files of batches; None: there are no batches.
        spending: knows what calls cost, shared likewise; None: at the prices that come with the worker, and
            nobody counts it.
    """

    def __init__(
        self,
        api: Api,
        task_type: TaskType,
        *,
        retry_policy: RetryPolicy = DEFAULT_POLICY,
        gate: Gate | None = None,
        purchases: Purchases | None = None,
        events: Events | None = None,
        at_task: AtTask | None = None,
        wait_options: WaitOptions | None = None,
        files: Files | None = None,
        spending: Spending | None = None,
    ) -> None:
        self.task_type = task_type
        self._retry_policy = retry_policy
        self._events = events or Events()
        self._purchases = purchases or Purchases()
        spending = spending or Spending(Prices.packaged())
        bills = Bills(spending.prices)
        self._calls = Calls(api, gate or Gate(), self._purchases, self._events, bills, spending)
        self._waiting = Waiting(
            api,
            self._calls,
            self._purchases,
            self._events,
            bills,
            spending,
            at_task or NoTask(),
            wait_options or WaitOptions(),
            files,
        )

    async def work(self, job: Job, slot: Slot = OWN_SLOT) -> Outcome:
        """Return what becomes of a job; raises nothing."""
        attempt = Attempt(job, TaskMemory.of(job), slot=slot)
        try:
            decision = await self.decide(attempt)
            for reason in decision.nulls:
                self._events.emit(NullFound(job, reason.label, reason.kind, reason.line, reason.column))
            outcome = await self._released(decision, attempt)
            if isinstance(outcome, Completed) and attempt.memory.response is not None:
                await self._purchases.owe(job, Document.of(outcome.variables).text)
            return outcome
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not attempt.memory.is_paid or task is None or not task.cancelling():
                raise
            task.uncancel()  # the worker stops: an answer that is paid for goes back with the job
            return release(self._stopped(attempt), attempt)
        except Exception as error:
            return release(self.failed_unexpectedly(job, error), attempt)

    async def _released(self, decision: Decision, attempt: Attempt) -> Outcome:
        """Return a decision's outcome as it may leave; an answer that the engine cannot take is stored."""
        memory = attempt.memory
        outcome = release(decision.outcome, attempt, is_kept=decision.keeps_answer, end=decision.way_out)
        is_lost = not (isinstance(outcome, Completed) or outcome.has_answer or attempt.is_stored)
        if memory.response is None or not is_lost:
            return outcome
        attempt.is_stored = await self._purchases.keep(attempt.job, memory.request or "", memory.response)
        return release(decision.outcome, attempt, is_kept=decision.keeps_answer, end=decision.way_out)

    async def decide(self, attempt: Attempt) -> Decision:
        """Return what becomes of a job, before anything of it is masked, cut or remembered."""
        job = attempt.job
        local = frozenset(job.variables).difference(TRACE_VARIABLES)  # which may be of any scope
        attempt.local_names = local | attempt.memory.names | {STATE_VARIABLE}
        try:
            attempt.mapping = OutputMapping.read(job.headers, job.variables)
            attempt.mapping.check_shadowed(attempt.local_names)
        except HeaderError as error:
            return Decision(Failed(str(error), 0), way_out=_way_out(error, job))
        task: Task | None = None
        try:
            task = self.task_type.read(job.variables, attempt.redaction)
            if attempt.memory.answer_to(task.request.fingerprint) is None:
                bought = await self._waiting.answer_to(task, attempt, _request_id(attempt))
                attempt.memory = attempt.memory.with_answer(task.request.fingerprint, bought.answer)
                attempt.is_stored = bought.is_stored
            else:
                self._waiting.recalled(task, attempt)
        except TaskError as error:
            panel = self.task_type.panel if task is None else task.panel
            over_budget = FAIL if task is None else task.request.over_budget
            return self._on_error(error, panel, attempt, over_budget=over_budget)
        decision = await self._on_answer(task, attempt)
        if not decision.keeps_answer:
            attempt.memory = attempt.memory.without_answer()
            await self._purchases.settle(job.key)  # the next activation is to buy another
        return decision

    async def _on_answer(self, task: Task, attempt: Attempt) -> Decision:
        """Decide what becomes of an answer; it is paid for, so that not even a bug may lose it."""
        job = attempt.job
        try:
            answer = task.read_answer(attempt.memory.response or {})
            if answer.error is not None:
                is_asked_again = answer.again is not None
                self._events.emit(AnswerUnexpected(job, answer.error.code, is_asked_again))
            if answer.again is not None:
                asked = await self._ask_again(answer, answer.again, task, attempt)
                if isinstance(asked, Decision):
                    return asked
                answer = asked
            if answer.error is None or answer.reaction is None:
                return attempt.mapping.on_answer(
                    answer.response, retries=job.retries, local_names=attempt.local_names
                )
            return _on_unexpected(answer, answer.error, task.panel, attempt)
        except Exception as error:
            place = place_of(error)
            log.error(
                "Job %d of element %s: mapping its answer failed unexpectedly (%s)",
                job.key,
                job.element_id,
                place,
            )
            return Decision(Failed(wording.MAPPING_UNEXPECTED(place=place), 0), keeps_answer=True)

    async def _ask_again(
        self, answer: Answer, request: Request, task: Task, attempt: Attempt
    ) -> Answer | Decision:
        """Ask the model once more; the first answer stays, whatever comes of it."""
        attempt.redaction.add([], [answer.response["output"]["text"] or ""])
        kept = attempt.memory.response or {}
        entry: Entry | None = None
        try:
            request_id = _request_id(attempt) + "-again"
            try:
                accepted, entry = await self._calls.buy_again(request, task, attempt.job, request_id)
            except Unfinished as unfinished:
                accepted, entry = await self._waiting.finish_beside(unfinished, task, attempt.job)
        except TaskError as error:
            if self._plan(error, attempt).retries:
                decision = self._on_error(error, task.panel, attempt)
                return replace(decision, keeps_answer=True)
            self._events.emit(CallFailed(attempt.job, error.kind, error.code))
            kept = {**kept, CALLS: 2, NOT_ASKED_AGAIN: attempt.redaction.message(str(error))}
        else:
            cost = both(cost_of(kept.get(COST)), cost_of(accepted.get(COST)))
            kept = {**accepted, CALLS: 2, COST: record_of(cost)}
        attempt.memory = attempt.memory.with_answer(task.request.fingerprint, kept)
        attempt.is_stored = await self._purchases.keep(attempt.job, task.request.fingerprint, kept, entry)
        return task.read_answer(kept)

    def _plan(self, error: TaskError, attempt: Attempt) -> Plan:
        return self._retry_policy.plan(
            error, retries=attempt.job.retries, backoff=attempt.mapping.backoff, memory=attempt.memory
        )

    def _on_error(
        self, error: TaskError, panel: Mapping[str, str], attempt: Attempt, *, over_budget: str = FAIL
    ) -> Decision:
        """Decide what a failure before or during the call means; the error expression has the first word."""
        job, masked = attempt.job, attempt.redaction
        plan = self._plan(error, attempt)
        if isinstance(error, GoesBackError) and plan.retries:
            return self._goes_back(error, plan, attempt)
        self._events.emit(CallFailed(job, error.kind, error.code, advice_on(error, panel)))
        message = masked.message(explained(error, panel))
        # The parts one by one: a dummy key such as "1" must not change codes and names that expressions
        # compare.
        response = {part: masked.value(value) for part, value in error.response_shown().items()}
        attempt.memory = plan.memory
        default: Failed | BpmnError
        if isinstance(error, BudgetExceededError) and over_budget == BPMN_ERROR:
            default = BpmnError(error.code, message, {"budget": error.budget, "until": error.until})
        else:
            default = Failed(message + _outlook(error, plan, attempt.memory), plan.retries, plan.backoff)
        return attempt.mapping.on_error(
            error.recorded or error_object(error.kind, error.code, message, response),
            retries=job.retries,
            default=default,
            local_names=attempt.local_names,
        )

    def _goes_back(self, error: GoesBackError, plan: Plan, attempt: Attempt) -> Decision:
        """Decide what becomes of a job that has no answer for now: no expression sees it yet."""
        message = str(error)  # is masked on the way out
        if isinstance(error, StillWaitingError):
            self._waiting.went_back(attempt.job, error)
        else:
            self._events.emit(HeldBack(attempt.job, attempt.redaction.message(message), error.reason))
        attempt.memory = plan.memory
        outlook = _outlook(error, plan, attempt.memory)
        return Decision(Failed(message + outlook, plan.retries, plan.backoff))

    def pause_hint(self) -> Pause | None:
        """Return how to slow down polling while most jobs are held back; None: there is no need."""
        return self._purchases.pause() or self._calls.gate.pause_hint()

    def time_needed(self, job: Job) -> timedelta:
        """Return how long the job may be this worker's.

        Its job timeout header, and at least the call's timeout.
        """
        return max(self.task_type.time_needed(job.variables), self.lease_asked(job))

    def lease_asked(self, job: Job) -> timedelta:
        """Return the job timeout header, 0 without one."""
        try:
            return parse_duration(job.headers.get(JOB_TIMEOUT) or 0)
        except ValueError:
            return timedelta(0)  # the work on the job says what is wrong with the header

    # What the engine's side meets

    async def settled(self, job: Job, outcome: Outcome | None) -> None:
        """Note that the engine has acknowledged a job's outcome; None: it has the job no more."""
        self._waiting.settled(job, outcome)
        if not stays_stored(outcome):
            await self._purchases.settle(job.key)

    def stopping(self) -> None:
        """Note that no more jobs come: what is gathered goes now."""
        self._waiting.stopping()

    async def aclose(self, seconds: float) -> None:
        """Wait a little for what is removed at the API after its jobs have ended, then stop."""
        await self._waiting.aclose(seconds)

    def unreadable(self, job: Job, problem: str) -> Failed:
        """Return what becomes of a job whose data cannot be decoded: a person must correct them."""
        return Failed(wording.JOB_UNREADABLE(problem=problem), 0)

    def interrupted(self, job: Job, *, is_begun: bool) -> Failed:
        """Return what becomes of a job that the worker gives back because it stops: it loses no retry."""
        words = wording.GIVEN_BACK_DURING if is_begun else wording.GIVEN_BACK_BEFORE
        return Failed(words(), job.retries)

    def _stopped(self, attempt: Attempt) -> Failed:
        """Return what becomes of a job that the worker gives back with what is paid for."""
        call = attempt.memory.waiting
        if call is None or attempt.memory.response is not None:
            return self.interrupted(attempt.job, is_begun=True)
        return Failed(wording.GIVEN_BACK_WAITING(kind=call.kind, id=call.id), attempt.job.retries)

    def lease_too_short(self, job: Job, lease: timedelta, wanted: timedelta) -> Failed:
        """Return what becomes of a job whose lease cannot be prolonged.

        The operator must set a longer one.
        """
        needed = self.time_needed(job)
        return Failed(
            wording.LEASE_TOO_SHORT(needed=_seconds(needed), lease=_seconds(lease), wanted=_seconds(wanted)),
            0,
        )

    def failed_unexpectedly(self, job: Job, error: BaseException, outcome: Outcome | None = None) -> Outcome:
        """Return what becomes of a job after a bug: another attempt, at the cost of a retry.

        An answer that was mapped already is paid for: an incident keeps it.
        """
        place = place_of(error)
        log.error("Job %s: the connector failed unexpectedly (%s)", job.key, place)
        attempt = _attempt_of(outcome)
        if attempt is not None and attempt.memory.is_paid:
            return self._kept(Failed(wording.UNEXPECTED(place=place), 0), attempt)
        return Failed(wording.UNEXPECTED(place=place), self._retry_policy.after_surprise(job.retries))

    def refused(self, job: Job, outcome: Outcome, reason: str) -> Outcome | None:
        """Return what becomes of a job whose outcome the engine will never take; None: nothing can be sent.

        Left alone the job would run, and be paid for, again after its lease. What it paid for is not lost
        with it.
        """
        match outcome:
            case Completed():
                attempt = _attempt_of(outcome) or Attempt(job, TaskMemory(job.key))
                return self._kept(Failed(wording.RESULT_REFUSED(reason=reason), 0), attempt)
            case BpmnError(code=code, message=message):
                attempt = _attempt_of(outcome) or Attempt(job, TaskMemory(job.key))
                words = wording.BPMN_ERROR_REFUSED(code=code, reason=reason, message=message.rstrip("."))
                return self._kept(Failed(words, 0), attempt)
            case Failed(message=message) if outcome.variables:
                return _without_variables(outcome, message, reason)
            case Failed():
                return None

    def _kept(self, failed: Failed, attempt: Attempt) -> Outcome:
        """Return an incident that keeps the attempt's answer, where it has one."""
        return release(failed, attempt, is_kept=attempt.memory.response is not None)


def _attempt_of(outcome: Outcome | None) -> Attempt | None:
    attempt = None if outcome is None else outcome.attempt
    return attempt if isinstance(attempt, Attempt) else None


def _without_variables(failed: Failed, message: str, reason: str) -> Failed:
    """Return a failure whose variables the engine refuses; its answer is in the store, or lost."""
    attempt = _attempt_of(failed)
    end = wording.COULD_NOT_BE_STORED(reason=reason)
    if attempt is not None and attempt.is_stored and attempt.memory.response is not None:
        end += kept_words(attempt, has_answer=False)
    return replace(failed, message=message.rstrip(".") + end, variables={}, has_answer=False)


def explained(error: TaskError, panel: Mapping[str, str]) -> str:
    """Return what went wrong and what to do about it, in the words of the panel that the task has."""
    advice = advice_on(error, panel)
    return f"{error}. {advice}" if advice else str(error)


def advice_on(error: TaskError, panel: Mapping[str, str]) -> str:
    """Return what to do about an error; nothing where its own message says so."""
    match error:
        case ApiError():
            return wording.ADVICE[error.reason](**panel)
        case AnswerError():
            return wording.ADVICE[error.code](**panel)
        case _:
            return ""


def _outlook(error: TaskError, plan: Plan, memory: TaskMemory) -> str:
    """Return what becomes of the job, for the message of a failure that no error expression decides."""
    if error.recovery is Recovery.HELD_BACK:
        end = wording.HELD_TOO_LONG() if plan.too_long is not None else wording.GOES_BACK()
        since = error.down_since
        return end if since is None else wording.HOST_DOWN_SINCE(since=f"{since:%Y-%m-%d %H:%M:%S} UTC") + end
    if not isinstance(error, ApiError):
        return ""
    if memory.waiting is not None and not plan.retries:
        return wording.FETCHED_AGAIN(kind=memory.waiting.kind, id=memory.waiting.id)
    if plan.too_long is not None:
        return wording.WAIT_TOO_LONG(asked=spoken_duration(plan.too_long))
    return wording.TRIED_AGAIN() if plan.retries else ""


def _on_unexpected(
    answer: Answer, error: AnswerError, panel: Mapping[str, str], attempt: Attempt
) -> Decision:
    """Decide what becomes of an answer that is not as asked; the error expression has the first word."""
    mapping, retries, local_names = attempt.mapping, attempt.job.retries, attempt.local_names
    message = attempt.redaction.message(explained(error, panel))
    shown = error_object(error.kind, error.code, message, answer.response)
    if answer.reaction == COMPLETE:
        return mapping.on_answer(answer.response, retries=retries, local_names=local_names, error=shown)
    output = answer.response["output"]
    default: Failed | BpmnError = Failed(message, 0)
    if answer.reaction == BPMN_ERROR:
        thrown = {"condition": error.code, "text": output["text"], "finishReason": output["finishReason"]}
        default = BpmnError(error.code, message, thrown)
    decision = mapping.on_error(
        shown,
        retries=retries,
        default=default,
        local_names=local_names,
        answer_is_paid=True,
        output=output,
    )
    way_out = wording.ANSWER_WAY_OUT(unexpected_answer=UNEXPECTED_ANSWER.name, state=STATE_VARIABLE)
    return replace(decision, way_out=way_out) if isinstance(decision.outcome, Failed) else decision


def _way_out(error: HeaderError, job: Job) -> str:
    """Return what helps a job whose headers are wrong: they never change while it exists."""
    end = "\n" if "\n" in str(error) else ". "  # a syntax error ends with a caret below the place
    if error.header not in OVERRIDES:
        return end + wording.HEADER_NO_WAY_OUT()
    names = " or ".join(OVERRIDES.values())
    return end + wording.HEADER_WAY_OUT(variables=names, element=job.element_id)


def _request_id(attempt: Attempt) -> str:
    return f"{attempt.job.key}-{attempt.job.retries}-{attempt.memory.waits + 1}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}"
