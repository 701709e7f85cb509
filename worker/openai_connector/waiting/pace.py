"""How often an answer that is made elsewhere is looked for, and for how long: pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from openai_connector.tasks.task_type import AnswerNeeded

FIRST_PAUSE: Final = 0.25
"""Seconds before the first look: no model answers sooner."""
LEAST_PAUSE: Final = 0.15
GROWTH: Final = 0.08
"""The pause between two looks, as a part of the time waited: by so much is an answer late at most."""
AFTER_TROUBLE: Final = 1.0
"""Seconds before the next look at least, where one has failed."""
NOT_THERE_YET: Final = 60.0
"""Seconds for which an id may be unknown: it may be asked for before it is known everywhere."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a job waits in the engine."""

    least: float
    """Seconds until it comes back at least."""
    most: float
    share: float
    """Of the time waited so far, until it comes back."""
    patience: float
    """Seconds after which it is an incident."""

    def back_off(self, waited: float) -> float:
        """Return after how many seconds a job comes back that has waited so long."""
        return min(max(self.least, waited * self.share), self.most)


PACES: Final[Mapping[AnswerNeeded, Pace]] = {
    AnswerNeeded.NOW: Pace(2, 60, 0.1, 2 * 3600),
    AnswerNeeded.NOW_KEPT: Pace(2, 60, 0.1, 2 * 3600),
    AnswerNeeded.WITHIN_2H: Pace(10, 300, 0.1, 24 * 3600),
    AnswerNeeded.WITHIN_8H: Pace(30, 300, 0.1, 48 * 3600),
}
DAY: Final = Pace(60, 300, 0.1, 72 * 3600)
"""Of a batch, where nothing else is set; each look at it serves all of its jobs."""
LOOKS_A_RETURN: Final = 2
"""How often a batch is looked at in the time after which a job comes back."""
KEPT: Final = frozenset({AnswerNeeded.NOW_KEPT, AnswerNeeded.WITHIN_2H, AnswerNeeded.WITHIN_8H})
"""Asked in the background. The windows of OpenAI are targets: patience is a multiple of them."""


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """What may be set."""

    kept_wait: timedelta = timedelta(seconds=20)
    """How long a job whose answer is needed now waits in its slot, before it goes back to the engine."""
    is_deleting: bool = True
    """What OpenAI keeps of a call is deleted once the engine has the outcome."""
    now: Callable[[], float] = time.time
    """Seconds since the epoch."""
    batch_size: int = 1000
    """Jobs of a batch, at most."""
    batch_pause: timedelta = timedelta(seconds=60)
    """How long a batch waits for more jobs after its first."""
    batch_bytes: int = 256_000_000
    """Of all requests that are gathered."""
    batch_look: timedelta = timedelta(seconds=60)
    """After which a job of a batch comes back at first; up to five times as long later."""
    fleet: str = ""
    """Which workers know each other's batches."""

    def day(self) -> Pace:
        """Return how a job waits for its batch."""
        least = self.batch_look.total_seconds()
        return Pace(least, least * DAY.most / DAY.least, DAY.share, DAY.patience)


def pause_after(waited: float) -> float:
    """Return the seconds until the next look."""
    return FIRST_PAUSE if waited < FIRST_PAUSE else max(LEAST_PAUSE, waited * GROWTH)


def seconds_in_slot(needed: AnswerNeeded, timeout: timedelta, options: WaitOptions) -> float:
    """Return for how many seconds of its life a call is waited for in the slot."""
    match needed:
        case AnswerNeeded.NOW:
            return timeout.total_seconds()
        case AnswerNeeded.NOW_KEPT:
            return options.kept_wait.total_seconds()
        case _:
            return 0.0
