"""Why there is no answer yet, or none any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from openai_connector import wording
from openai_connector.contract import ANSWER_EXPIRED, ANSWER_OVERDUE, STATE_VARIABLE
from openai_connector.job import Recovery, TaskError
from openai_connector.outcome.memory import BATCH, WaitingCall
from openai_connector.purchases import GoesBackError, NotSentError
from openai_connector.tasks.task_type import AnswerNeeded


class StillWaitingError(GoesBackError):
    """The answer is not there yet: the job goes back to the engine."""

    is_wait_counted = False

    def __init__(
        self, call: WaitingCall, needed: AnswerNeeded, wait: float, trouble: Exception | None
    ) -> None:
        failed = "" if trouble is None else wording.LOOK_FAILED(error=trouble)
        super().__init__(wording.STILL_WAITING(**_words(call, needed)) + failed)
        self.wait = timedelta(seconds=wait)
        self.call = call


class AnswerOverdueError(TaskError):
    """The answer has not come for so long that a person must decide; it is still kept by the API."""

    code = ANSWER_OVERDUE
    recovery = Recovery.PERMANENT

    def __init__(self, call: WaitingCall, needed: AnswerNeeded, trouble: Exception | None) -> None:
        failed = "" if trouble is None else wording.LOOK_FAILED(error=trouble)
        words = _words(call, needed)
        if call.kind == BATCH:
            super().__init__(wording.BATCH_OVERDUE(**words) + failed)
        else:
            super().__init__(wording.ANSWER_OVERDUE(**words, state=STATE_VARIABLE) + failed)


class AnswerExpiredError(TaskError):
    """The API does not know the call any more."""

    code = ANSWER_EXPIRED
    recovery = Recovery.PERMANENT

    def __init__(self, call: WaitingCall, needed: AnswerNeeded) -> None:
        super().__init__(wording.ANSWER_EXPIRED(**_words(call, needed)))


class BatchError(TaskError):
    """A batch has ended, and there is no answer to this job in it."""

    def __init__(self, message: str, code: str, recovery: Recovery) -> None:
        super().__init__(message)
        self.code = code
        self.recovery = recovery


class NotSubmittedError(NotSentError):
    """The job's batch was not submitted, or not taken: the job is gathered again."""

    def __init__(self, message: str, wait: float, *, is_wait_counted: bool) -> None:
        super().__init__(message)
        self.wait = timedelta(seconds=wait)
        self.is_wait_counted = is_wait_counted


def _words(call: WaitingCall, needed: AnswerNeeded) -> dict[str, str]:
    since = f"{datetime.fromtimestamp(call.since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return {"kind": call.kind, "id": call.id, "since": since, "needed": needed.value}
