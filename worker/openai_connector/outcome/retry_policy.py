"""How often and when a failed job is tried again: the only place that counts retries and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from openai_connector.job import Recovery, TaskError
from openai_connector.outcome.memory import TaskMemory

LEAST_WAIT: Final = timedelta(seconds=1)
"""Before a rate-limited job comes back: `Retry-After: 0` must not make a busy loop."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a failed call costs the job."""

    retries: int
    """Left after it; 0 is an incident."""
    backoff: timedelta | None
    """How long the engine waits before it offers the job again; None = at once."""
    memory: TaskMemory
    """What is remembered of the task from now on."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Which failures cost a retry, and how long a job may wait for a rate limit at no cost."""

    times: int = 20
    total: timedelta = timedelta(hours=1)

    def plan(self, error: TaskError, *, retries: int, backoff: timedelta | None, memory: TaskMemory) -> Plan:
        """Return what a failed call costs.

        Args:
            error: what went wrong.
            retries: left on the job before it.
            backoff: of the task's header.
            memory: what is remembered of the task.
        """
        if error.recovery is Recovery.PERMANENT:
            return Plan(0, None, memory)
        fewer = max(retries - 1, 0)
        if error.recovery is Recovery.TRANSIENT or error.wait is None:
            return Plan(fewer, backoff, memory)
        wait = max(error.wait, LEAST_WAIT, backoff or LEAST_WAIT)
        waiting = memory.with_wait(wait)
        if waiting.waits <= self.times and waiting.waited <= self.total:
            return Plan(retries, wait, waiting)
        return Plan(fewer, wait, memory)

    def after_surprise(self, retries: int) -> int:
        """Return the retries left after a failure that nobody expected."""
        return max(0, retries - 1)


DEFAULT_POLICY: Final = RetryPolicy()
