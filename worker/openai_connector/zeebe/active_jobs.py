"""Which jobs are worked on, and which activations come too late: pure, with a clock.

The engine may send an activation that is older than what the worker has reported meanwhile. Worked on, it
would be paid for again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from openai_connector.job import Failed, Outcome

STALE_SECONDS = 30.0
"""For how long an ended job is remembered where its lease was over: longer than a poll takes."""


class Activation(Protocol):
    """A job as the engine sends it."""

    @property
    def key(self) -> int:
        """The job's key."""
        ...

    @property
    def retries(self) -> int:
        """The retries left."""
        ...


Sent = TypeVar("Sent", bound=Activation)


@dataclass(slots=True)
class ActiveJob(Generic[Sent]):
    """A job that is worked on. All moments are those of the clock, in seconds."""

    key: int
    retries: int
    """The retries left, as the engine sent them."""
    until: float
    """Until when the lease lasts at least, measured from before the poll or prolongation was sent."""
    was_over: bool = False
    """The lease may have been over since: another worker may have the job."""
    retry_from: float = math.inf
    """From when on another activation may be the retry of a reported failure: not during its back-off. An
    earlier one is of this very attempt, whose lease was over."""
    stale_until: float = 0.0
    """Until when an activation that still arrives is of this attempt, whose lease was over."""
    again: tuple[Sent, float] | None = None
    """The same job, activated again while its failure was being reported, and the `since` of that."""


class ActiveJobs(Generic[Sent]):
    """The jobs that are worked on, by key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._active: dict[int, ActiveJob[Sent]] = {}
        # By key: stale until, remembered until; oldest first.
        self._stale: dict[int, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._active)

    def accept(self, sent: Sent, since: float, lease: float) -> ActiveJob[Sent] | None:
        """Return the job to be worked on, or None: it is worked on already, or has ended."""
        now = self._clock()
        active = self._active.get(sent.key)
        if active is not None:
            # Its lease was over before the work was; the lease has begun again.
            if now >= active.retry_from:
                active.again = sent, since
            elif sent.retries == active.retries and now < since + lease:
                # Nobody has failed it meanwhile, and nobody else has it now.
                active.until, active.was_over = since + lease, False
            return None
        if now < self._stale_until(sent.key, now):
            return None
        if now >= since + lease:
            return None  # this worker stood still, and another may have the job
        active = self._active[sent.key] = ActiveJob(sent.key, sent.retries, since + lease)
        return active

    def _stale_until(self, key: int, now: float) -> float:
        while self._stale:
            oldest = next(iter(self._stale))
            if self._stale[oldest][1] > now:
                break
            del self._stale[oldest]
        return self._stale.get(key, (0.0, 0.0))[0]

    def seconds_left(self, active: ActiveJob[Sent]) -> float:
        """Return for how many seconds the lease is surely held; 0: another worker may have the job.

        Over once, it stays so: the engine prolongs the lease of whoever has the job.
        """
        left = active.until - self._clock()
        if left <= 0:
            active.was_over = True
        return 0.0 if active.was_over else left

    def prolonged(self, active: ActiveJob[Sent], sent: float, lease: float) -> None:
        """Note that the engine has acknowledged a lease of so many seconds.

        Args:
            active: the job.
            sent: the moment before the command was sent.
            lease: in seconds.
        """
        if self.seconds_left(active):
            active.until = sent + lease

    def lost(self, active: ActiveJob[Sent]) -> None:
        """Note that the lease was over, as the engine says."""
        active.was_over = True

    def decided(self, active: ActiveJob[Sent], outcome: Outcome) -> None:
        """Note what is going to be reported."""
        if isinstance(outcome, Failed):
            backoff = outcome.backoff.total_seconds() if outcome.backoff else 0.0
            active.retry_from = self._clock() + backoff

    def reported(
        self, active: ActiveJob[Sent], outcome: Outcome, *, is_done: bool, is_delivered: bool
    ) -> None:
        """Note what the engine knows.

        Args:
            active: the job.
            outcome: what was reported.
            is_done: the engine has acknowledged it.
            is_delivered: the engine was reached.
        """
        is_retried = isinstance(outcome, Failed) and outcome.retries > 0
        if not self.seconds_left(active):
            # The lease may have been over: what the engine sent then can arrive after the outcome is taken.
            # Of an incident it is dropped too: a person who resolves that at once waits for a lease, and pays
            # nothing.
            if is_retried:
                active.stale_until = active.retry_from
            elif is_delivered:
                active.stale_until = math.inf
        # Failed with retries left, the job may be back before the engine's acknowledgement. Any other
        # activation is older than the outcome, and void.
        is_retry = (
            is_done
            and isinstance(outcome, Failed)
            and active.again is not None
            and active.again[0].retries == outcome.retries
        )
        if not is_retry:
            active.again = None

    def end(self, active: ActiveJob[Sent]) -> tuple[Sent, float] | None:
        """Forget a job; return its next activation, where that has come already."""
        del self._active[active.key]
        now = self._clock()
        if now < active.stale_until:
            self._stale[active.key] = active.stale_until, now + STALE_SECONDS
        return active.again
