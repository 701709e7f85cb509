"""Points of a job's life at which a worker kills itself when it is told to: for tests of what a kill costs.

    CONNECTOR_FAULT_POINT=answer_received:3

kills the process (SIGKILL: nothing is cleaned up) the third time that it passes this point. Without the
variable a point costs one comparison.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

VARIABLE: Final = "CONNECTOR_FAULT_POINT"
LABELS: Final = (
    "activated",
    "before_send",
    "in_call",
    "answer_received",
    "handed_to_store",
    "answer_stored",
    "before_report",
    "reported",
    "acknowledged",
)
"""In the order of a job's life.

`handed_to_store`: the answer is being written. `reported`: the command is on its way, the engine has not
answered yet.
"""
OF_WAITING: Final = ("response_begun", "response_kept", "response_fetched", "before_delete")
"""The same of a call that waits: it has been accepted, its id is kept, its answer is here, it goes."""
OF_BATCHES: Final = ("gathered", "file_uploaded", "batch_submitted", "batch_kept", "line_handed_out")
"""The same of a line of a batch. `batch_kept`: the engine has acknowledged where a job's answer will be."""
ALL: Final = LABELS + OF_WAITING + OF_BATCHES
KILLED_AT: Final = "killed at the point"
"""What standard error says of it, before the label."""
_NOWHERE: Final[AbstractContextManager[None]] = nullcontext()


def _armed(text: str) -> tuple[str, int]:
    """Read the variable; a typing mistake must not make a run that proves nothing."""
    label, _, times = text.partition(":")
    if label not in ALL or not times.isascii() or not times.isdigit() or int(times) < 1:
        raise ValueError(f"{VARIABLE} must be label:n with a label of {', '.join(ALL)}")
    return label, int(times)


_label, _left = _armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else ("", 0)


def reached(label: str) -> None:
    """Note that a job has come to this point; the process may end here."""
    if label == _label:
        _count()


def during(label: str, seconds: float) -> AbstractContextManager[None]:
    """Return a context that reaches the point once it has lasted so long: for the middle of something."""
    return _in_the_middle(label, seconds) if label == _label else _NOWHERE


@contextmanager
def _in_the_middle(label: str, seconds: float) -> Iterator[None]:
    timer = asyncio.get_running_loop().call_later(seconds, reached, label)
    try:
        yield
    finally:
        timer.cancel()


def _count() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.write(2, f"\n{KILLED_AT} {_label}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
