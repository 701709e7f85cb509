"""How often and when a failed job is tried again: the only place that counts retries and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from openai_connector.openai_api import Verdict
from openai_connector.outcome.failure import Failure
from openai_connector.outcome.memory import TaskState

LEAST_WAIT = timedelta(seconds=1)
"""Before a job comes back that the API told to wait: `Retry-After: 0` must not make a busy loop."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a failed call costs the job."""

    retries: int
    """Left after it; 0 is an incident."""
    backoff: timedelta | None
    """How long the engine waits before it offers the job again; None = at once."""
    state: TaskState
    """What is remembered of the task from now on."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Which failures cost a retry, and how long a job may be told to wait before each further time costs one."""

    times: int = 20
    total: timedelta = timedelta(hours=1)

    def plan(self, failure: Failure, *, retries: int, backoff: timedelta | None, state: TaskState) -> Plan:
        """Return what a failed call costs.

        Args:
            failure: what went wrong.
            retries: left on the job before it.
            backoff: of the task's header.
            state: what is remembered of the task.
        """
        if failure.verdict is Verdict.FINAL:
            return Plan(0, None, state)
        costs = max(retries - 1, 0)
        if failure.verdict is not Verdict.WAIT or failure.wait is None:
            return Plan(costs, backoff, state)
        wait = max(failure.wait, LEAST_WAIT, backoff or LEAST_WAIT)
        waiting = state.waiting(wait)
        if waiting.waits <= self.times and waiting.waited <= self.total:
            return Plan(retries, wait, waiting)
        return Plan(costs, wait, state)


DEFAULT_POLICY: Final = RetryPolicy()
