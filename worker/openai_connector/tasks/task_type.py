"""What every type of task offers: its job type and inputs, and the task that a job's variables describe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from openai_connector.contract import FAIL
from openai_connector.job import Recovery, TaskError
from openai_connector.openai_api import ApiResponse
from openai_connector.redaction import Redaction


class AnswerNeeded(StrEnum):
    """When a task needs its answer; the longer it can wait, the cheaper the answer is."""

    NOW = "now"
    NOW_KEPT = "nowKept"
    """Now, and kept by OpenAI: a worker that is killed in mid-call fetches it, and does not buy it again."""
    WITHIN_2H = "2h"
    WITHIN_8H = "8h"
    WITHIN_A_DAY = "day"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that may be sent: its host is allowed and its secrets are in place."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout: timedelta
    """For the whole call, from the connection to the last byte."""
    fingerprint: str
    """Of what is asked, as which organization and project; a kept answer belongs to it."""
    model: str = ""
    """That is asked, where it is known: models have limits of their own."""
    needed: AnswerNeeded = AnswerNeeded.NOW
    service_tier: str = ""
    """That is asked for, where the request names one."""
    content: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """The body before it was encoded, where it is a context."""
    credentials: tuple[str, ...] = ()
    """The names of the secrets that the key comes from, or of the worker's own setting."""
    over_budget: str = FAIL
    """What becomes of the job where its budget is used up: `fail` or `bpmnError`."""
    redaction: Redaction = field(default_factory=Redaction, repr=False, compare=False)
    """Masks the secrets that stand in it."""


def fingerprint(
    method: str,
    url: str,
    body: bytes,
    organization: str | None,
    project: str | None,
    needed: AnswerNeeded = AnswerNeeded.NOW,
) -> str:
    """Return what tells a request from others. The key is no part of it: it may be renewed."""
    digest = hashlib.sha256()
    for part in (method, url, organization or "", project or ""):
        digest.update(part.encode("utf-8", "replace") + b"\n")
    digest.update(body)
    if needed is not AnswerNeeded.NOW:
        digest.update(b"\n" + needed.encode())
    return digest.hexdigest()


CALLS: Final = "calls"
"""In what is kept of an answer: how many calls were made for it, where it was more than one."""
COST: Final = "cost"
"""In what is kept of an answer: what it cost, all calls together, as `money.record_of` writes it."""
NOT_ASKED_AGAIN: Final = "notAskedAgain"
"""In what is kept of an answer: why the model could not be asked again. It is not tried once more."""


class AnswerError(TaskError):
    """An answer is other than it was asked for; `code` tells how."""

    recovery = Recovery.PERMANENT

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a task reads it."""

    response: Any = field(repr=False)
    """What the expressions see as the response."""
    error: AnswerError | None = None
    """How the answer is other than it was asked for."""
    reaction: str | None = None
    """What is to become of the job then: `fail`, `bpmnError` or `complete`; None: it is no error at all."""
    again: Request | None = None
    """Asks the model once more, and shows it what was wrong."""


class Task(Protocol):
    """A task of one job, ready to be asked."""

    @property
    def request(self) -> Request:
        """What is sent."""
        ...

    @property
    def panel(self) -> Mapping[str, str]:
        """The labels that the task's modeler sees, by the names that `wording` has for them."""
        ...

    def pending(self, response: ApiResponse) -> str | None:
        """Return the id of an answer that is still being made; None: the response is final."""
        ...

    def accept(self, response: ApiResponse) -> Mapping[str, Any]:
        """Return what is kept of an answer until the job is done.

        Raises:
            ApiError: the response is no answer, or not yet.
        """
        ...

    def read_answer(self, kept: Mapping[str, Any]) -> Answer:
        """Return an answer that was kept as the task reads it."""
        ...


class TaskType(Protocol):
    """A type of task that the worker serves."""

    @property
    def job_type(self) -> str:
        """The type of its jobs."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its input variables."""
        ...

    @property
    def panel(self) -> Mapping[str, str]:
        """The labels that a modeler sees where the task itself cannot be read."""
        ...

    def read(self, variables: Mapping[str, Any], redaction: Redaction) -> Task:
        """Return the task that a job's variables describe. Nothing is sent.

        Args:
            variables: of the job.
            redaction: learns the secrets that the task uses, and its private texts.

        Raises:
            InvalidInputsError: with every violation.
            HostRefusedError: the host is not allowed; no secret has been resolved then.
            SecretError: a secret is missing.
        """
        ...

    def time_needed(self, variables: Mapping[str, Any]) -> timedelta:
        """Return how long the task's call may take.

        A wrong timeout counts as none (`read` says what is wrong).
        """
        ...
