"""How often and when a failed job is tried again: the only place that counts retries and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from openai_connector.job import Recovery, TaskError
from openai_connector.outcome.memory import TaskMemory

UNTOLD_WAIT: Final = timedelta(seconds=15)
"""Before a rate-limited job comes back where the API does not say when."""
LEAST_WAIT: Final = timedelta(seconds=1)
"""Before a rate-limited job comes back: `Retry-After: 0` must not make a busy loop."""
MOST_DOUBLINGS: Final = 10
"""Of a told wait: enough to grow from a second to any usual back-off."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a failed call costs the job."""

    retries: int
    """Left after it; 0 is an incident."""
    backoff: timedelta | None
    """How long the engine waits before it offers the job again; None = at once."""
    memory: TaskMemory
    """What is remembered of the task from now on."""
    too_long: timedelta | None = None
    """The wait that the API asks for, where a job may not wait so long: an incident at once."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Which failures cost a retry, how long a job may wait for the API, and when that costs no retry."""

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
        if error.recovery is Recovery.HELD_BACK:
            return self._held(error, retries, memory)
        fewer = max(retries - 1, 0)
        if error.wait is not None and error.wait > self.total - memory.waited:
            # Nobody would see the job while it waits: a failed job with retries left is shown nowhere.
            return Plan(0, None, memory, too_long=error.wait)
        if error.recovery is Recovery.TRANSIENT:
            longer = max((wait for wait in (error.wait, backoff) if wait is not None), default=None)
            return Plan(fewer, longer, memory)
        return self._rate_limited(error.wait, retries, backoff, memory)

    def _rate_limited(
        self, told: timedelta | None, retries: int, backoff: timedelta | None, memory: TaskMemory
    ) -> Plan:
        """Return what it costs to be refused for a limit: a wait, or a retry where the waits are used up.

        A told wait is enough. Where it was not, the next ones are doubled up to the back-off: an API that
        tells a second for minutes must not use up the waits within seconds.
        """
        least = max(UNTOLD_WAIT if told is None else told, LEAST_WAIT)
        longest = max(least, backoff or least)
        wait = longest if told is None else min(least * 2 ** min(memory.waits, MOST_DOUBLINGS), longest)
        waiting = memory.with_wait(wait)
        if waiting.waits <= self.times and waiting.waited <= self.total:
            return Plan(retries, wait, waiting)
        return Plan(max(retries - 1, 0), longest, memory)

    def _held(self, error: TaskError, retries: int, memory: TaskMemory) -> Plan:
        """Return what it costs that nothing was sent: time alone, for it troubles nobody."""
        wait = max(error.wait or LEAST_WAIT, LEAST_WAIT)
        if not error.is_wait_counted:
            return Plan(retries, wait, memory)
        if wait > self.total - memory.waited:
            return Plan(0, None, memory.rested(), too_long=wait)
        return Plan(retries, wait, memory.held(wait))

    def after_surprise(self, retries: int) -> int:
        """Return the retries left after a failure that nobody expected."""
        return max(0, retries - 1)


DEFAULT_POLICY: Final = RetryPolicy()
