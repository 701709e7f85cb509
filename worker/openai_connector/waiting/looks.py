"""What a look at an answer that is made elsewhere means for its job."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from openai_connector.job import TaskError
from openai_connector.openai_api import ApiError
from openai_connector.outcome.memory import WaitingCall
from openai_connector.tasks.task_type import AnswerNeeded
from openai_connector.waiting.errors import AnswerOverdueError, StillWaitingError
from openai_connector.waiting.pace import Pace

JITTER: Final = (0.9, 1.1)
"""Of the time after which a job comes back: thousands begun at once are no burst for ever."""
PASSING: Final = frozenset({408, 409, 425, 429})
"""And all from 500 on: a look that fails so is tried again, whatever else it may mean for a purchase."""


def out_of_slot(
    call: WaitingCall, needed: AnswerNeeded, pace: Pace, now: float, trouble: ApiError | None
) -> tuple[TaskError, WaitingCall]:
    """Return why a job goes back to the engine without its answer, and what it remembers of the call."""
    waited = max(0.0, now - call.since)
    watched_since = call.since if call.watched_since is None else call.watched_since
    if now - watched_since > pace.patience:
        return AnswerOverdueError(call, needed, trouble), replace(call, watched_since=now)
    asked = trouble.wait if trouble is not None else None
    wait = max(pace.back_off(waited), min(asked.total_seconds(), pace.most) if asked else 0.0)
    return StillWaitingError(call, needed, wait * random.uniform(*JITTER), trouble), call


def is_passing(error: ApiError) -> bool:
    """Check whether a look that has failed so may succeed the next time."""
    response = error.response
    return response is None or not 300 <= response.status < 500 or response.status in PASSING


def is_unknown(error: ApiError) -> bool:
    """Check whether the API says of itself that it does not know what was looked for."""
    response = error.response
    is_told = response is not None and isinstance(response.body, Mapping) and "error" in response.body
    return is_told and response is not None and response.status == 404
