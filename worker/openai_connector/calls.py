"""One call to the API: sent when the limits let it, and what they learn from how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from openai_connector import wording
from openai_connector.bills import Bills, billed, call_of
from openai_connector.job import Job, Recovery
from openai_connector.limits import Admission, Asking, Gate, Held, key_of
from openai_connector.limits.limiter import Told
from openai_connector.observe.events import (
    NOTHING,
    AnswerReceived,
    CallCut,
    CallSent,
    CallUnanswered,
    Content,
    Events,
)
from openai_connector.observe.points import during, reached
from openai_connector.openai_api import (
    ApiConnectionError,
    ApiError,
    ApiResponse,
    ApiStatusError,
    ApiTimeoutError,
    allowances,
)
from openai_connector.outcome.memory import WaitingCall
from openai_connector.purchases import NotSentError, Purchases
from openai_connector.spending import Purchase, Spending
from openai_connector.store import Entry
from openai_connector.tasks.task_type import Request, Task

LIMIT_STATUSES: Final = (429, 529)
"""Whatever else they mean, these ask for fewer calls."""

_REASONS: Final[Mapping[str, wording.Sentence]] = {
    "limit": wording.HELD_BY_LIMIT,
    "host": wording.HELD_BY_HOST,
    "share": wording.HELD_BY_SHARE,
    "payload": wording.HELD_BY_PAYLOAD,
}


class Api(Protocol):
    """What sends requests: `openai_api.ApiClient`, or a recorded answer."""

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Return the response to one request, whatever its status.

        Raises an `ApiError` where there is none.
        """
        ...


class Bought(NamedTuple):
    """An answer that is paid for."""

    answer: Mapping[str, Any]
    """What is kept of it."""
    is_stored: bool
    """The worker's store has it."""


class HeldBackError(NotSentError):
    """Nothing was sent: a limit, a host that is down, or others who wait for the slots hold the job back."""

    def __init__(self, held: Held) -> None:
        super().__init__(_REASONS[held.reason](host=held.host))
        self.reason = held.reason
        self.wait = timedelta(seconds=held.wait)
        self.is_wait_counted = held.reason in ("limit", "host")
        if held.since is not None:
            self.down_since = _ago(held.since)


class Unfinished(Exception):  # noqa: N818 - nothing is wrong
    """The call is bought, and its answer is not there yet: it is to be fetched."""

    def __init__(self, id_: str, stored: WaitingCall | None = None, purchase: Purchase | None = None) -> None:
        super().__init__()
        self.id = id_
        self.stored = stored
        """What the store knows of it; None: nothing yet."""
        self.purchase = purchase or Purchase()


class Calls:
    """Makes the calls of all jobs.

    Args:
        api: sends requests.
        gate: says when.
        purchases: know what is bought already.
        events: are told what happens.
        bills: say what answers cost.
        spending: knows what calls may cost.
    """

    def __init__(
        self,
        api: Api,
        gate: Gate,
        purchases: Purchases,
        events: Events,
        bills: Bills,
        spending: Spending,
    ) -> None:
        self._api = api
        self._gate = gate
        self._purchases = purchases
        self._events = events
        self._bills = bills
        self._spending = spending

    @property
    def gate(self) -> Gate:
        """What says when a call may be sent."""
        return self._gate

    async def answer_to(self, request: Request, task: Task, job: Job, request_id: str) -> Bought:
        """Return the answer to a request, bought now or before.

        Raises:
            NotSentError: it was not sent; the job may come back.
            BudgetExceededError: it was not sent, for it does not fit into a budget.
            ApiError: there is no answer. Where that is the host's fault, it loses no retry.
            Unfinished: it is bought, and not there yet. The store is to be told, which still has it as begun.
        """
        purchase = self._spending.purchase(request, job)
        stored = await self._purchases.begin(job, request.fingerprint, purchase.charge)
        if stored is not None:
            return Bought(_whole(stored), is_stored=True)
        try:
            accepted = await self._buy(request, task, job, request_id, purchase, is_claimed=True)
        except Unfinished as unfinished:
            if unfinished.stored is not None:  # another worker's: this one has bought nothing
                await self._purchases.enter(job, purchase.ended())
            raise
        except BaseException as error:
            await self._purchases.call_off(job, request.fingerprint, purchase.ended(error))
            raise
        reached("answer_received")
        is_stored = await self._purchases.keep(job, request.fingerprint, accepted, purchase.ended())
        reached("answer_stored")
        return Bought(accepted, is_stored)

    async def buy_again(
        self, request: Request, task: Task, job: Job, request_id: str
    ) -> tuple[Mapping[str, Any], Entry | None]:
        """Return what is kept of the answer to a second request, and the entry that is to be made of it.

        Raises as `answer_to` does; it is not claimed, and no store has it.
        """
        purchase = self._spending.purchase(request, job)
        await self._purchases.reserve(job, purchase.charge)
        try:
            accepted = await self._buy(request, task, job, request_id, purchase)
        except Unfinished:
            raise
        except BaseException as error:
            await self._purchases.enter(job, purchase.ended(error))
            raise
        return accepted, purchase.ended()

    async def _buy(
        self,
        request: Request,
        task: Task,
        job: Job,
        request_id: str,
        purchase: Purchase,
        *,
        is_claimed: bool = False,
    ) -> Mapping[str, Any]:
        """Return what is kept of the answer to a request that is sent now; raises as `answer_to` does.

        One that is claimed is looked up once more, for it may have waited here.
        """
        key = key_of(request.url, request.headers, request.model)
        asking = Asking(key, job.key, job.bpmn_process_id, len(request.body or b""))
        entered = await self._gate.enter(asking)
        if isinstance(entered, Held):
            raise HeldBackError(entered)
        try:
            if is_claimed:
                stored = await self._purchases.confirm(job, request.fingerprint, purchase.charge)
                if stored is not None:
                    return _whole(stored)
            response = await self._send(request, task, job, request_id, purchase)
            waits_for = task.pending(response)
            accepted = None if waits_for else task.accept(response)
            entered.answered(_told(response), _tokens(response))
        except ApiError as error:
            _learn(entered, error)
            raise
        finally:
            entered.done()
        if accepted is None:
            raise Unfinished(waits_for or "", purchase=purchase)
        return billed(accepted, purchase.bill)

    async def _send(
        self, request: Request, task: Task, job: Job, request_id: str, purchase: Purchase
    ) -> ApiResponse:
        reached("before_send")
        call = call_of(request)
        sent = CallSent(job, call, Content(request.body, request.redaction))
        self._events.emit(sent)
        purchase.is_sent = True
        headers = {**request.headers, "X-Client-Request-Id": request_id, **_new(sent.added, request.headers)}
        begin = monotonic()
        try:
            with during("in_call", 0.05):
                response = await self._api.send(
                    request.method, request.url, body=request.body, headers=headers, timeout=request.timeout
                )
        except asyncio.CancelledError:
            self._events.emit(CallCut(job, monotonic() - begin, call))
            raise
        except ApiError as error:
            # Said before the intent goes: a kill in between would leave nothing that knows of it.
            self._events.emit(CallUnanswered(job, error.kind, monotonic() - begin, call))
            raise
        seconds = monotonic() - begin
        is_pending = task.pending(response) is not None
        bill = purchase.bill = None if is_pending else self._bills.of(request, response)
        used = (None, None, NOTHING) if bill is None else (bill.used.input, bill.used.output, bill.spent)
        content = Content(response.body, request.redaction)
        self._events.emit(AnswerReceived(job, response.status, seconds, call, *used, is_pending, content))
        return response


def _new(added: Mapping[str, str], headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers that the request does not have already."""
    known = {name.lower() for name in headers} if added else ()
    return {name: value for name, value in added.items() if name.lower() not in known}


def _usage(response: ApiResponse) -> Any:
    return response.body.get("usage") if isinstance(response.body, dict) else None


def _whole(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stored answer; raise `Unfinished` where it is still to be fetched."""
    waiting = WaitingCall.read(stored)
    if waiting is not None:
        raise Unfinished(waiting.id, waiting)
    return stored


def _learn(entered: Admission, error: ApiError) -> None:
    """Tell the limits how a call failed; what is the host's fault costs the job no retry.

    A timeout says nothing of the host: the request may ask for too much, or the task may wait too little.
    It does of one that is down already, which hangs now.
    """
    response = error.response
    if response is not None and _is_limit(error, response):
        entered.refused(_told(response), None if error.wait is None else error.wait.total_seconds())
    elif _is_host(error, response, is_down=entered.is_host_down):
        trouble = entered.failed()
        if trouble is not None:
            error.recovery = Recovery.HELD_BACK
            error.wait = max(error.wait or timedelta(0), timedelta(seconds=trouble.wait))
            error.down_since = _ago(trouble.since)
    elif response is not None:
        entered.answered(_told(response))


def _is_limit(error: ApiError, response: ApiResponse) -> bool:
    """Check whether the API wants fewer calls: not where it is one conversation alone that must wait."""
    if error.recovery is Recovery.RATE_LIMITED:
        return error.reason != "conversation_locked"
    return error.recovery is Recovery.TRANSIENT and response.status in LIMIT_STATUSES


def _is_host(error: ApiError, response: ApiResponse | None, *, is_down: bool) -> bool:
    """Check whether a failure may be the host's fault."""
    if error.recovery is not Recovery.TRANSIENT:
        return False
    if isinstance(error, ApiTimeoutError):
        return is_down
    if isinstance(error, ApiConnectionError):
        return True
    return isinstance(error, ApiStatusError) and response is not None and response.status >= 500


def _told(response: ApiResponse) -> list[Told]:
    return [
        (given.is_tokens, given.limit, given.remaining, given.reset.total_seconds())
        for given in allowances(response.headers)
    ]


def _tokens(response: ApiResponse) -> float | None:
    """Return what an answer cost, where it says so."""
    usage = _usage(response)
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if isinstance(total, bool) or not isinstance(total, (int, float)) or not 0 <= total < 1e9:
        return None
    return float(total)


def _ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)
