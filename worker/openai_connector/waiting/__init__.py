"""Calls that wait: the answer is made elsewhere, and fetched by an id that is kept before anything else.

A worker that is killed loses nothing by it, and a job that waits for hours takes no slot, no lease and no
memory here: it goes back to the engine, and each time that it returns it costs one GET.
"""

from __future__ import annotations

from openai_connector.waiting.background import Waiting
from openai_connector.waiting.batch_api import Files
from openai_connector.waiting.errors import AnswerExpiredError, AnswerOverdueError, StillWaitingError
from openai_connector.waiting.held import AtTask, NoTask
from openai_connector.waiting.pace import KEPT, WaitOptions

__all__ = [
    "KEPT",
    "AnswerExpiredError",
    "AnswerOverdueError",
    "AtTask",
    "Files",
    "NoTask",
    "StillWaitingError",
    "WaitOptions",
    "Waiting",
]
