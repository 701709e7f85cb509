"""What a fetched answer is told to have cost: once, however often it is fetched."""

from __future__ import annotations

from openai_connector.bills import Bill, Bills, call_of
from openai_connector.job import Job
from openai_connector.observe.events import NOTHING, AnswerFetched, Content
from openai_connector.openai_api import ApiResponse
from openai_connector.outcome.memory import WaitingCall
from openai_connector.tasks.task_type import Request


def fetched(
    bills: Bills, request: Request, response: ApiResponse, job: Job, call: WaitingCall, seconds: float
) -> tuple[Bill | None, AnswerFetched]:
    """Return the bill of an answer that was fetched, and the event that tells of it."""
    bill = bills.of(request, response)
    is_news = bill is not None and not call.is_billed
    used = (bill.used.input, bill.used.output, bill.spent) if bill and is_news else (None, None, NOTHING)
    event = AnswerFetched(
        job,
        call.id,
        seconds,
        call_of(request),
        *used,
        response.status,
        is_again=call.is_billed,
        kind=call.kind,
        content=Content(response.body, request.redaction),
    )
    return bill, event
